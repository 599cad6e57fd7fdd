//! One development server with a simulated clock, on which every row is played.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::Receiver;

use ed25519_dalek::SigningKey;
use ingest::{Broker, Publisher};
use schemas::detail::Detail;
use schemas::id::{Tenant, hex, sha256, unhex};
use schemas::kind::{Kind, Stream};
use schemas::reply::Fate;
use schemas::shape::open_value;
use schemas::submission;
use serde_json::{Value as Json, json};

use super::case::{BEGINS, Case, OPERATOR, Step, Way};
use crate::dev::Dev;
use crate::harness::{PATIENCE, until};
use crate::signer::Signer;

/// Items of one submission.
const ITEMS_MAX: usize = 200;

type Item = (Vec<u8>, Option<Vec<u8>>);

/// The server, and the connections of all who speak.
pub(super) struct World {
    dev: Dev,
    cast: HashMap<String, Actor>,
    runtime: tokio::runtime::Runtime,
    /// What is signed and not yet sent, of one signer and one stream.
    waiting: Option<(String, Stream, Vec<Item>)>,
}

struct Actor {
    signer: Signer,
    /// As it was before its last event.
    before: Signer,
    /// The last event, and the last that was held back.
    last: Option<(Item, Stream)>,
    held: Option<(Item, Stream)>,
    publisher: Option<Publisher>,
}

impl Actor {
    fn new(signer: Signer) -> Self {
        Self { before: signer.clone(), signer, last: None, held: None, publisher: None }
    }
}

impl World {
    /// A new ledger whose clock begins with the rows.
    pub(super) fn start() -> Self {
        let dev = Dev::start(&["--clock-start", BEGINS]);
        let key = dev.directory.path().join("dev/keys/operator.key");
        let key = std::fs::read_to_string(key).unwrap();
        let seed = key.lines().find_map(|line| line.strip_prefix("seed = ")).unwrap();
        let seed = unhex(seed.trim_matches('"')).unwrap();
        let operator = SigningKey::from_bytes(seed.as_slice().try_into().unwrap());
        let operator = Actor::new(Signer::with_key(OPERATOR, operator));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let cast = HashMap::from([(OPERATOR.to_owned(), operator)]);
        Self { dev, runtime, cast, waiting: None }
    }

    /// Registers whom the rows need, then plays them side by side, each step at its time.
    pub(super) fn play(&mut self, cases: &mut [Case]) {
        for signer in cases.iter_mut().flat_map(|case| std::mem::take(&mut case.signers)) {
            self.cast.insert(signer.id.to_string(), Actor::new(signer));
        }
        let mut registered: Vec<_> = cases.iter().flat_map(|case| &case.registered).collect();
        // Owners sign contracts of agents that are there.
        registered.sort_by_key(|step| step.who != OPERATOR);
        for step in registered {
            self.take(step);
        }
        let mut steps: Vec<_> = cases.iter().flat_map(|case| &case.steps).collect();
        steps.sort_by_key(|step| step.at);
        let mut now = super::case::micros(BEGINS);
        for step in steps {
            if step.at > now {
                self.send();
                now = step.at;
                self.step_to(now);
            }
            self.take(step);
        }
        self.send();
    }

    /// Steps the ledger's clock.
    pub(super) fn step_to(&mut self, us: u64) {
        let to = jiff::Timestamp::from_microsecond(us.try_into().unwrap()).unwrap();
        let stepped = ureq::post(&format!("{}/api/v1/dev/clock", self.dev.url))
            .header("X-Sworn-Admin", "1")
            .send_json(json!({ "to": to.to_string() }));
        // It runs on by itself, too: on a slow machine it may be later already.
        assert!(matches!(stepped, Ok(_) | Err(ureq::Error::StatusCode(409))), "{stepped:?}");
    }

    fn take(&mut self, step: &Step) {
        let Step { who, way, event, .. } = step;
        let actor = self.cast.get_mut(who).unwrap_or_else(|| panic!("nobody is {who}"));
        let (item, stream) = match way {
            Way::Repeated => actor.last.clone().unwrap(),
            Way::Released => actor.held.take().unwrap(),
            Way::Copied => sign(&mut actor.before.clone(), event),
            Way::Sent | Way::Lost | Way::Held => {
                actor.before = actor.signer.clone();
                let signed = sign(&mut actor.signer, event);
                match way {
                    Way::Lost => return,
                    Way::Held => {
                        actor.held = Some(signed);
                        return;
                    }
                    _ => actor.last = Some(signed.clone()),
                }
                signed
            }
        };
        let fits = self.waiting.as_ref().is_some_and(|(signer, to, items)| {
            signer == who && *to == stream && items.len() < ITEMS_MAX
        });
        if !fits || matches!(way, Way::Repeated) {
            self.send();
            self.waiting = Some((who.clone(), stream, Vec::new()));
        }
        if let Some((.., items)) = &mut self.waiting {
            items.push(item);
        }
    }

