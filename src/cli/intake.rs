//! The input of `publish`: events signed as they come and cut into submissions of one stream each.

use std::collections::BTreeMap;

use schemas::body::{Body, Seq};
use schemas::id::{Micros, SessionId};
use schemas::kind::{Kind, Stream};
use schemas::limits::SUBMISSION_BYTES_MAX;
use schemas::reject::{Reason, Reject};
use schemas::submission;
use serde_json::Value as Json;

use crate::cli::events::Events;
use crate::cli::failure::Failure;
use crate::sign::{EventSigner, Item, end};

/// Bytes of a submission beside its items, at most: statement, manifest and the items' heads.
const BESIDE_BYTES_MAX: usize = 16 << 10;

/// The events to come, with their signer.
pub(crate) struct Intake {
    signer: EventSigner,
    events: Events,
    /// Most events under one signature.
    batch: usize,
    /// Where everything goes, whatever its kind.
    lane: Option<Stream>,
    /// What did not belong to the submission before.
    left: Option<Signed>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A submission.
    Submission(Submission),
    /// An event that the ledger would refuse whoever signed it.
    Refused(Reject),
}

/// A signed submission.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Its bytes.
    pub(crate) message: Vec<u8>,
    /// Where it goes.
    pub(crate) stream: Stream,
    /// Each event's kind and id.
    pub(crate) names: Vec<String>,
    /// Where the sessions of its events end.
    pub(crate) ends: Vec<(SessionId, Seq)>,
}

/// An event once it is taken.
enum Signed {
    Item(Item, Stream, String),
    Refused(Reject),
    Failed(Failure),
}

impl Intake {
    /// Signs `events` as `signer`, up to `batch` at once.
    pub(crate) fn new(
        signer: EventSigner,
        events: Events,
        batch: usize,
        lane: Option<Stream>,
    ) -> Self {
        Self { signer, events, batch, lane, left: None }
    }

    /// Who signs.
    pub(crate) fn signer(&self) -> &EventSigner {
        &self.signer
    }

    /// Numbers on from where sessions ended before.
    pub(crate) fn resume(&mut self, ends: impl IntoIterator<Item = (SessionId, Seq)>) {
        self.signer.resume(ends);
    }

    /// The next submission; `None` at the end of the input. Events wait for company only while the
    /// input has more at hand.
    ///
    /// `now` is asked when an event is there. May be dropped while it waits: nothing that was read is
    /// lost.
    ///
    /// # Errors
    /// [`Failure`] of the input, after everything before it was given.
    pub(crate) async fn next(
        &mut self,
        now: impl Fn() -> Micros,
    ) -> Result<Option<Taken>, Failure> {
        let first = match self.left.take() {
            Some(left) => left,
            None => match self.events.recv().await {
                Some(event) => self.sign(event, now()),
                None => return Ok(None),
            },
        };
        match first {
            Signed::Item(item, stream, name) => {
                Ok(Some(Taken::Submission(self.fill(item, stream, name, now()))))
            }
            Signed::Refused(reject) => Ok(Some(Taken::Refused(reject))),
            Signed::Failed(failure) => Err(failure),
        }
    }

    fn fill(&mut self, item: Item, stream: Stream, name: String, now: Micros) -> Submission {
        let mut bytes = BESIDE_BYTES_MAX + length(&item);
        let (mut items, mut names) = (vec![item], vec![name]);
        while items.len() < self.batch {
            let Ok(event) = self.events.try_recv() else { break };
            match self.sign(event, now) {
                Signed::Item(item, lane, name)
                    if lane == stream && bytes + length(&item) <= SUBMISSION_BYTES_MAX =>
                {
                    bytes += length(&item);
                    items.push(item);
                    names.push(name);
                }
                other => {
                    self.left = Some(other);
                    break;
                }
            }
        }
        let ends = ends(items.iter().map(|(body, _detail)| body.as_slice()));
        Submission { message: self.signer.submission(&items), stream, names, ends }
    }

    fn sign(&mut self, event: Result<Json, Failure>, now: Micros) -> Signed {
        let event = match event {
            Ok(event) => event,
            Err(failure) => return Signed::Failed(failure),
        };
        if let Some(reject) = own(&event) {
            return Signed::Refused(reject);
        }
        let taken = self.signer.item(event, now).and_then(|item| {
            let body = Body::parse(&item.0)?;
            let (stream, name) = (self.lane.unwrap_or(body.kind().stream()), name(&body));
            Ok((item, stream, name))
        });
        match taken {
            Ok((item, stream, name)) => Signed::Item(item, stream, name),
            Err(reject) => Signed::Refused(reject),
        }
    }
}

