//! A ledger with signers, and a client of its API.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body as HttpBody, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use ed25519_dalek::SigningKey;
use ledger::{Config, Genesis, Submission, Via, Writer, check, create};
use schemas::body::{self, Body};
use schemas::detail::Detail;
use schemas::encode::{Value, map};
use schemas::id::{BodyDigest, EventId, Index, Micros, SignerId, Tenant, hex, sha256};
use schemas::key::PublicKey;
use schemas::reply::{Fate, Reply};
use schemas::submission;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const OPERATOR: &str = "operator@example.com";
pub(crate) const SECOND: u64 = 1_000_000;
/// 2026-04-07T22:00:00Z.
pub(crate) const START: u64 = 1_775_599_200 * SECOND;

struct Signer {
    key: SigningKey,
    session: [u8; 16],
    n: u64,
    prev: BodyDigest,
}

/// How one event ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) index: u64,
    /// `None` if it was accepted.
    pub(crate) refused: Option<&'static str>,
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) writer: Option<Writer>,
    pub(crate) key: SigningKey,
    router: Router,
    tenant: Tenant,
    clock: Arc<AtomicU64>,
    signers: HashMap<String, Signer>,
    labels: HashMap<String, EventId>,
    ids: u64,
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&sha256(name.as_bytes()))
}

/// Somebody's public key, in hex.
pub(crate) fn public(name: &str) -> String {
    hex(PublicKey::of(&key(name)).as_bytes())
}

