//! `reports/models`: what an agent did under each model and version, and what changed from one to the next.

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::account::Account;
use schemas::body::Body;
use schemas::deterministic::Item;
use schemas::id::{EventId, Index, SessionId};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{MODELS_MAX, QUERY_SCAN_MAX, REACH_ENTRIES_MAX};
use schemas::map::Map;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::each_newest_first;
use crate::api::{Api, as_of, scanned_to};
use crate::error::Error;
use crate::filter;
use crate::names::Names;
use crate::params::Params;
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::term;

/// Models that are told apart by what others say: the rest is room for those of the agent itself.
const OTHERS_MAX: usize = MODELS_MAX / 2;

/// `?agent=`, `?since=`, `?until=`: without a window, from the agent's first entry on.
pub(crate) async fn read(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["agent", "since", "until"])?;
    api.read(move |api| read_models(api, &params)).await.map(Json)
}

fn read_models(api: &Api, params: &Params) -> Result<Value, Error> {
    let expected = "the agent that is asked about";
    let agent = params.get("agent").filter(|agent| !agent.is_empty());
    let agent = agent.ok_or(Error::InvalidParameter { param: "agent", expected })?;
    let head = api.ledger.head();
    let range = filter::range(api, params, head.size)?;
    let mut names = Names::new(&api.ledger, head.size);
    // Whoever asks may know it by another name than its id.
    let id = names.id(agent)?;
    let (models, reached) = Models::read(&api.ledger, &id, range)?;
    let items: Vec<_> = models.found.iter().map(Model::json).collect();
    let pairs = models.found.iter().zip(models.found.iter().skip(1));
    Ok(json!({
        "agent": agent,
        "items": items,
        "changes": pairs.map(|(before, after)| change(before, after)).collect::<Vec<_>>(),
        "erased": models.erased,
        "others": models.others,
        "incomplete": scanned_to(reached),
        "as_of": as_of(&head),
    }))
}

/// Provider, name and version of the model that a body names.
fn named(body: &Body<'_>) -> Option<[String; 3]> {
    let text = |path| body.text(path).unwrap_or_default().to_owned();
    let name = body.text("model.name")?.to_owned();
    Some([text("model.provider"), name, text("model.version")])
}

/// Name and version of the model that an entry names itself.
pub(crate) fn version_of(entry: &Entry) -> Option<String> {
    let [_, name, version] = named(entry.content().said()?)?;
    Some(format!("{name} {version}"))
}

/// What a model did; percentages are of intents, those of denials of verdicts.
#[derive(Default)]
struct Model {
    /// Provider, name and version.
    name: [String; 3],
    first: u64,
    last: u64,
    intents: u64,
    confirmed: u64,
    failed: u64,
    verdicts: u64,
    denied: u64,
    rejected: u64,
    findings: u64,
}

