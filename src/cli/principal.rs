//! `principal`: people and services in the registry.

use std::path::PathBuf;

use schemas::id::SignerId;
use schemas::kind::Role;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::key::{enrolment, load_or_generate};
use crate::cli::listing::{self, Column};
use crate::cli::point::Point;
use crate::cli::{operator, parse};
use crate::exit::Exit;

/// Commands about principals.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Register a person or a service; with --enroll its key too
    Register {
        /// Its id
        #[arg(value_parser = parse::signer)]
        principal: SignerId,
        /// What it may sign; can be repeated
        #[arg(long = "role", required = true, value_parser = parse::role)]
        roles: Vec<Role>,
        /// Its name
        #[arg(long)]
        name: Option<String>,
        /// Where alerts for it go
        #[arg(long)]
        route: Option<String>,
        /// Enrol the key in this file, which is made if it is not there
        #[arg(long, value_name = "FILE")]
        enroll: Option<PathBuf>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List people and services
    Ls {
        /// Those with this role
        #[arg(long, value_parser = parse::role)]
        role: Option<Role>,
        /// Those that have left
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        point: Point,
    },
    /// Record that a person or a service has left
    Disable {
        /// Its id
        #[arg(value_parser = parse::signer)]
        principal: SignerId,
        #[command(flatten)]
        operator: operator::Args,
    },
}

const COLUMNS: [Column; 5] = [
    ("PRINCIPAL", "id"),
    ("ROLES", "roles"),
    ("ENABLED", "enabled"),
    ("ROUTE", "route"),
    ("REGISTERED", "registered"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of key, broker and receipts.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Register { principal, roles, name, route, enroll, operator } => {
            let fields = [("name", name), ("route", route)];
            let mut events = vec![registration(&principal, &roles, fields)];
            if let Some(path) = enroll {
                events.push(enrolment(&principal, &load_or_generate(&principal, &path)?.public()));
            }
            operator::submit(context, &operator, events)
        }
        Command::Ls { role, disabled, point } => {
            let mut query: Vec<_> = role.iter().map(|role| ("role", role.as_str())).collect();
            query.extend(disabled.then_some(("disabled", "true")));
            query.extend(point.query());
            listing::list(context, "/api/v1/principals", &query, COLUMNS)
        }
        Command::Disable { principal, operator } => {
            let id = principal.as_str();
            let event = json!({ "kind": "principal.disabled", "registry": { "id": id } });
            operator::submit(context, &operator, vec![event])
        }
    }
}

fn registration(principal: &SignerId, roles: &[Role], fields: [(&str, Option<String>); 2]) -> Json {
    let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    let mut registry = json!({ "id": principal.as_str(), "roles": roles });
    for (name, value) in fields {
        if let (Json::Object(registry), Some(value)) = (&mut registry, value) {
            registry.insert(name.to_owned(), value.into());
        }
    }
    json!({ "kind": "principal.registered", "registry": registry })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::body::Body;
    use schemas::id::{Micros, Tenant};

    use super::*;
    use crate::keyfile::KeyFile;
    use crate::sign::EventSigner;

    #[test]
    fn a_registration_is_a_sound_body() {
        let operator = KeyFile::generate(SignerId::parse("op").unwrap());
        let mut signer = EventSigner::new(operator, Tenant::parse("acme").unwrap());
        let gate = SignerId::parse("voice-gate").unwrap();
        let fields = [("name", Some("Voice gate".to_owned())), ("route", None)];
        let event = registration(&gate, &[Role::Gate, Role::Witness], fields);
        let bytes = signer.body(event, Micros(1)).unwrap();
        assert_eq!(Body::parse(&bytes).unwrap().text("registry.name"), Some("Voice gate"));
    }
}