impl Submission {
    /// A submission as it was spooled; `None` if it is none any more.
    pub(crate) fn of(message: Vec<u8>) -> Option<Self> {
        let opened = submission::open(&message).ok()?;
        let bodies = opened.items().iter().map(|raw| Body::parse(raw.body));
        let bodies: Vec<_> = bodies.collect::<Result<_, _>>().ok()?;
        let stream = bodies.first()?.kind().stream();
        let names = bodies.iter().map(name).collect();
        let ends = ends(opened.items().iter().map(|raw| raw.body));
        Some(Self { stream, names, ends, message })
    }
}

/// Why an event of a kind that the ledger alone writes goes nowhere: there is no stream for it.
fn own(event: &Json) -> Option<Reject> {
    let kind = event.get("kind").and_then(Json::as_str).and_then(Kind::parse)?;
    let expected = "a kind that is published, not one of the ledger's own";
    kind.is_own().then(|| Reject::new(Reason::WrongSubject, "kind", expected))
}

fn name(body: &Body<'_>) -> String {
    format!("{} {}", body.kind(), body.id())
}

/// The last end of each session.
fn ends<'b>(bodies: impl Iterator<Item = &'b [u8]>) -> Vec<(SessionId, Seq)> {
    let ends = bodies.filter_map(|bytes| end(&Body::parse(bytes).ok()?, bytes));
    ends.collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn length((body, detail): &Item) -> usize {
    // Two heads of a byte string and one of an array.
    body.len() + detail.as_ref().map_or(0, Vec::len) + 16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use schemas::id::{SignerId, Tenant};
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::keyfile::KeyFile;

    fn event(kind: &str) -> Json {
        json!({
            "kind": kind, "agent": { "id": "a" }, "outcome": { "status": "confirmed" },
        })
    }

    async fn taken(events: Vec<Result<Json, Failure>>, batch: usize) -> Vec<String> {
        let (sender, receiver) = mpsc::channel(1000);
        for event in events {
            sender.send(event).await.unwrap();
        }
        drop(sender);
        let key = KeyFile::generate(SignerId::parse("a").unwrap());
        let public = key.public();
        let signer = EventSigner::new(key, Tenant::parse("acme").unwrap());
        let mut intake = Intake::new(signer, receiver, batch, None);
        let mut all = Vec::new();
        loop {
            match intake.next(|| Micros(1)).await {
                Ok(None) => return all,
                Ok(Some(Taken::Refused(reject))) => all.push(reject.reason.to_string()),
                Ok(Some(Taken::Submission(submission))) => {
                    let opened = submission::open(&submission.message).unwrap();
                    let count = opened.verify(&public).unwrap().items().len();
                    assert_eq!(count, submission.names.len());
                    let again = Submission::of(submission.message.clone()).unwrap();
                    assert_eq!((again.names, again.stream), (submission.names, submission.stream));
                    all.push(format!("{count} {:?}", submission.stream));
                }
                Err(failure) => {
                    all.push(failure.code().as_str().to_owned());
                    return all;
                }
            }
        }
    }

    #[tokio::test]
    async fn batches_hold_events_of_one_stream() {
        let end = || Ok(event("session.end"));
        let disabled = || Ok(event("agent.disabled"));
        let events = || vec![end(), end(), end(), disabled(), disabled(), end()];
        assert_eq!(taken(events(), 256).await, ["3 In", "2 Op", "1 In"]);
        assert_eq!(taken(events(), 2).await, ["2 In", "1 In", "2 Op", "1 In"]);
        assert_eq!(taken(events(), 1).await, ["1 In", "1 In", "1 In", "1 Op", "1 Op", "1 In"]);
    }

    #[tokio::test]
    async fn a_mistake_keeps_its_place_and_ends_a_batch() {
        let bad = Ok(json!({ "kind": "session.end" }));
        let events = vec![Ok(event("session.end")), bad, Ok(event("session.end"))];
        let missing = Reason::MissingField.to_string();
        assert_eq!(taken(events, 256).await, ["1 In", missing.as_str(), "1 In"]);
        let source = serde_json::from_str::<Json>("x").unwrap_err();
        let fault = Failure::Input { number: 2, source };
        let events = vec![Ok(event("session.end")), Err(fault)];
        assert_eq!(taken(events, 256).await, ["1 In", "SW0103"]);
    }

    #[tokio::test]
    async fn what_the_ledger_alone_writes_is_refused_here() {
        let mut incident = event("ledger.incident");
        incident["code"] = "overslept".into();
        let events = vec![Ok(event("session.end")), Ok(incident), Ok(event("session.end"))];
        let wrong = Reason::WrongSubject.to_string();
        assert_eq!(taken(events, 256).await, ["1 In", wrong.as_str(), "1 In"]);
    }

    #[tokio::test]
    async fn a_submission_stays_below_the_limit() {
        let mut big = event("session.end");
        big["detail"] = json!({ "text": "x".repeat(250 << 10) });
        let sizes = taken((0..9).map(|_| Ok(big.clone())).collect(), 256).await;
        assert_eq!(sizes, ["4 In", "4 In", "1 In"]);
    }
}
