//! `why`: on whose authority an action ran, within what limits, who agreed, and what came of it.

use schemas::id::Index;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete;
use crate::cli::out::{Format, note};
use crate::cli::parse;
use crate::exit::Exit;

/// Arguments of `why`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The entry: an intent, or what belongs to one
    #[arg(value_name = "N", value_parser = parse::index)]
    index: Index,
}

/// Explains it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let why = context.client()?.json(&format!("/api/v1/entries/{}/why", args.index.0), &[])?;
    let out = context.out();
    if out.format() == Format::Table {
        out.line(query::render_why(&why).trim_end())?;
    } else {
        out.json(&why)?;
    }
    Ok(ending(&why))
}

/// What is damaged may have said anything, and so may what was not looked at.
fn ending(why: &Json) -> Exit {
    let more = "too many entries cite it to tell all that stands around it";
    let exit = incomplete::ending(why, more);
    if why.get("damaged").and_then(Json::as_bool) == Some(true) {
        note("the entry is damaged: what it said is not known");
        return Exit::Undecidable;
    }
    exit
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_damaged_or_cut_is_no_success() {
        for (why, exit) in [
            (json!({ "incomplete": false }), Exit::Ok),
            (json!({ "incomplete": false, "redacted": true }), Exit::Ok),
            (json!({ "incomplete": true }), Exit::Undecidable),
            (json!({ "damaged": true }), Exit::Undecidable),
        ] {
            assert_eq!(ending(&why), exit, "{why}");
        }
    }
}
