//! Delivery: a signed submission goes to the broker until its receipt is back and verified.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use ingest::{Broker, PublishError, Publisher, Tls};
use schemas::checkpoint::NoteKey;
use schemas::id::{Index, SignerId};
use schemas::key::PublicKey;
use schemas::kind::Stream;
use schemas::limits::SUBMISSION_S_MAX;
use schemas::reject::Reject;
use schemas::reply::Reply;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::cli::context::{Context, given};
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Out, Tone, note};
use crate::cli::trust;
use crate::client::{ClientError, without_password};
use crate::exit::Exit;
use crate::receipts::{ReplyError, Verdict, verify_reply};

/// How long to wait, and whose receipts to believe.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long to wait for a receipt
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = crate::cli::parse::duration)]
    timeout: Duration,
    /// Ledger key to check receipts with: verifier key, fingerprint or file [env: SWORN_TRUST] [default:
    /// the one that the server names]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
    // Boxed, because these options are in every command that signs.
    #[command(flatten)]
    admission: Box<Admission>,
}

/// What it takes to be let in by the broker.
#[derive(clap::Args, Clone, Debug)]
struct Admission {
    /// Credentials file that the NATS server lets in: a JWT and its seed [env: SWORN_NATS_CREDENTIALS]
    #[arg(long, value_name = "FILE")]
    nats_credentials: Option<String>,
    /// File of an nkey seed that the NATS server lets in [env: SWORN_NATS_NKEY]
    #[arg(long, value_name = "FILE")]
    nats_nkey: Option<String>,
    /// Authorities to know the NATS server by, besides public ones [env: SWORN_NATS_CA]
    #[arg(long, value_name = "FILE")]
    nats_ca: Option<String>,
}

impl Admission {
    /// The broker at `url`, with what it takes to be let in.
    fn broker(&self, url: &str) -> Broker {
        let file = |flag: Option<&String>, variable| given(flag, variable).map(PathBuf::from);
        let ca = file(self.nats_ca.as_ref(), "SWORN_NATS_CA");
        Broker {
            credentials: file(self.nats_credentials.as_ref(), "SWORN_NATS_CREDENTIALS"),
            nkey: file(self.nats_nkey.as_ref(), "SWORN_NATS_NKEY"),
            tls: ca.map(|ca| Tls { ca: Some(ca), client: None }),
            ..Broker::at(url)
        }
    }
}

/// A connection to the broker in one signer's name.
pub(crate) struct Courier<'c> {
    context: &'c Context,
    publisher: Publisher,
    url: String,
    /// The ledger's key, as of the last receipt.
    ledger: RefCell<Ledger>,
    timeout: Duration,
}

/// The key that receipts are checked with.
#[derive(Clone)]
struct Ledger {
    named: NoteKey,
    key: PublicKey,
}

impl<'c> Courier<'c> {
    /// Connects as `signer`.
    ///
    /// # Errors
    /// [`Failure::Broker`], and those of tenant and trust.
    pub(crate) async fn connect(
        context: &'c Context,
        signer: &SignerId,
        options: &Options,
    ) -> Result<Self, Failure> {
        let (tenant, url) = (context.tenant()?, context.nats());
        let ledger = RefCell::new(Ledger::of(context, options)?);
        // Receipts are verified whatever the server shows, and a kill switch does not wait until a conflict
        // is understood: here it is said and no more.
        if let Err(conflict @ Failure::Verdict { .. }) = context.client() {
            note(&conflict.render());
        }
        let broker = options.admission.broker(&url);
        let connecting = Publisher::connect(&broker, &tenant, signer);
        let source = match tokio::time::timeout(options.timeout, connecting).await {
            Ok(Ok(publisher)) => {
                return Ok(Self { context, publisher, url, ledger, timeout: options.timeout });
            }
            Ok(Err(error)) => error.into(),
            Err(elapsed) => elapsed.into(),
        };
        Err(Failure::Broker { url: without_password(&url), source })
    }

    /// The verified end of each item of a submission.
    ///
    /// # Errors
    /// [`Failure::UnknownFate`] without a receipt in time, [`Failure::Receipt`] for one that proves
    /// nothing, [`Failure::Broker`] when it could not be sent.
    pub(crate) async fn deliver(
        &self,
        message: Vec<u8>,
        stream: Stream,
    ) -> Result<Vec<Verdict>, Failure> {
        let deadline = Instant::now() + self.timeout;
        let sent = self.publisher.publish_until_receipted(message.clone(), stream, deadline).await;
        match sent {
            Ok(reply) => self.verified(&reply, &message),
            Err(PublishError::Unknown(_)) => {
                Err(Failure::UnknownFate { seconds: self.timeout.as_secs() })
            }
            Err(error) => {
                Err(Failure::Broker { url: without_password(&self.url), source: error.into() })
            }
        }
    }

