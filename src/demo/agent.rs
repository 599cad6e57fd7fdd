//! A signer's own process: events in on standard input, signed here, sent over the broker, receipts
//! verified here, outcomes out on standard output. One JSON object a line, in order.
//!
//! ```text
//! > {"session":"…"}
//! < {"now":"2026-04-08T03:47:12Z","forged":false,"events":[{"kind":…}]}
//! > {"outcomes":[{"id":"…","index":57}]}
//! > {"outcomes":[{"id":"…","index":58,"reason":"disabled_agent"}]}
//! > {"error":"…"}
//! ```

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use ingest::{Broker, PublishError, Publisher};
use schemas::body::Body;
use schemas::id::{EventId, SignerId, Tenant, unhex};
use schemas::key::PublicKey;
use schemas::kind::Stream;
use schemas::reject::Reject;
use schemas::submission;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::clock;
use crate::keyfile::{KeyFile, KeyFileError};
use crate::receipts::{ReplyError, Verdict, verify_reply};
use crate::sign::{EventSigner, Item};

/// How long a submission may take, until its receipt is there.
const RECEIPT_S_MAX: u64 = 45;

/// What the process is started with.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Who signs
    name: String,
    /// The signer's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Address of the NATS server
    #[arg(long, value_name = "URL")]
    nats: String,
    /// Tenant whose ledger it is
    #[arg(long)]
    tenant: String,
    /// The ledger's public key, in hex
    #[arg(long, value_name = "HEX")]
    ledger_key: String,
}

