//! Signing events: what JSON leaves out is filled in, checked, chained and signed.

use std::collections::HashMap;

use schemas::body::{self, BODY_VERSION, Body, Seq};
use schemas::detail::Detail;
use schemas::id::{BodyDigest, EventId, Micros, SessionId, SignerId, Tenant, hex, sha256};
use schemas::kind::Kind;
use schemas::reject::{Reason, Reject};
use schemas::shape::{open_value, time_json};
use schemas::submission;
use serde_json::{Map, Value as Json, json};

use crate::clock;
use crate::keyfile::KeyFile;

/// A body and the detail beside it, as they go under a signature.
pub(crate) type Item = (Vec<u8>, Option<Vec<u8>>);

/// Makes and signs the events of one signer in one session.
///
/// Counts and links (`seq`) are kept for each session that events name; they advance only for events
/// that were taken, so that a mistake leaves no gap.
#[derive(Debug)]
pub(crate) struct EventSigner {
    key: KeyFile,
    tenant: Tenant,
    session: SessionId,
    chains: HashMap<SessionId, Seq>,
}

impl EventSigner {
    /// Signs as `key`'s signer in a session of its own.
    pub(crate) fn new(key: KeyFile, tenant: Tenant) -> Self {
        Self { key, tenant, session: SessionId(random()), chains: HashMap::new() }
    }

    /// Goes on from where sessions ended before.
    pub(crate) fn resume(&mut self, ends: impl IntoIterator<Item = (SessionId, Seq)>) {
        self.chains.extend(ends);
    }

    /// Who signs.
    pub(crate) fn signer(&self) -> &SignerId {
        &self.key.signer
    }

    /// For whom.
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The session of events that name none.
    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    /// The body's bytes of an event that has no detail.
    ///
    /// # Errors
    /// As for [`EventSigner::item`].
    #[cfg(test)]
    pub(crate) fn body(&mut self, event: Json, now: Micros) -> Result<Vec<u8>, Reject> {
        self.item(event, now).map(|(body, _detail)| body)
    }

    /// Body and detail of an event in its JSON form.
    ///
    /// What is absent is filled in: `v`, `id`, `salt`, `tenant`, `time` (`now`), `session`, `seq`, and
    /// `signer` where the agent is another; a trigger that names no workflow begins one of its own. A `detail` that is an object is content: it is salted, its
    /// digest takes its place in the body.
    ///
    /// # Errors
    /// The reason for which the ledger would refuse the body whoever signed it.
    pub(crate) fn item(&mut self, event: Json, now: Micros) -> Result<Item, Reject> {
        let Json::Object(mut event) = event else {
            return Err(Reject::new(Reason::Malformed, "body", "a JSON object"));
        };
        let detail = take_detail(&mut event)?;
        if let Some(detail) = &detail {
            event.insert("detail".to_owned(), hex(&sha256(detail)).into());
        }
        self.fill(&mut event, now);
        let bytes = body::from_json(&Json::Object(event))?;
        let body = Body::parse(&bytes)?;
        self.chains.extend(end(&body, &bytes));
        Ok((bytes, detail))
    }

    /// Signs 1 to 256 items at once: the submission's bytes.
    pub(crate) fn submission(&self, items: &[Item]) -> Vec<u8> {
        submission::sign(&self.key.key, &self.key.signer, &self.tenant, items)
    }

