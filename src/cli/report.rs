//! `report`: what a session did beside what it was asked to do, rights that nobody used, models compared, and samples.

mod models;
mod sample;

use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::{self, worst};
use crate::cli::member::{cell, items, number};
use crate::cli::out::Format;
use crate::client::segment;
use crate::exit::Exit;

/// Reports.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// What a session did, under the task that it declared; what breaks a rule is marked
    Postmortem {
        /// The session, in hex
        #[arg(long)]
        session: String,
    },
    /// Operations that contracts permit and nobody used, and those that agents asked for
    Scopes {
        /// Of this agent only
        #[arg(long)]
        agent: Option<String>,
        /// How far back
        #[arg(long, value_name = "WHEN", default_value = "90d")]
        since: String,
    },
    /// What an agent did under each model and version, and what changed between them
    Models {
        /// The agent
        #[arg(long)]
        agent: String,
        /// How far back
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
    },
    /// Entries that chance picks, the same for the same seed
    Sample(sample::Args),
}

/// Makes it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Postmortem { session } => postmortem(session, context),
        Command::Scopes { agent, since } => {
            let mut query = vec![("since", since.as_str())];
            query.extend(agent.iter().map(|agent| ("agent", agent.as_str())));
            scopes(&query, context)
        }
        Command::Models { agent, since } => models::run(agent, since.as_deref(), context),
        Command::Sample(args) => sample::run(args, context),
    }
}

fn postmortem(session: &str, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/reports/sessions/{}", segment(session));
    let report = context.client()?.json(&path, &[])?;
    let out = context.out();
    let exit = incomplete::ending(&report, "the session has more entries than one answer looks at");
    if out.format() != Format::Table {
        out.json(&report)?;
        return Ok(exit);
    }
    let task = match (cell(&report, "declared.task.summary"), cell(&report, "declared.task.digest"))
    {
        (summary, _) if !summary.is_empty() => summary,
        (_, digest) if !digest.is_empty() => digest,
        _ => "not declared".to_owned(),
    };
    out.line(&format!("session  {session}"))?;
    let (agent, signer) = (cell(&report, "declared.agent.id"), cell(&report, "signer"));
    out.line(&format!("agent    {agent}"))?;
    if signer != agent {
        out.line(&format!("signer   {signer}"))?;
    }
    out.line(&format!("asked    {task}"))?;
    items(&report, "entries").iter().try_for_each(|entry| out.line(&done(entry)))?;
    Ok(exit)
}

/// An entry of a session; of another signer's, whose it is.
fn done(entry: &Json) -> String {
    let flags: Vec<_> = items(entry, "findings").iter().map(|flag| cell(flag, "rule")).collect();
    let mark = if flags.is_empty() { " " } else { "!" };
    let by = match entry.get("own").and_then(Json::as_bool) {
        Some(false) => format!("[by {}] ", cell(entry, "signer")),
        _ => String::new(),
    };
    let what = match cell(entry, "action") {
        action if action.is_empty() => cell(entry, "kind"),
        action => format!("{action} {} {}", cell(entry, "target"), cell(entry, "environment")),
    };
    let is = |name: &str| entry.get(name).and_then(Json::as_bool) == Some(true);
    let ending = match cell(entry, "status") {
        status if status == "accepted" && is("redacted") => "[erased]".to_owned(),
        status if status == "accepted" && is("damaged") => "[damaged]".to_owned(),
        status if status == "accepted" => cell(entry, "outcome"),
        reason => format!("REJECTED {reason}"),
    };
    let (index, what) = (number(entry, "index"), what.trim_end());
    let line = format!("{mark} #{index} {by}{what} {ending}  {}", flags.join(", "));
    line.trim_end().to_owned()
}

/// A request for more, and what was decided.
fn asked(request: &Json) -> String {
    let scopes = items(request, "scope").iter().filter_map(Json::as_str).map(printable);
    let decisions = items(request, "decisions").iter();
    let decisions: Vec<_> = decisions
        .map(|decision| format!("{} by {}", cell(decision, "decision"), cell(decision, "approver")))
        .collect();
    let decided = if decisions.is_empty() { "undecided".to_owned() } else { decisions.join(", ") };
    let scopes: Vec<_> = scopes.collect();
    format!("{} at #{}: {decided}", scopes.join(", "), number(request, "index"))
}

/// How much of what an agent may do it did; unless that is not known, which is not the same as nothing.
fn granted(agent: &Json) -> String {
    let used = match agent.get("used").and_then(Json::as_u64) {
        Some(used) => format!("{used} used"),
        None => "not all looked at".to_owned(),
    };
    format!("{}  {} granted, {used}", cell(agent, "agent"), number(agent, "granted"))
}

fn scopes(query: &[(&str, &str)], context: &Context) -> Result<Exit, Failure> {
    let report = context.client()?.json("/api/v1/reports/scopes", query)?;
    let out = context.out();
    let mut exit = Exit::Ok;
    for agent in items(&report, "items") {
        let told = format!(
            "{}: not all of it could be looked at: it is too much, or some is erased",
            cell(agent, "agent")
        );
        exit = worst([exit, incomplete::ending(agent, &told)]);
    }
    if out.format() != Format::Table {
        out.json(&report)?;
        return Ok(exit);
    }
    for agent in items(&report, "items") {
        out.line(&granted(agent))?;
        let unused = agent.get("unused").and_then(Json::as_object);
        for (system, operations) in unused.into_iter().flatten() {
            for operation in operations.as_array().into_iter().flatten().filter_map(Json::as_str) {
                out.line(&format!("  unused  {}: {}", printable(system), printable(operation)))?;
            }
        }
        for request in items(agent, "requests") {
            out.line(&format!("  asked   {}", asked(request)))?;
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_that_were_not_looked_at_are_not_called_unused() {
        let mut agent = json!({ "agent": "a", "granted": 4, "used": 0, "unused": {} });
        assert_eq!(granted(&agent), "a  4 granted, 0 used");
        for name in ["used", "unused"] {
            agent[name] = Json::Null;
        }
        assert_eq!(granted(&agent), "a  4 granted, not all looked at");
    }

    #[test]
    fn an_entry_of_another_signer_says_whose_it_is() {
        let mut entry = json!({
            "index": 7, "status": "accepted", "kind": "action.intent", "signer": "b\u{1b}",
            "action": "email.send", "target": "x", "environment": "e", "own": true,
        });
        assert_eq!(done(&entry), "  #7 email.send x e");
        entry["own"] = false.into();
        assert_eq!(done(&entry), "  #7 [by b\\u{1b}] email.send x e");
        for (state, shown) in [("redacted", "[erased]"), ("damaged", "[damaged]")] {
            let gone = json!({ "index": 8, "status": "accepted", "kind": "k", (state): true });
            assert_eq!(done(&gone), format!("  #8 k {shown}"));
        }
    }
}
