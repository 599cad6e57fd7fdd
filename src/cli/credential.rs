//! `credential`: what agents act with, and whose it is; never its value.

use schemas::id::SignerId;
use schemas::shape::time_json;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::point::Point;
use crate::cli::{operator, parse};
use crate::client::segment;
use crate::clock;
use crate::exit::Exit;

/// Commands about credentials.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Register a credential of an agent, by its id
    Register {
        /// Id of the credential, never its value
        credential: String,
        /// The agent that holds it
        #[arg(long, value_parser = parse::signer)]
        agent: SignerId,
        /// Its type, as oauth-client
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// What it opens; can be repeated
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// How long it lives from now on, as 1h
        #[arg(long, value_name = "SPAN", value_parser = parse::duration)]
        lifetime: Option<std::time::Duration>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Record that a credential counts no more
    Revoke {
        /// Id of the credential
        credential: String,
        /// For this agent only
        #[arg(long, value_parser = parse::signer)]
        agent: Option<SignerId>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List credentials
    Ls {
        /// Those that this agent holds
        #[arg(long)]
        agent: Option<String>,
        /// Those of two agents, registered to both or witnessed with both
        #[arg(long)]
        shared: bool,
        /// Those that open more than their agent's contract permits
        #[arg(long)]
        overbroad: bool,
        /// Those that entries name and nobody registered
        #[arg(long)]
        unregistered: bool,
        #[command(flatten)]
        point: Point,
    },
    /// Show one credential with its holders
    Show {
        /// Id of the credential
        credential: String,
        #[command(flatten)]
        point: Point,
    },
}

const COLUMNS: [Column; 2] = [("CREDENTIAL", "id"), ("HOLDERS", "holders")];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Register { credential, agent, kind, scopes, lifetime, operator } => {
            let now = context.now();
            let mut fields = json!({ "id": credential, "scopes": scopes });
            if let (Some(kind), Json::Object(fields)) = (kind, &mut fields) {
                fields.insert("type".to_owned(), kind.as_str().into());
            }
            if let (Some(lifetime), Json::Object(fields)) = (lifetime, &mut fields) {
                fields.insert("issued".to_owned(), time_json(now));
                fields.insert("expires".to_owned(), time_json(clock::after(now, *lifetime)));
            }
            let event = json!({
                "kind": "credential.registered",
                "agent": { "id": agent.as_str() },
                "credential": fields,
            });
            operator::submit(context, operator, vec![event])
        }
        Command::Revoke { credential, agent, operator } => {
            let mut event =
                json!({ "kind": "credential.revoked", "credential": { "id": credential } });
            if let (Some(agent), Json::Object(event)) = (agent, &mut event) {
                event.insert("agent".to_owned(), json!({ "id": agent.as_str() }));
            }
            operator::submit(context, operator, vec![event])
        }
        Command::Ls { agent, shared, overbroad, unregistered, point } => {
            let mut query: Vec<_> = agent.iter().map(|agent| ("agent", agent.as_str())).collect();
            let flags =
                [("shared", shared), ("overbroad", overbroad), ("unregistered", unregistered)];
            query.extend(flags.iter().filter(|(_, set)| **set).map(|(name, _)| (*name, "true")));
            query.extend(point.query());
            listing::list(context, "/api/v1/credentials", &query, COLUMNS)
        }
        Command::Show { credential, point } => {
            let path = format!("/api/v1/credentials/{}", segment(credential));
            listing::show(context, &context.client()?.json(&path, &point.query())?)?;
            Ok(Exit::Ok)
        }
    }
}