impl Model {
    fn rates(&self) -> [(&'static str, Option<i64>); 4] {
        let percent = |part: u64, of: u64| {
            part.saturating_mul(100).checked_div(of).and_then(|percent| i64::try_from(percent).ok())
        };
        [
            ("confirmed_percent", percent(self.confirmed, self.intents)),
            ("failed_percent", percent(self.failed, self.intents)),
            ("denied_percent", percent(self.denied, self.verdicts)),
            ("findings_percent", percent(self.findings, self.intents)),
        ]
    }

    fn json(&self) -> Value {
        let [provider, name, version] = &self.name;
        let mut json = json!({
            "provider": provider,
            "name": name,
            "version": version,
            "first": self.first,
            "last": self.last,
            "intents": self.intents,
            "confirmed": self.confirmed,
            "failed": self.failed,
            "denied": self.denied,
            "rejected": self.rejected,
            "findings": self.findings,
        });
        if let Value::Object(json) = &mut json {
            json.extend(self.rates().map(|(name, rate)| (name.to_owned(), rate.into())));
        }
        json
    }
}

/// Percentage points from one model to the next, where both have a rate.
fn change(before: &Model, after: &Model) -> Value {
    let label = |model: &Model| model.name.join(" ").trim().to_owned();
    let mut json = json!({ "from": label(before), "to": label(after), "at": after.first });
    let pairs = before.rates().into_iter().zip(after.rates());
    if let Value::Object(json) = &mut json {
        json.extend(pairs.map(|((name, before), (_, after))| {
            let points = before.zip(after).map(|(before, after)| after - before);
            (name.replace("_percent", "_points"), points.into())
        }));
    }
    json
}

/// Whether an entry tells anything of this agent: what came of its actions only the agent itself says.
fn is_told(entry: &Entry, agent: &str) -> bool {
    let told =
        |body: &Body<'_>| Account::of(body.kind(), body.signer(), Some(agent)) != Account::Nobody;
    entry.content().said().is_some_and(told)
}

fn is_erased(entry: &Entry) -> bool {
    entry.leaf.status == Status::Accepted && entry.body().is_none()
}

/// Models in the order in which they first appear, and under which of them each session and event was.
#[derive(Default)]
struct Models {
    /// The id of the agent that is asked about.
    agent: String,
    found: Vec<Model>,
    /// By signer: another's session of the same id is another one. `None` where it declared none.
    sessions: Map<(String, SessionId), Option<usize>>,
    events: Map<EventId, usize>,
    /// Entries that say no more under which model they were, nor what came of it: they are erased, or damaged.
    erased: u64,
    /// Entries of others, and such as were refused, that name a model for which there was no room: they count for none.
    others: u64,
    /// The agent had one more than are told apart: nothing behind is looked at.
    is_full: bool,
}

impl Models {
    /// Reads the entries of an agent in a range; gives where a limit ended that, too.
    fn read(
        ledger: &Ledger,
        agent: &str,
        range: std::ops::Range<u64>,
    ) -> Result<(Self, Option<u64>), Error> {
        let mut models = Self { agent: agent.to_owned(), ..Self::default() };
        let mut source = term(ledger, Key::Agent, agent);
        let mut walk = Walk::new(Order::Oldest, REACH_ENTRIES_MAX);
        let mut looks = Walk::new(Order::Newest, QUERY_SCAN_MAX);
        let mut at = range.start;
        loop {
            let index = match source.seek(at, &mut walk)? {
                Seek::At(index) if index < range.end => index,
                Seek::At(_) | Seek::End => return Ok((models, None)),
                Seek::Spent(reached) => return Ok((models, Some(reached))),
            };
            let entry = ledger.entry(Index(index))?;
            at = index + 1;
            let Some(entry) = entry else { continue };
            let erased = u64::from(is_erased(&entry));
            if is_told(&entry, agent) {
                if !models.know_session(ledger, &entry, range.start, &mut looks)? {
                    return Ok((models, Some(index)));
                }
                models.add(&entry);
                if models.is_full {
                    return Ok((models, Some(index)));
                }
            }
            models.erased += erased;
        }
    }

    /// Looks up which model an entry's session declared before the range that is read; false where the looks end, or
    /// that is one more than are told apart.
    fn know_session(
        &mut self,
        ledger: &Ledger,
        entry: &Entry,
        start: u64,
        looks: &mut Walk,
    ) -> Result<bool, ReadError> {
        let content = entry.content();
        let Some(body) = content.said().filter(|body| named(body).is_none()) else {
            return Ok(true);
        };
        let Some(session) = body.session().filter(|_| start > 0) else { return Ok(true) };
        let of = (body.signer().to_owned(), session);
        if self.sessions.contains_key(&of) {
            return Ok(true);
        }
        let kinds = [Kind::SessionStart, Kind::EpochOpened];
        let source = Source::All(vec![
            term(ledger, Key::Session, &session.to_string()),
            term(ledger, Key::Signer, body.signer()),
            Source::any(kinds.map(|kind| term(ledger, Key::Kind, kind.as_str()))),
        ]);
        let mut declared = None;
        let spent = each_newest_first(ledger, source, 0..start, looks, |entry| {
            let accepted = entry.leaf.status == Status::Accepted;
            declared = entry.body().filter(|_| accepted).as_ref().and_then(named);
            Ok(declared.is_none())
        })?;
        let is_own = self.is_own(body);
        let place = declared.and_then(|name| self.named(name, entry.leaf.index.0, is_own));
        self.sessions.insert(of, place);
        Ok(spent.is_none() && !self.is_full)
    }