/// Why a signer's process does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// Something on the command line.
    #[error("{0} is not what it must be")]
    Argument(&'static str),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The broker.
    #[error("the broker: {0}")]
    Publish(#[from] PublishError),
    /// Standard input or output.
    #[error("the conductor: {0}")]
    Conductor(#[from] std::io::Error),
    /// A line that is not one of the protocol's.
    #[error("not a request: {0}")]
    Request(&'static str),
    /// An event that the ledger would refuse whoever signed it.
    #[error("the event is not one: {0}")]
    Event(Reject),
    /// The reply proves nothing.
    #[error("the receipt does not verify: {0}")]
    Reply(#[from] ReplyError),
}

/// Runs until standard input ends.
///
/// # Errors
/// [`AgentError`]; what concerns one request is answered on standard output instead.
pub(crate) fn run(args: &Args) -> Result<(), AgentError> {
    // The connection must answer the broker's pings while no request is there.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut agent = runtime.block_on(Agent::enter(args))?;
    say(&json!({ "session": agent.signer.session().to_string() }))?;
    for line in std::io::stdin().lock().lines() {
        let answer = match runtime.block_on(agent.serve(&line?)) {
            Ok(outcomes) => json!({ "outcomes": outcomes }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        say(&answer)?;
    }
    Ok(())
}

fn say(answer: &Json) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}

struct Agent {
    signer: EventSigner,
    publisher: Publisher,
    ledger: PublicKey,
}

impl Agent {
    async fn enter(args: &Args) -> Result<Self, AgentError> {
        let key = KeyFile::load(&args.key)?;
        let wrong = AgentError::Argument;
        let name = SignerId::parse(&args.name).filter(|name| *name == key.signer);
        let name = name.ok_or(wrong("the signer's name"))?;
        let tenant = Tenant::parse(&args.tenant).ok_or(wrong("--tenant"))?;
        let ledger = unhex(&args.ledger_key).and_then(|key| PublicKey::from_bytes(&key).ok());
        let ledger = ledger.ok_or(wrong("--ledger-key"))?;
        let publisher = Publisher::connect(&Broker::at(&args.nats), &tenant, &name).await?;
        Ok(Self { signer: EventSigner::new(key, tenant), publisher, ledger })
    }

    async fn serve(&mut self, line: &str) -> Result<Vec<Json>, AgentError> {
        let request: Json =
            serde_json::from_str(line).map_err(|_syntax| AgentError::Request("JSON"))?;
        let now = request.get("now").and_then(Json::as_str).and_then(clock::parse);
        let now = now.ok_or(AgentError::Request("now"))?;
        let events = request.get("events").and_then(Json::as_array);
        let events = events.ok_or(AgentError::Request("events"))?;
        let make = |event: &Json| self.signer.item(event.clone(), now).map_err(AgentError::Event);
        let items: Vec<Item> = events.iter().map(make).collect::<Result<_, _>>()?;
        let (ids, stream) = addressed(&items)?;
        let mut message = self.signer.submission(&items);
        if request.get("forged").and_then(Json::as_bool).unwrap_or(false) {
            forge(&mut message);
        }
        let deadline = Instant::now() + Duration::from_secs(RECEIPT_S_MAX);
        let sent = self.publisher.publish_until_receipted(message.clone(), stream, deadline);
        let reply = sent.await?;
        let verdicts = verify_reply(&reply, &message, &self.ledger)?;
        Ok(ids.iter().zip(&verdicts).map(|(id, verdict)| outcome(*id, verdict)).collect())
    }
}

/// Each item's id, and the stream on which they travel together.
fn addressed(items: &[Item]) -> Result<(Vec<EventId>, Stream), AgentError> {
    let parse = |(body, _detail): &Item| {
        Body::parse(body).map(|body| (body.id(), body.kind().stream())).map_err(AgentError::Event)
    };
    let addressed: Vec<_> = items.iter().map(parse).collect::<Result<_, _>>()?;
    let stream = addressed.first().map(|(_, stream)| *stream);
    let stream = stream.ok_or(AgentError::Request("at least one event"))?;
    if addressed.iter().any(|(_, other)| *other != stream) {
        return Err(AgentError::Request("events of one stream"));
    }
    Ok((addressed.into_iter().map(|(id, _)| id).collect(), stream))
}

/// Flips one bit of the signature.
fn forge(message: &mut [u8]) {
    let Ok(opened) = submission::open(message) else { return };
    let statement = opened.statement().bytes();
    let (length, needle) = (statement.len(), statement.to_vec());
    let found = message.windows(length).position(|window| window == needle);
    // A statement ends with its signature of 64 bytes.
    let first = found.map(|start| start + length - 64);
    if let Some(byte) = first.and_then(|first| message.get_mut(first)) {
        *byte ^= 1;
    }
}

fn outcome(id: EventId, verdict: &Verdict) -> Json {
    match verdict {
        Verdict::Committed(index) | Verdict::Duplicate(index) => {
            json!({ "id": id.to_string(), "index": index.0 })
        }
        Verdict::Rejected(index, reject) => json!({
            "id": id.to_string(), "index": index.0, "reason": reject.reason.as_str(),
            "cause": { "path": reject.cause.path, "expected": reject.cause.expected },
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::id::Micros;
    use schemas::reject::Reason;

    use super::*;

    #[test]
    fn a_forged_signature_is_one_bit_away() {
        let key = KeyFile::generate(SignerId::parse("a").unwrap());
        let public = key.public();
        let mut signer = EventSigner::new(key, Tenant::parse("dev").unwrap());
        let event = json!({
            "kind": "session.end", "agent": { "id": "a" }, "outcome": { "status": "confirmed" },
        });
        let item = signer.item(event, Micros(1_775_606_400_000_000)).unwrap();
        let genuine = signer.submission(&[item]);
        let mut forged = genuine.clone();
        forge(&mut forged);
        let differ = genuine.iter().zip(&forged).map(|(a, b)| (a ^ b).count_ones());
        assert_eq!(differ.sum::<u32>(), 1);
        assert!(submission::open(&genuine).unwrap().verify(&public).is_ok());
        let refused = submission::open(&forged).unwrap().verify(&public).unwrap_err();
        assert_eq!(refused.reason, Reason::BadSignature);
    }
}
