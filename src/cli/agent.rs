//! `agent`: who is registered, and the kill switch.

use std::path::PathBuf;

use schemas::id::SignerId;
use serde_json::{Map, Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::key::{enrolment, load_or_generate};
use crate::cli::listing::{self, Column};
use crate::cli::member::{cell, number};
use crate::cli::out::{Format, note};
use crate::cli::point::Point;
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
        #[command(flatten)]
        profile: Profile,
        /// Enrol the key in this file, which is made if it is not there
        #[arg(long, value_name = "FILE")]
        enroll: Option<PathBuf>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Change what is registered of an agent
    Update {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        /// Who answers for it from now on
        #[arg(long)]
        owner: Option<String>,
        #[command(flatten)]
        profile: Profile,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List agents
    Ls(Ls),
    /// Show one agent, by its id or another of its names: keys, contract, grants, sessions, history
    Show {
        /// Id, mailbox, telephone number or external id of the agent
        agent: String,
        #[command(flatten)]
        point: Point,
    },
    /// Stop an agent: its next event is rejected, nobody else's is
    Disable {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        /// Show what would stop working, and stop nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        operator: operator::Optional,
    },
    /// Stop an agent for a while
    Suspend(About),
    /// Let a disabled or suspended agent act again
    Enable(About),
    /// Stop an agent for ever
    Retire(About),
}

/// An agent, and who says something about it.
#[derive(clap::Args, Debug)]
pub(crate) struct About {
    /// Id of the agent
    #[arg(value_parser = parse::signer)]
    agent: SignerId,
    #[command(flatten)]
    operator: operator::Args,
}

/// What is registered of an agent besides its owner.
#[derive(clap::Args, Default, Debug)]
pub(crate) struct Profile {
    /// What it is for
    #[arg(long)]
    purpose: Option<String>,
    /// How it may act
    #[arg(long, value_parser = ["autonomous", "approval", "on_behalf_of"])]
    mode: Option<String>,
    /// The build that it runs: SHA-256 in hex
    #[arg(long, value_name = "HASH")]
    build: Option<String>,
    /// The environment that it runs in
    #[arg(long)]
    environment: Option<String>,
    /// A mailbox or telephone number of its own; can be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Its id elsewhere, as entra:… or spiffe://…; can be repeated
    #[arg(long = "external", value_name = "ID")]
    external: Vec<String>,
}

impl Profile {
    fn registry(&self) -> Map<String, Json> {
        let texts = [
            ("purpose", &self.purpose),
            ("execution_mode", &self.mode),
            ("build", &self.build),
            ("environment", &self.environment),
        ];
        let texts =
            texts.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
        let lists = [("addresses", &self.addresses), ("external", &self.external)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(name, list)| (name, json!(list)));
        texts.chain(lists).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Which agents to list.
#[derive(clap::Args, Debug)]
pub(crate) struct Ls {
    /// Those in this state
    #[arg(long, value_parser = ["active", "suspended", "disabled", "retired"])]
    state: Option<String>,
    /// Those of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Those whose contract ends within this span, as 30d
    #[arg(long, value_name = "SPAN")]
    expiring: Option<String>,
    /// Those whose contract has ended
    #[arg(long)]
    expired: bool,
    /// Those whose owner has left, or was never registered
    #[arg(long)]
    ownerless: bool,
    /// Those whose contract was to be reviewed by now, and was not
    #[arg(long)]
    unreviewed: bool,
    /// Those that entries name and nobody registered
    #[arg(long)]
    shadow: bool,
    #[command(flatten)]
    point: Point,
}

const COLUMNS: [Column; 6] = [
    ("AGENT", "id"),
    ("STATE", "state"),
    ("OWNER", "owner"),
    ("REGISTERED", "registered"),
    ("CHANGED", "changed"),
    ("EXPIRY", "expiry"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    let say = |kind: &str, about: &About| {
        operator::submit(context, &about.operator, vec![event(kind, &about.agent)])
    };
    match command {
        Command::Register { agent, owner, profile, enroll, operator } => {
            let mut events = vec![registration("agent.registered", &agent, Some(&owner), &profile)];
            if let Some(path) = enroll {
                events.push(enrolment(&agent, &load_or_generate(&agent, &path)?.public()));
            }
            operator::submit(context, &operator, events)
        }
        Command::Update { agent, owner, profile, operator } => {
            let event = registration("agent.updated", &agent, owner.as_deref(), &profile);
            operator::submit(context, &operator, vec![event])
        }
        Command::Ls(ls) => ls.run(context),
        Command::Show { agent, point } => show(context, &agent, &point),
        Command::Disable { agent, dry_run: true, .. } => impact(context, &agent),
        Command::Disable { agent, operator, .. } => {
            let event = event("agent.disabled", &agent);
            operator::submit(context, &operator.needed()?, vec![event])
        }
        Command::Suspend(about) => say("agent.suspended", &about),
        Command::Enable(about) => say("agent.enabled", &about),
        Command::Retire(about) => say("agent.retired", &about),
    }
}

fn event(kind: &str, agent: &SignerId) -> Json {
    json!({ "kind": kind, "agent": { "id": agent.as_str() } })
}

fn registration(kind: &str, agent: &SignerId, owner: Option<&str>, profile: &Profile) -> Json {
    let registry = profile.registry();
    let mut event = event(kind, agent);
    if let Json::Object(event) = &mut event {
        if let Some(owner) = owner {
            event.insert("owner".to_owned(), owner.into());
        }
        // An update says that it changes something, be it the owner alone.
        if !registry.is_empty() || kind == "agent.updated" {
            event.insert("registry".to_owned(), registry.into());
        }
    }
    event
}

impl Ls {
    fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let texts = [("state", &self.state), ("owner", &self.owner), ("expiring", &self.expiring)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let flags = [
            ("expired", self.expired),
            ("ownerless", self.ownerless),
            ("unreviewed", self.unreviewed),
            ("shadow", self.shadow),
        ];
        let flags = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| (name, "true"));
        let mut query: Vec<_> = texts.chain(flags).collect();
        query.extend(self.point.query());
        listing::list(context, "/api/v1/agents", &query, COLUMNS)
    }
}

fn show(context: &Context, agent: &str, point: &Point) -> Result<Exit, Failure> {
    let path = format!("/api/v1/agents/{}", segment(agent));
    let json = context.client()?.json(&path, &point.query())?;
    listing::show(context, &json)?;
    Ok(listing::ending(&json))
}

/// What disabling would stop.
fn impact(context: &Context, agent: &SignerId) -> Result<Exit, Failure> {
    let path = format!("/api/v1/agents/{}/disable?dry_run=true", segment(agent.as_str()));
    let impact = context.client()?.post(&path)?;
    let out = context.out();
    let exit = listing::ending(&impact);
    if out.format() != Format::Table {
        out.json(&impact)?;
        return Ok(exit);
    }
    let rows = |name: &str| impact.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let [sessions, grants, sharers] = ["sessions", "grants", "sharers"].map(rows);
    let many =
        |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    out.line(&format!(
        "{}, {}, {}",
        many(sessions.len(), "live session"),
        many(grants.len(), "child grant"),
        many(sharers.len(), "sharer")
    ))?;
    for session in &sessions {
        let started = number(session, "started");
        out.line(&format!(
            "session  {}  since #{started}  {}",
            cell(session, "session"),
            cell(session, "task")
        ))?;
    }
    for grant in &grants {
        let granted = number(grant, "granted");
        out.line(&format!("grant    {}  to {}  #{granted}", cell(grant, "id"), cell(grant, "to")))?;
    }
    for sharer in &sharers {
        out.line(&format!(
            "sharer   {}  of {}",
            cell(sharer, "agent"),
            cell(sharer, "credential")
        ))?;
    }
    note(&format!("nothing was changed; {} is {}", agent.as_str(), cell(&impact, "state")));
    Ok(exit)
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
        let full = Profile {
            purpose: Some("pay".to_owned()),
            mode: Some("approval".to_owned()),
            build: Some("00".repeat(32)),
            environment: Some("staging".to_owned()),
            addresses: vec!["mailto:pay@example.com".to_owned()],
            external: vec!["spiffe://example.com/pay".to_owned()],
        };
        let owner = Some("owner@example.com");
        let none = Profile::default();
        for (event, kind) in [
            (registration("agent.registered", &agent, owner, &full), Kind::AgentRegistered),
            (registration("agent.registered", &agent, owner, &none), Kind::AgentRegistered),
            (registration("agent.updated", &agent, owner, &none), Kind::AgentUpdated),
            (registration("agent.updated", &agent, None, &full), Kind::AgentUpdated),
            (event("agent.disabled", &agent), Kind::AgentDisabled),
            (event("agent.enabled", &agent), Kind::AgentEnabled),
            (event("agent.retired", &agent), Kind::AgentRetired),
            (enrolment(&agent, &key), Kind::KeyEnrolled),
        ] {
            let bytes = signer.body(event, Micros(1)).unwrap();
            let body = Body::parse(&bytes).unwrap();
            assert_eq!((body.kind(), body.signer()), (kind, "op"));
        }
    }
}