    fn add(&mut self, entry: &Entry) {
        let content = entry.content();
        let Some(body) = content.said() else { return };
        let accepted = entry.leaf.status == Status::Accepted;
        let Some(place) = self.place(body, entry.leaf.index.0, accepted) else { return };
        if accepted {
            // Another signer may have used the id again later; whoever cites it means the first.
            self.events.entry(body.id()).or_insert(place);
        }
        if let Some(model) = self.found.get_mut(place) {
            model.last = entry.leaf.index.0;
            if accepted { model.count(body) } else { model.rejected += 1 }
        }
    }

    /// Under which model an entry was: its own, else its session's or that of what caused it. An intent is its session's,
    /// whatever it follows; what came of it is the intent's, also where the session has changed its model meanwhile. Only
    /// what was accepted declares a model for its session.
    fn place(&mut self, body: &Body<'_>, index: u64, accepted: bool) -> Option<usize> {
        let own = match named(body) {
            Some(name) => Some(self.named(name, index, accepted && self.is_own(body))?),
            None => None,
        };
        let session = body.session().map(|session| (body.signer().to_owned(), session));
        let declares = matches!(body.kind(), Kind::SessionStart | Kind::EpochOpened) && accepted;
        if let (true, Some(session), Some(place)) = (declares, &session, own) {
            self.sessions.insert(session.clone(), Some(place));
        }
        let caused = || body.causes().iter().find_map(|cause| self.events.get(cause).copied());
        let of_session = || self.sessions.get(session.as_ref()?).copied().flatten();
        match body.kind() {
            Kind::ActionIntent => own.or_else(of_session).or_else(caused),
            _ => own.or_else(caused).or_else(of_session),
        }
    }

    fn is_own(&self, body: &Body<'_>) -> bool {
        self.agent == body.signer()
    }

    /// The place of a model; `None` where there is no room for another.
    fn named(&mut self, name: [String; 3], index: u64, is_own: bool) -> Option<usize> {
        if let Some(place) = self.found.iter().position(|model| model.name == name) {
            return Some(place);
        }
        let room = if is_own { MODELS_MAX } else { OTHERS_MAX };
        if self.found.len() >= room {
            self.is_full |= is_own;
            self.others += u64::from(!is_own);
            return None;
        }
        self.found.push(Model { name, first: index, last: index, ..Model::default() });
        Some(self.found.len() - 1)
    }
}

impl Model {
    fn count(&mut self, body: &Body<'_>) {
        match (body.kind(), body.text("outcome.status")) {
            (Kind::ActionIntent, _) => self.intents += 1,
            (Kind::ActionOutcome, Some("confirmed")) => self.confirmed += 1,
            (Kind::ActionOutcome, Some("failed")) => self.failed += 1,
            (Kind::Finding, _) => self.findings += 1,
            (Kind::GateVerdict, _) => {
                let verdicts = body.field("verdicts").and_then(Item::array).unwrap_or_default();
                let denies = |verdict: &Item<'_>| {
                    verdict.get("decision").and_then(Item::text) == Some("deny")
                };
                self.verdicts += 1;
                self.denied += u64::from(verdicts.iter().any(denies));
            }
            _ => {}
        }
    }
}