    /// Publishes what is signed, and waits until the ledger has it; nothing of it is refused.
    fn send(&mut self) {
        let Some((who, stream, items)) = self.waiting.take() else { return };
        let tenant = Tenant::parse("dev").unwrap();
        let Actor { signer, publisher, .. } = self.cast.get_mut(&who).unwrap();
        let connect = || {
            let broker = Broker::at(&self.dev.nats);
            self.runtime.block_on(Publisher::connect(&broker, &tenant, &signer.id)).unwrap()
        };
        let publisher = publisher.get_or_insert_with(connect);
        let message = submission::sign(&signer.key, &signer.id, &tenant, &items);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let sent = publisher.publish_until_receipted(message, stream, deadline);
        let reply = self.runtime.block_on(sent).unwrap();
        assert_eq!(reply.outcomes.len(), items.len());
        for outcome in &reply.outcomes {
            let taken = matches!(outcome.fate, Fate::Committed(_) | Fate::Duplicate(_));
            assert!(taken, "{who}: {outcome:?}");
        }
    }

    /// Lets somebody say something now.
    pub(super) fn say(&mut self, who: &str, event: Json) {
        let step = Step { at: 0, who: who.to_owned(), way: Way::Sent, event };
        self.take(&step);
        self.send();
    }

    pub(super) fn get(&self, path: &str) -> Json {
        let mut answer = ureq::get(format!("{}/api/v1{path}", self.dev.url)).call().unwrap();
        answer.body_mut().read_json().unwrap()
    }

    /// Entries that a query finds over HTTP, oldest first; all of them.
    pub(super) fn find(&self, query: &str) -> Vec<Json> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/entries?q={encoded}%20since%3A0&order=oldest&limit=1000");
        let mut page = self.get(&path);
        assert_eq!(page["next"], Json::Null, "one page holds them: {query}");
        let Json::Array(items) = page["items"].take() else { panic!("{page}") };
        items
    }

    /// Waits until the ledger says nothing more by itself.
    pub(super) fn settle(&mut self, us: u64) {
        self.step_to(us);
        for name in ["first", "second"] {
            // What falls due comes in front of what is said.
            let registry = json!({ "id": format!("{name}-last-word"), "roles": ["human"] });
            let event = json!({ "kind": "principal.registered", "registry": registry, "time": us, "tenant": "dev" });
            self.say(OPERATOR, event);
        }
    }

    /// Verifies the ledger as anybody can: findings are computed anew from what they rest on.
    pub(super) fn verify(&self) {
        let trust = self.get("/status")["verifier_key"].as_str().unwrap().to_owned();
        until("a checkpoint of everything", || {
            let size = self.get("/status")["size"].as_u64();
            (self.get("/checkpoints")["size"].as_u64() == size).then_some(())
        });
        self.run(&["verify", "--trust", &trust]);
    }

    /// Runs a command that succeeds; gives what it wrote.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        self.dev.run(arguments)
    }

    /// Follows what a query finds from now on, live; gives index by index.
    pub(super) fn follow(&self, query: &str) -> Receiver<u64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("{}/api/v1/tail?q={encoded}", self.dev.url);
        let (told, indexes) = std::sync::mpsc::channel();
        let reader = ureq::get(&url).call().unwrap().into_body().into_reader();
        std::thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            let entries = lines.filter_map(|line| {
                let entry: Json = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
                entry["index"].as_u64().filter(|_| entry["body"].is_object())
            });
            // It ends with the server, or when nobody listens any more.
            let _ = entries.map(|index| told.send(index)).find(Result::is_err);
        });
        indexes
    }
}

fn sign(signer: &mut Signer, event: &Json) -> (Item, Stream) {
    let mut event = event.clone();
    let detail = event["detail"].as_object().map(|content| {
        let content = open_value(&Json::Object(content.clone())).unwrap();
        Detail::encode(&[7; 16], &content)
    });
    if let Some(detail) = &detail {
        event["detail"] = hex(&sha256(detail)).into();
    }
    let kind = Kind::parse(event["kind"].as_str().unwrap()).unwrap();
    ((signer.body(event), detail), kind.stream())
}
