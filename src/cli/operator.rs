//! Statements for the registry: signed by an operator, an owner or a delegator, published, receipted.

use std::path::PathBuf;

use schemas::kind::{Kind, Stream};
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::delivery::{self, Courier, Options};
use crate::cli::failure::Failure;
use crate::cli::out::note;
use crate::cli::runtime;
use crate::client::segment;
use crate::exit::Exit;
use crate::keyfile::KeyFile;
use crate::receipts::Verdict;
use crate::sign::EventSigner;

/// Who signs, why, and how long to wait.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Key file of who signs
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why; becomes the entry's note
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// As [`Args`], where a command can do something without a signature too.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Optional {
    /// Key file of who signs
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Why; becomes the entry's note
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    options: Options,
}

impl Optional {
    /// The same, with the key that is needed now.
    ///
    /// # Errors
    /// [`Failure::Argument`] without one.
    pub(crate) fn needed(&self) -> Result<Args, Failure> {
        let Self { key, reason, options } = self.clone();
        let key = key.ok_or(Failure::Argument {
            name: "--key",
            value: String::new(),
            expected: "the key file of who signs",
        })?;
        Ok(Args { key, reason, options })
    }
}

/// Signs these events at once and waits for their receipts. They end in one commit, in this order.
///
/// # Errors
/// [`Failure::Rejected`] where an event could not be signed; [`Failure`] of key, broker and receipts.
pub(crate) fn submit(context: &Context, args: &Args, events: Vec<Json>) -> Result<Exit, Failure> {
    let key = KeyFile::load(&args.key)?;
    let mut signer = EventSigner::new(key, context.tenant()?);
    let now = context.now();
    let mut items = Vec::new();
    let mut names = Vec::new();
    let stream = events.first().map_or(Stream::Op, lane);
    let path = path(&events);
    for mut event in events {
        if let (Some(reason), Json::Object(event)) = (&args.reason, &mut event) {
            event.insert("note".to_owned(), reason.as_str().into());
        }
        names.push(name(&event));
        items.push(signer.item(event, now).map_err(Failure::Rejected)?);
    }
    let message = signer.submission(&items);
    let sent = runtime()?.block_on(async {
        let courier = Courier::connect(context, signer.signer(), &args.options).await?;
        courier.deliver(message.clone(), stream).await
    });
    let verdicts = match sent {
        Err(away @ (Failure::Broker { .. } | Failure::UnknownFate { .. }))
            if context.is_served() =>
        {
            note(away.render().trim_end());
            note("sending the same to the server instead, which takes it without the broker");
            delivery::to_server(context, &args.options, &path, &message)?
        }
        sent => sent?,
    };
    report(context, &verdicts, &names)
}

fn report(context: &Context, verdicts: &[Verdict], names: &[String]) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for (verdict, name) in verdicts.iter().zip(names) {
        delivery::report(verdict, name, context.out())?;
        exit = exit.worst(delivery::exit(verdict));
    }
    Ok(exit)
}

/// Delegations travel with their signer's other events, everything else here with the statements of operators.
fn lane(event: &Json) -> Stream {
    let kind = event.get("kind").and_then(Json::as_str).and_then(Kind::parse);
    kind.map_or(Stream::Op, Kind::stream)
}

/// Where the server itself takes these. The kill switch has a path of its own, which is open to who may do nothing else.
fn path(events: &[Json]) -> String {
    let at = |event: &Json, path: &str| event.pointer(path)?.as_str().map(str::to_owned);
    match events {
        [event] if at(event, "/kind").as_deref() == Some(Kind::AgentDisabled.as_str()) => {
            let agent = at(event, "/agent/id").unwrap_or_default();
            format!("/api/v1/agents/{}/disable", segment(&agent))
        }
        _ => "/api/v1/submissions".to_owned(),
    }
}

/// The event's kind and what it is about.
fn name(event: &Json) -> String {
    let at = |path: &str| event.pointer(path).and_then(Json::as_str);
    let about = ["/agent/id", "/registry/id", "/registry/signer", "/credential/id", "/grant/id"]
        .into_iter()
        .find_map(at);
    format!("{} {}", at("/kind").unwrap_or_default(), about.unwrap_or_default())
}
