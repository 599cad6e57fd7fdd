//! `grant`: authority passed on, and taken back.

use schemas::id::{EventId, Micros, SignerId};
use schemas::shape::time_json;
use serde_json::{Map, Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::out::Format;
use crate::cli::point::Point;
use crate::cli::{operator, parse};
use crate::client::segment;
use crate::clock;
use crate::exit::Exit;
use crate::sign::fresh_id;

/// Commands about grants.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Let an agent act in your name; what is left out binds nothing
    Give(Box<Give>),
    /// Take a grant back, and with it all that rests on it
    Revoke {
        /// Id of the grant
        #[arg(value_parser = parse::event_id)]
        grant: EventId,
        #[command(flatten)]
        delegator: operator::Args,
    },
    /// List grants
    Ls {
        /// Those by this delegator
        #[arg(long)]
        by: Option<String>,
        /// Those to this agent
        #[arg(long)]
        to: Option<String>,
        /// Those under which somebody may act
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        point: Point,
    },
    /// Show a grant, and what was given under it
    Show {
        /// Id of the grant
        grant: String,
        #[command(flatten)]
        point: Point,
    },
}

/// What is granted.
#[derive(clap::Args, Debug)]
pub(crate) struct Give {
    /// Who may act
    #[arg(value_parser = parse::signer)]
    to: SignerId,
    /// The grant that you act under yourself
    #[arg(long, value_name = "GRANT", value_parser = parse::event_id)]
    parent: Option<EventId>,
    /// A scope; can be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scope: Vec<String>,
    /// A system; can be repeated
    #[arg(long = "system", value_name = "SYSTEM")]
    systems: Vec<String>,
    /// A target, with * at its end for any; can be repeated
    #[arg(long = "target", value_name = "PATTERN")]
    targets: Vec<String>,
    /// A data class; can be repeated
    #[arg(long = "data-class", value_name = "CLASS")]
    data_classes: Vec<String>,
    /// The environment
    #[arg(long)]
    environment: Option<String>,
    /// What for
    #[arg(long)]
    task: Option<String>,
    /// How long it lasts, as 8h
    #[arg(long, value_name = "SPAN", value_parser = parse::duration)]
    expires: Option<std::time::Duration>,
    /// The workflow that it belongs to
    #[arg(long, value_name = "CORR")]
    correlation: Option<String>,
    #[command(flatten)]
    delegator: operator::Args,
}

const COLUMNS: [Column; 7] = [
    ("GRANT", "id"),
    ("BY", "by"),
    ("TO", "to"),
    ("SCOPE", "scope"),
    ("ENV", "environment"),
    ("GRANTED", "granted"),
    ("ACTIVE", "active"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Give(give) => {
            let id = fresh_id(context.now());
            let exit =
                operator::submit(context, &give.delegator, vec![give.event(id, context.now())])?;
            // In the other forms the event that was reported has its id.
            if exit == Exit::Ok && context.out().format() == Format::Table {
                context.out().line(&format!("grant {id}"))?;
            }
            Ok(exit)
        }
        Command::Revoke { grant, delegator } => {
            let event =
                json!({ "kind": "delegation.revoked", "grant": { "id": grant.to_string() } });
            operator::submit(context, delegator, vec![event])
        }
        Command::Ls { by, to, active, point } => {
            let texts = [("by", by), ("to", to)];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
            let mut query: Vec<_> = texts.collect();
            query.extend(active.then_some(("active", "true")));
            query.extend(point.query());
            listing::list(context, "/api/v1/grants", &query, COLUMNS)
        }
        Command::Show { grant, point } => {
            let path = format!("/api/v1/grants/{}", segment(grant));
            listing::show(context, &context.client()?.json(&path, &point.query())?)?;
            Ok(Exit::Ok)
        }
    }
}

impl Give {
    fn event(&self, id: EventId, now: Micros) -> Json {
        let mut grant = Map::new();
        let mut put = |name: &str, value: Json| grant.insert(name.to_owned(), value);
        put("id", id.to_string().into());
        put("to", self.to.as_str().into());
        let lists = [
            ("scope", &self.scope),
            ("systems", &self.systems),
            ("targets", &self.targets),
            ("data_classes", &self.data_classes),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            put(name, json!(list));
        }
        for (name, text) in [("environment", &self.environment), ("task", &self.task)] {
            if let Some(text) = text {
                put(name, text.as_str().into());
            }
        }
        if let Some(parent) = self.parent {
            put("parent", parent.to_string().into());
        }
        if let Some(span) = self.expires {
            put("expires", time_json(clock::after(now, span)));
        }
        let mut event = json!({ "kind": "delegation.granted", "grant": grant });
        if let (Some(correlation), Json::Object(event)) = (&self.correlation, &mut event) {
            event.insert("correlation".to_owned(), correlation.as_str().into());
        }
        event
    }
}