pub(crate) fn config(dir: &TempDir) -> Config {
    Config { store: dir.path().join("store"), mark: dir.path().join("mark/head") }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::create(false)
    }

    /// One whose ledger says what breaks a rule.
    pub(crate) fn finding() -> Self {
        Self::create(true)
    }

    fn create(finds: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let genesis = Genesis {
            tenant: Tenant::parse("acme").unwrap(),
            host: "ledger.example".to_owned(),
            operator: SignerId::parse(OPERATOR).unwrap(),
            operator_key: PublicKey::of(&key(OPERATOR)),
            clock_start: Some(Micros(START)),
            finds,
        };
        let writer = create(&config(&dir), key("ledger"), &genesis, Micros(START)).unwrap();
        let clock = Arc::new(AtomicU64::new(START));
        let mut world = Self {
            router: router(&writer, &clock),
            dir,
            writer: Some(writer),
            key: key("ledger"),
            tenant: genesis.tenant.clone(),
            clock,
            signers: HashMap::new(),
            labels: HashMap::new(),
            ids: 0,
        };
        world.sign_in(OPERATOR);
        world
    }

    /// Signs as somebody from now on, with his key.
    pub(crate) fn sign_in(&mut self, id: &str) {
        let mut session = [0; 16];
        session.copy_from_slice(&sha256(id.as_bytes())[..16]);
        let signer = Signer { key: key(id), session, n: 0, prev: BodyDigest::ZERO };
        self.signers.insert(id.to_owned(), signer);
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(crate) fn wait(&self, us: u64) {
        self.clock.fetch_add(us, Ordering::Relaxed);
    }

    /// Registers a principal with its key.
    pub(crate) fn principal(&mut self, id: &str, roles: &[&str]) {
        let registry = json!({ "id": id, "roles": roles });
        self.accept(OPERATOR, json!({ "kind": "principal.registered", "registry": registry }));
        self.enrol(OPERATOR, id);
    }

    /// Registers an agent with its key.
    pub(crate) fn agent(&mut self, id: &str) {
        self.agent_of(OPERATOR, id);
    }

    /// Registers an agent with its key, as this operator.
    pub(crate) fn agent_of(&mut self, operator: &str, id: &str) {
        let fields = json!({ "kind": "agent.registered", "agent": { "id": id }, "owner": "owner@example.com" });
        self.accept(operator, fields);
        self.enrol(operator, id);
    }

    fn enrol(&mut self, operator: &str, id: &str) {
        let registry = json!({ "signer": id, "key": public(id) });
        self.accept(operator, json!({ "kind": "key.enrolled", "registry": registry }));
        self.sign_in(id);
    }

    fn id(&mut self) -> EventId {
        self.ids += 1;
        EventId::new(
            self.now() / 1000,
            &[&[1, 1], self.ids.to_be_bytes().as_slice()].concat().try_into().unwrap(),
        )
    }

    /// The id of a labelled event; made up at the first mention.
    pub(crate) fn label(&mut self, label: &str) -> EventId {
        if let Some(id) = self.labels.get(label) {
            return *id;
        }
        let id = self.id();
        self.labels.insert(label.to_owned(), id);
        id
    }

    /// The session in which somebody signs.
    pub(crate) fn session(&self, signer: &str) -> String {
        hex(&self.signers[signer].session)
    }

    /// Fills in what every body has; texts `@LABEL` become ids.
    fn body(&mut self, signer: &str, mut fields: Json, label: Option<&str>) -> Vec<u8> {
        self.resolve(&mut fields);
        let id = match label {
            Some(label) => self.label(label),
            None => self.id(),
        };
        let time = self.now();
        let Signer { session, n, prev, .. } = self.signers.get_mut(signer).unwrap();
        *n += 1;
        let mut body = json!({
            "v": 1, "id": id.to_string(), "salt": "5a".repeat(16), "tenant": "acme", "time": time,
            "session": hex(session), "seq": { "n": *n, "prev": prev.to_string() },
        });
        let Json::Object(fields) = fields else { panic!("fields are an object") };
        if fields.get("agent").and_then(|agent| agent["id"].as_str()) != Some(signer) {
            body["signer"] = signer.into();
        }
        body.as_object_mut().unwrap().extend(fields);
        let bytes = body::from_json(&body).unwrap();
        self.signers.get_mut(signer).unwrap().prev = Body::digest(&bytes);
        bytes
    }

    fn resolve(&mut self, json: &mut Json) {
        match json {
            Json::String(text) if text.starts_with('@') => {
                *text = self.label(&text[1..]).to_string();
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.resolve(item)),
            Json::Object(object) => object.values_mut().for_each(|value| self.resolve(value)),
            _ => {}
        }
    }

    /// Submits one event as `signer`.
    pub(crate) fn submit(&mut self, signer: &str, fields: Json, label: Option<&str>) -> Ended {
        let body = self.body(signer, fields, label);
        let ended = self.send(signer, &[(body, None)]);
        ended[0].clone()
    }

    /// Submits several events under one signature.
    pub(crate) fn submit_all(&mut self, signer: &str, fields: Vec<Json>) -> Vec<Ended> {
        let message = self.sign_all(signer, fields);
        self.send_raw(&message)
    }

    /// Submits bytes in place of a body.
    pub(crate) fn submit_bytes(&mut self, signer: &str, body: Vec<u8>) -> Ended {
        self.send(signer, &[(body, None)])[0].clone()
    }

    /// Submits one event with a detail.
    pub(crate) fn submit_detail(&mut self, signer: &str, mut fields: Json, text: &str) -> Ended {
        let detail = Detail::encode(&[3; 16], &map([("text", Value::from(text))]));
        fields["detail"] = hex(&sha256(&detail)).into();
        let body = self.body(signer, fields, None);
        self.send(signer, &[(body, Some(detail))])[0].clone()
    }

    /// Several events under one signature, to be sent later.
    pub(crate) fn sign_all(&mut self, signer: &str, fields: Vec<Json>) -> Vec<u8> {
        let items: Vec<_> =
            fields.into_iter().map(|fields| (self.body(signer, fields, None), None)).collect();
        self.sign(signer, &items)
    }

    fn sign(&self, signer: &str, items: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
        let id = SignerId::parse(signer).unwrap();
        submission::sign(&self.signers[signer].key, &id, &self.tenant, items)
    }

    fn send(&mut self, signer: &str, items: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<Ended> {
        let message = self.sign(signer, items);
        self.send_raw(&message)
    }

    /// Submits bytes.
    pub(crate) fn send_raw(&mut self, message: &[u8]) -> Vec<Ended> {
        let now = Micros(self.now());
        append(self.writer.as_mut().unwrap(), message, now)
    }

    /// Submits one event that must be accepted; returns its index.
    pub(crate) fn accept(&mut self, signer: &str, fields: Json) -> u64 {
        self.accept_as(signer, None, fields)
    }

    pub(crate) fn accept_as(&mut self, signer: &str, label: Option<&str>, fields: Json) -> u64 {
        let kind = fields["kind"].to_string();
        let ended = self.submit(signer, fields, label);
        assert_eq!(ended.refused, None, "{kind}");
        ended.index
    }

    /// Signs an event that never reaches the ledger.
    pub(crate) fn lose(&mut self, signer: &str) {
        self.body(signer, start(signer, "lost"), None);
    }

    pub(crate) fn close(&mut self) {
        self.router = Router::new();
        self.writer = None;
    }

    pub(crate) fn open(&mut self) {
        let writer = ledger::open(&config(&self.dir), self.key.clone()).unwrap();
        self.router = router(&writer, &self.clock);
        self.writer = Some(writer);
    }

    pub(crate) fn reopen(&mut self) {
        self.close();
        self.open();
    }

    pub(crate) fn get_as(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
        let path =
            if path.starts_with("/log/") { path.to_owned() } else { format!("/api/v1{path}") };
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(HttpBody::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            Answer { status: parts.status, headers: parts.headers, body }
        })
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_as(path, &[])
    }

    /// The JSON at `path`, which must be there.
    pub(crate) fn json(&self, path: &str) -> Json {
        let answer = self.get(path);
        assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
        answer.json()
    }

    /// Indexes on one page of entries.
    pub(crate) fn indexes(&self, parameters: &str) -> Vec<u64> {
        indexes(&self.json(&format!("/entries?{parameters}")))
    }

    /// Status, code and parameter of the problem at `path`.
    pub(crate) fn problem(&self, path: &str) -> (u16, String, Option<String>) {
        let answer = self.get(path);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status.as_u16());
        let text = |key: &str| problem[key].as_str().map(str::to_owned);
        (answer.status.as_u16(), text("code").unwrap(), text("param"))
    }

    pub(crate) fn head(&self) -> u64 {
        self.writer.as_ref().unwrap().ledger().head().size.0
    }

    pub(crate) fn statement(&self, index: u64) -> Vec<u8> {
        let ledger = self.writer.as_ref().unwrap().ledger();
        ledger.statement(Index(index)).unwrap().unwrap().statement
    }
}

