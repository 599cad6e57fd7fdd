//! `approval`: what waits for a human, and who decided.

use schemas::id::EventId;
use schemas::shape::time_json;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::finding::gone;
use crate::cli::member::{cell, number};
use crate::cli::out::Format;
use crate::cli::pages::{self, Pages};
use crate::cli::{operator, parse};
use crate::clock;
use crate::exit::Exit;

/// Commands about approvals.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// List requests, the newest first, with the decisions on them
    Ls {
        /// Those that wait
        #[arg(long)]
        open: bool,
        /// Those that somebody decided
        #[arg(long)]
        approver: Option<String>,
    },
    /// Allow or deny what a request asks for
    Decide {
        /// Id of the request
        #[arg(value_parser = parse::event_id)]
        request: EventId,
        /// What you decide
        #[arg(value_parser = ["allow", "deny"])]
        decision: String,
        /// How long an allow counts, as 15m
        #[arg(long, value_name = "SPAN", value_parser = parse::duration)]
        expires: Option<std::time::Duration>,
        #[command(flatten)]
        approver: operator::Args,
    },
}

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls { open, approver } => {
            let mut query: Vec<_> =
                approver.iter().map(|approver| ("approver", approver.clone())).collect();
            query.extend(open.then(|| ("open", "true".to_owned())));
            list(context, query)
        }
        Command::Decide { request, decision, expires, approver } => {
            let mut approval = json!({ "request": request.to_string(), "decision": decision });
            if let (Some(span), Json::Object(approval)) = (expires, &mut approval) {
                let end = clock::after(context.now(), *span);
                approval.insert("expires".to_owned(), time_json(end));
            }
            let event = json!({
                "kind": "approval.decided",
                "causes": [request.to_string()],
                "approval": approval,
            });
            operator::submit(context, approver, vec![event])
        }
    }
}

fn list(context: &Context, query: Vec<(&'static str, String)>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let approvals = Pages::new(&client, "/api/v1/approvals", query).whole()?;
    let out = context.out();
    let items = approvals.get("items").and_then(Json::as_array).map(Vec::as_slice);
    let items = items.unwrap_or_default();
    let exit = pages::ending(items, "all decisions on it");
    if out.format() != Format::Table {
        out.json(&approvals)?;
        return Ok(exit);
    }
    for request in items {
        if let Some(gone) = gone(request) {
            out.line(&gone)?;
            continue;
        }
        let index = number(request, "index");
        out.line(&format!(
            "#{index} {}  {}  {} {}  {}",
            cell(request, "id"),
            cell(request, "agent"),
            cell(request, "action"),
            cell(request, "target"),
            cell(request, "correlation"),
        ))?;
        let decisions = request.get("decisions").and_then(Json::as_array);
        for decision in decisions.into_iter().flatten() {
            let at = number(decision, "index");
            let latency = number(decision, "latency_us");
            out.line(&format!(
                "    #{at} {} by {} [{}] after {} s",
                cell(decision, "decision"),
                cell(decision, "approver"),
                cell(decision, "human"),
                latency / 1_000_000,
            ))?;
        }
    }
    Ok(exit)
}