    /// The verified end of each item, under the key that the ledger has now if that was rotated meanwhile.
    fn verified(&self, reply: &Reply, message: &[u8]) -> Result<Vec<Verdict>, Failure> {
        let known = self.ledger.borrow().clone();
        let fault = match verify_reply(reply, message, &known.key) {
            Err(fault @ ReplyError::Receipt { .. }) => fault,
            end => return Ok(end?),
        };
        let next = self.context.successor(&known.named).ok();
        let Some(next) = next.filter(|next| *next != known.named) else {
            return Err(fault.into());
        };
        let next = Ledger::named(next)?;
        let end = verify_reply(reply, message, &next.key)?;
        self.ledger.replace(next);
        Ok(end)
    }
}

impl Ledger {
    fn of(context: &Context, options: &Options) -> Result<Self, Failure> {
        Self::named(context.trust(options.trust.as_ref())?)
    }

    fn named(named: NoteKey) -> Result<Self, Failure> {
        let key = trust::public(&named).ok_or_else(|| Failure::Argument {
            name: "--trust",
            value: named.vkey(),
            expected: "a key under which signatures prove something",
        })?;
        Ok(Self { named, key })
    }
}

/// The verified end of each item of a submission that goes to the server itself, at `path`.
///
/// # Errors
/// [`Failure::Client`]; else as for [`Courier::deliver`].
pub(crate) fn to_server(
    context: &Context,
    options: &Options,
    path: &str,
    message: &[u8],
) -> Result<Vec<Verdict>, Failure> {
    let ledger = Ledger::of(context, options)?;
    let unknown = || Failure::UnknownFate { seconds: SUBMISSION_S_MAX };
    let reply = match context.unwatched()?.submit(path, message) {
        // It was sent, perhaps whole.
        Err(ClientError::Unreachable { .. } | ClientError::BrokeOff { .. }) => Err(unknown()),
        reply => reply?.ok_or_else(unknown),
    }?;
    let expected = "the reply to a submission";
    let unreadable = || ClientError::Answer { path: path.to_owned(), expected };
    let reply = Reply::decode(&reply).ok_or_else(unreadable)?;
    Ok(verify_reply(&reply, message, &ledger.key)?)
}

/// The command's end that a verdict means.
pub(crate) fn exit(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Committed(_) | Verdict::Duplicate(_) => Exit::Ok,
        Verdict::Rejected(..) => Exit::Rejected,
    }
}

/// Prints how an event ended; `what` names it.
///
/// # Errors
/// Those of the output.
pub(crate) fn report(verdict: &Verdict, what: &str, out: Out) -> Result<(), Failure> {
    if out.format() != Format::Table {
        return out.json(&to_json(verdict, what));
    }
    let (tone, text) = match verdict {
        Verdict::Committed(Index(index)) => (Tone::Good, format!("committed #{index}")),
        Verdict::Duplicate(Index(index)) => (Tone::Plain, format!("duplicate #{index}")),
        Verdict::Rejected(_, reject) => {
            (Tone::Bad, schemas::printable::printable(&rejected(reject)))
        }
    };
    let what = schemas::printable::printable(what);
    out.line(format!("{}  {what}", out.paint(tone, &text)).trim_end())
}

/// Reason, place and what was expected there.
pub(crate) fn rejected(reject: &Reject) -> String {
    let Reject { reason, cause } = reject;
    format!("rejected: {reason} {}: expected {}", cause.path, cause.expected)
}

fn to_json(verdict: &Verdict, what: &str) -> Json {
    match verdict {
        Verdict::Committed(index) => {
            json!({ "fate": "committed", "index": index.0, "event": what })
        }
        Verdict::Duplicate(index) => {
            json!({ "fate": "duplicate", "index": index.0, "event": what })
        }
        Verdict::Rejected(index, reject) => json!({
            "fate": "rejected",
            "index": index.0,
            "event": what,
            "reason": reject.reason.as_str(),
            "cause": { "path": reject.cause.path, "expected": reject.cause.expected },
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_broker_is_shown_what_was_given() {
        let broker = |arguments: &[&str]| {
            let line = Line::try_parse_from([&["sworn"][..], arguments].concat()).unwrap();
            line.options.admission.broker("nats://host")
        };
        let all = ["--nats-credentials", "/c", "--nats-nkey", "/n", "--nats-ca", "/ca"];
        let shown = broker(&all);
        assert_eq!(shown.urls, ["nats://host"]);
        assert_eq!(shown.credentials, Some("/c".into()));
        assert_eq!(shown.nkey, Some("/n".into()));
        assert_eq!(shown.tls.unwrap().ca, Some("/ca".into()));
        let plain = broker(&[]);
        assert!(plain.credentials.is_none() && plain.nkey.is_none() && plain.tls.is_none());
    }
}
