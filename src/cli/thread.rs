//! `thread`: the workflow that an inbound message belongs to.

use schemas::printable::printable;
use schemas::trigger;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::cli::out::{Format, note};
use crate::client::{ClientError, segment};
use crate::exit::Exit;

/// Arguments of `thread`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the message: for mail its Message-ID
    message: String,
    /// How it came
    #[arg(long, default_value = "mail", value_parser = ["mail", "webhook", "schedule", "human", "agent"])]
    channel: String,
    /// A message that it names as one before it (References, In-Reply-To), the oldest first; can be repeated
    #[arg(long = "reference", value_name = "ID")]
    references: Vec<String>,
}

/// Prints the correlation id for its `trigger.observed`.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let references = args.references.join(",");
    let query = [("channel", args.channel.as_str()), ("references", references.as_str())];
    let path = format!("/api/v1/threads/{}", segment(trigger::message_id(&args.message)));
    let thread = context.client()?.json(&path, &query)?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&thread)?;
        return Ok(Exit::Ok);
    }
    let expected = "a correlation id";
    let correlation = text(&thread, "correlation").ok_or(ClientError::Answer { path, expected })?;
    out.line(&printable(correlation))?;
    match thread.get("index").and_then(serde_json::Value::as_u64) {
        Some(index) => note(&format!("known from #{index}")),
        None => note("no entry knows the thread: a workflow of its own"),
    }
    Ok(Exit::Ok)
}
