//! `why`: on whose authority an action ran, within what limits, who agreed, and what came of it.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::{Format, note};
use crate::cli::parse;
use crate::exit::Exit;

/// Arguments of `why`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The entry: an intent, or what belongs to one
    #[arg(value_name = "N", value_parser = parse::index)]
    index: u64,
}

/// Explains it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let why = context.client()?.json(&format!("/api/v1/entries/{}/why", args.index), &[])?;
    let out = context.out();
    if out.format() == Format::Table {
        out.line(query::render_why(&why).trim_end())?;
    } else {
        out.json(&why)?;
    }
    if why.get("incomplete").and_then(Json::as_bool) == Some(true) {
        note("too many entries cite it to tell all that stands around it");
        return Ok(Exit::Undecidable);
    }
    Ok(Exit::Ok)
}