    fn fill(&self, event: &mut Map<String, Json>, now: Micros) {
        let mut absent = |name: &str, value: Json| {
            event.entry(name).or_insert(value);
        };
        absent("v", BODY_VERSION.into());
        absent("salt", hex(&random::<16>()).into());
        absent("tenant", self.tenant.as_str().into());
        absent("time", time_json(now));
        absent("session", self.session.to_string().into());
        if !event.contains_key("id") {
            event.insert("id".to_owned(), event_id(event.get("time"), now).to_string().into());
        }
        if !event.contains_key("seq") {
            let session = event.get("session").and_then(Json::as_str);
            let last = session.and_then(SessionId::from_hex).and_then(|id| self.chains.get(&id));
            let (n, prev) =
                last.map_or((1, BodyDigest::ZERO), |last| (last.n.saturating_add(1), last.prev));
            event.insert("seq".to_owned(), json!({ "n": n, "prev": prev.to_string() }));
        }
        if !event.contains_key("correlation")
            && let Some(correlation) = correlation(event)
        {
            event.insert("correlation".to_owned(), correlation.into());
        }
        let agent = event.get("agent").and_then(|agent| agent.get("id")).and_then(Json::as_str);
        if agent != Some(self.key.signer.as_str()) && !event.contains_key("signer") {
            event.insert("signer".to_owned(), self.key.signer.as_str().into());
        }
    }
}

/// What the next event of the body's session is counted from and linked to.
pub(crate) fn end(body: &Body<'_>, bytes: &[u8]) -> Option<(SessionId, Seq)> {
    let Seq { n, .. } = body.seq()?;
    Some((body.session()?, Seq { n, prev: Body::digest(bytes) }))
}

/// The workflow that a trigger begins, where it names none: the same for the same message, always.
fn correlation(event: &Map<String, Json>) -> Option<String> {
    let is_trigger = event.get("kind")? == Kind::TriggerObserved.as_str();
    let trigger = event.get("trigger").filter(|_| is_trigger)?;
    let text = |name: &str| trigger.get(name).and_then(Json::as_str);
    Some(schemas::trigger::correlation(text("type")?, text("ref")?))
}

/// The bytes of a `detail` that is content; a digest is left where it is.
fn take_detail(event: &mut Map<String, Json>) -> Result<Option<Vec<u8>>, Reject> {
    let Some(content) = event.get("detail").filter(|detail| detail.is_object()) else {
        return Ok(None);
    };
    let value = open_value(content)
        .filter(|value| value.is_map())
        .ok_or_else(|| Reject::new(Reason::InvalidField, "detail", "a map without floats"))?;
    let bytes = Detail::encode(&random(), &value);
    Detail::parse(&bytes)?;
    Ok(Some(bytes))
}

/// An id that sorts with the event's own time, in whichever of its two forms that is.
fn event_id(time: Option<&Json>, now: Micros) -> EventId {
    let claimed = time.and_then(|time| match time {
        Json::String(text) => clock::parse(text),
        number => number.as_u64().map(Micros),
    });
    fresh_id(claimed.unwrap_or(now))
}

/// An id that nobody else has, and that sorts with this time.
pub(crate) fn fresh_id(time: Micros) -> EventId {
    EventId::new(time.0 / 1000, &random())
}

