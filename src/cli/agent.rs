//! `agent`: who is registered, and the kill switch.

use std::path::PathBuf;

use schemas::id::SignerId;
use serde_json::{Map, Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::key::{enrolment, load_or_generate};
use crate::cli::listing::{self, Column};
use crate::cli::{operator, parse};
use crate::client::segment;
use crate::exit::Exit;

/// Commands about agents.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Register an agent; with --enroll its key too
    Register {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        /// Who answers for it
        #[arg(long)]
        owner: String,
        /// What it is for
        #[arg(long)]
        purpose: Option<String>,
        /// How it may act
        #[arg(long, value_parser = ["autonomous", "approval", "on_behalf_of"])]
        mode: Option<String>,
        /// Enrol the key in this file, which is made if it is not there
        #[arg(long, value_name = "FILE")]
        enroll: Option<PathBuf>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List agents
    Ls,
    /// Show one agent with its keys and its last entry
    Show {
        /// Id of the agent
        agent: String,
    },
    /// Stop an agent: its next event is rejected, nobody else's is
    Disable {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Let a disabled or suspended agent act again
    Enable {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        #[command(flatten)]
        operator: operator::Args,
    },
}

const COLUMNS: [Column; 5] = [
    ("AGENT", "id"),
    ("STATE", "state"),
    ("OWNER", "owner"),
    ("REGISTERED", "registered"),
    ("CHANGED", "changed"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Register { agent, owner, purpose, mode, enroll, operator } => {
            let fields = [("purpose", purpose), ("execution_mode", mode)];
            let mut events = vec![registration(&agent, &owner, fields)];
            if let Some(path) = enroll {
                events.push(enrolment(&agent, &load_or_generate(&agent, &path)?.public()));
            }
            operator::submit(context, &operator, events)
        }
        Command::Ls => listing::list(context, "/api/v1/agents", COLUMNS),
        Command::Show { agent } => show(context, &agent),
        Command::Disable { agent, operator } => {
            operator::submit(context, &operator, vec![about("agent.disabled", &agent)])
        }
        Command::Enable { agent, operator } => {
            operator::submit(context, &operator, vec![about("agent.enabled", &agent)])
        }
    }
}

fn about(kind: &str, agent: &SignerId) -> Json {
    json!({ "kind": kind, "agent": { "id": agent.as_str() } })
}

fn registration(agent: &SignerId, owner: &str, fields: [(&str, Option<String>); 2]) -> Json {
    let given =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let registry: Map<String, Json> = given.collect();
    let mut event = about("agent.registered", agent);
    if let Json::Object(event) = &mut event {
        event.insert("owner".to_owned(), owner.into());
        if !registry.is_empty() {
            event.insert("registry".to_owned(), registry.into());
        }
    }
    event
}

fn show(context: &Context, agent: &str) -> Result<Exit, Failure> {
    let json = context.client()?.json(&format!("/api/v1/agents/{}", segment(agent)), &[])?;
    listing::show(context, &json)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::body::Body;
    use schemas::id::{Micros, Tenant};
    use schemas::kind::Kind;

    use super::*;
    use crate::keyfile::KeyFile;
    use crate::sign::EventSigner;

    #[test]
    fn every_statement_is_a_sound_body() {
        let operator = KeyFile::generate(SignerId::parse("op").unwrap());
        let mut signer = EventSigner::new(operator, Tenant::parse("acme").unwrap());
        let agent = SignerId::parse("billing-ops-agent").unwrap();
        let key = KeyFile::generate(agent.clone()).public();
        let full =
            [("purpose", Some("pay".to_owned())), ("execution_mode", Some("approval".into()))];
        let none = [("purpose", None), ("execution_mode", None)];
        for (event, kind) in [
            (registration(&agent, "owner@example.com", full), Kind::AgentRegistered),
            (registration(&agent, "owner@example.com", none), Kind::AgentRegistered),
            (about("agent.disabled", &agent), Kind::AgentDisabled),
            (about("agent.enabled", &agent), Kind::AgentEnabled),
            (enrolment(&agent, &key), Kind::KeyEnrolled),
        ] {
            let bytes = signer.body(event, Micros(1)).unwrap();
            let body = Body::parse(&bytes).unwrap();
            assert_eq!((body.kind(), body.signer()), (kind, "op"));
        }
    }
}
