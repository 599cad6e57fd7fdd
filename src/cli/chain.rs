//! `chain`: a workflow rebuilt, step by step.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::Format;
use crate::client::segment;
use crate::exit::Exit;

/// Arguments of `chain`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Correlation id of the workflow
    correlation: String,
}

/// Rebuilds it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/workflows/{}", segment(&args.correlation));
    let chain = context.client()?.json(&path, &[])?;
    let out = context.out();
    if out.format() == Format::Table {
        out.line(query::render_chain(&chain).trim_end())?;
    } else {
        out.json(&chain)?;
    }
    Ok(verdict(&chain))
}

/// What does not verify is not shown as if it did.
fn verdict(chain: &Json) -> Exit {
    match chain.pointer("/verified/ok").and_then(Json::as_bool) {
        Some(true) => Exit::Ok,
        Some(false) => Exit::HashMismatch,
        None => Exit::Undecidable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_verified_chain_is_a_success() {
        for (chain, exit) in [
            (json!({ "verified": { "ok": true } }), Exit::Ok),
            (json!({ "verified": { "ok": false } }), Exit::HashMismatch),
            (json!({ "verified": {} }), Exit::Undecidable),
            (json!(null), Exit::Undecidable),
        ] {
            assert_eq!(verdict(&chain), exit);
        }
    }
}