/// Percent-encodes what a query string or segment cannot hold.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

pub(crate) fn indexes(page: &Json) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()).collect()
}

fn router(writer: &Writer, clock: &Arc<AtomicU64>) -> Router {
    let clock = Arc::clone(clock);
    query::routes(writer.ledger(), move || Micros(clock.load(Ordering::Relaxed)))
}

/// Submits bytes at `now`.
pub(crate) fn append(writer: &mut Writer, message: &[u8], now: Micros) -> Vec<Ended> {
    let keys = writer.ledger().key_set();
    let submission = Submission { message, via: Via::default(), checked: check(message, &keys) };
    let committed = writer.append(vec![submission], now, &[]).unwrap();
    committed.replies.iter().flat_map(ended).collect()
}

fn ended(reply: &Reply) -> Vec<Ended> {
    let of = |outcome: &schemas::reply::Outcome| Ended {
        index: outcome.index.0,
        refused: match &outcome.fate {
            Fate::Rejected(reject) => Some(reject.reason.as_str()),
            _ => None,
        },
    };
    reply.outcomes.iter().map(of).collect()
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Fields of an intent of one hop.
pub(crate) fn intent(agent: &str, correlation: &str, action: &str, target: &str) -> Json {
    let mut fields = acted("action.intent", agent, correlation, action, target);
    let more = json!({
        "mode": "self", "scope": [action], "environment": "production", "prompt": "none",
        "input": "none",
    });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

/// Fields of a confirmed outcome that cites `cause`.
pub(crate) fn confirmed(
    agent: &str,
    correlation: &str,
    action: &str,
    target: &str,
    cause: &str,
) -> Json {
    let mut fields = acted("action.outcome", agent, correlation, action, target);
    fields["causes"] = json!([cause]);
    fields["outcome"] = json!({ "status": "confirmed" });
    fields["output"] = "none".into();
    fields
}

/// Fields that intents and outcomes share.
fn acted(kind: &str, agent: &str, correlation: &str, action: &str, target: &str) -> Json {
    json!({
        "kind": kind,
        "agent": { "id": agent },
        "correlation": correlation,
        "action": {
            "name": action, "class": "communication", "target": target,
            "system": action.split('.').next(),
        },
        "credential": { "id": format!("cred-{agent}") },
        "principals": [{ "id": agent, "type": "agent" }],
    })
}

/// Fields of an agent's `session.start`.
pub(crate) fn start(agent: &str, correlation: &str) -> Json {
    json!({
        "kind": "session.start",
        "agent": { "id": agent, "name": agent, "version": "1", "build": "none" },
        "correlation": correlation,
        "task": { "digest": "11".repeat(32), "summary": "pay invoices" },
        "model": { "provider": "p", "name": "m", "version": "1" },
        "contract": "22".repeat(32),
        "attestation": "none",
        "previous": "none",
    })
}