/// Bytes from the operating system's random source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use schemas::id::Digest;
    use schemas::key::PublicKey;

    use super::*;

    const NOW: Micros = Micros(1_775_606_400_000_000);

    fn signer(id: &str) -> EventSigner {
        let key = KeyFile::generate(SignerId::parse(id).unwrap());
        EventSigner::new(key, Tenant::parse("acme").unwrap())
    }

    fn start(agent: &str) -> Json {
        json!({
            "kind": "session.start", "agent": { "id": agent, "name": agent, "version": "1", "build": "none" }, "correlation": "w-1",
            "attestation": "none", "previous": "none", "contract": "00".repeat(32),
            "task": { "digest": "11".repeat(32) },
            "model": { "provider": "p", "name": "m", "version": "1" },
        })
    }

    #[test]
    fn what_is_absent_is_filled_in() {
        let mut signer = signer("a");
        let bytes = signer.body(start("a"), NOW).unwrap();
        let body = Body::parse(&bytes).unwrap();
        assert_eq!((body.tenant(), body.signer(), body.time()), ("acme", "a", NOW));
        assert_eq!(body.session(), Some(signer.session()));
        assert_eq!(body.seq(), Some(Seq { n: 1, prev: BodyDigest::ZERO }));
        assert!(body.text("signer").is_none());
        assert_eq!(
            &body.id().to_string()[..13],
            &EventId::new(NOW.0 / 1000, &[0; 10]).to_string()[..13]
        );
        // Somebody else's agent: then the signer is named.
        let mut other = super::tests::signer("gate");
        let bytes = other.body(start("a"), NOW).unwrap();
        assert_eq!(Body::parse(&bytes).unwrap().signer(), "gate");
    }

    #[test]
    fn what_is_given_stays() {
        let id = EventId::new(1, &[7; 10]);
        let mut event = start("a");
        event["id"] = id.to_string().into();
        event["time"] = "2026-04-08T03:47:12Z".into();
        event["session"] = "22".repeat(16).into();
        event["seq"] = json!({ "n": 7, "prev": "33".repeat(32) });
        let mut signer = signer("a");
        let bytes = signer.body(event, NOW).unwrap();
        let body = Body::parse(&bytes).unwrap();
        assert_eq!((body.id(), body.seq().unwrap().n), (id, 7));
        assert_eq!(body.time().to_string(), "2026-04-08T03:47:12.000Z");
        // The given session goes on from the given count, its own begins at one.
        let mut next = start("a");
        next["session"] = "22".repeat(16).into();
        let next = signer.body(next, NOW).unwrap();
        let expected = Seq { n: 8, prev: Body::digest(&bytes) };
        assert_eq!(Body::parse(&next).unwrap().seq(), Some(expected));
        let own = signer.body(start("a"), NOW).unwrap();
        assert_eq!(Body::parse(&own).unwrap().seq().unwrap().n, 1);
    }

    #[test]
    fn the_chain_links_bodies_and_skips_refused_ones() {
        let mut signer = signer("a");
        let mut prev = BodyDigest::ZERO;
        for n in 1..=5 {
            let mut wrong = start("a");
            wrong["frobnicate"] = 1.into();
            assert_eq!(signer.body(wrong, NOW).unwrap_err().reason, Reason::UnknownField);
            let bytes = signer.body(start("a"), NOW).unwrap();
            assert_eq!(Body::parse(&bytes).unwrap().seq(), Some(Seq { n, prev }));
            prev = Body::digest(&bytes);
        }
    }

    #[test]
    fn a_detail_is_committed_by_its_digest() {
        let mut event = start("a");
        event["detail"] = json!({ "prompt": "pay the invoice", "tokens": 3 });
        let (bytes, detail) = signer("a").item(event.clone(), NOW).unwrap();
        let detail = detail.unwrap();
        assert_eq!(Body::parse(&bytes).unwrap().detail(), Some(Digest(sha256(&detail))));
        let content = Detail::parse(&detail).unwrap().content;
        assert_eq!(content.get("prompt").unwrap().text(), Some("pay the invoice"));
        // Salted: the same content never has the same digest.
        let (_, again) = signer("a").item(event.clone(), NOW).unwrap();
        assert_ne!(again.unwrap(), detail);
        event["detail"] = json!({ "share": 0.5 });
        assert_eq!(signer("a").item(event, NOW).unwrap_err().cause.path, "detail");
    }

    #[test]
    fn signed_items_verify() {
        let mut signer = signer("a");
        for count in [1, 2, 256] {
            let items: Vec<_> = (0..count).map(|_| signer.item(start("a"), NOW).unwrap()).collect();
            let message = signer.submission(&items);
            let opened = submission::open(&message).unwrap();
            assert_eq!(opened.statement().signer, *signer.signer());
            assert_eq!(opened.statement().tenant, *signer.tenant());
            let verified = opened.verify(&PublicKey::of(&signer.key.key)).unwrap();
            assert_eq!(verified.items().len(), count);
            assert!(verified.items().iter().all(|item| item.body.is_ok()));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for event in [json!(1), json!([]), json!("text")] {
            assert_eq!(signer("a").body(event, NOW).unwrap_err().reason, Reason::Malformed);
        }
        let refused = signer("a").body(json!({ "kind": "action.intent" }), NOW).unwrap_err();
        assert_eq!(refused.reason, Reason::MissingField);
    }
}
