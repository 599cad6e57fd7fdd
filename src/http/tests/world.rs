//! A ledger with every route in one process, and tokens of all kinds.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::Response;
use ed25519_dalek::{Signer as _, SigningKey};
use ingest::{Connection, Room};
use ledger::{Genesis, Writer};
use schemas::access::Role;
use schemas::id::{Index, Micros, SignerId, Tenant};
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::super::{Admin, Guard, Health, Intake, guarded, routes};
use crate::access::{ALGORITHMS, Gate, Oidc, Recorder, Row, Token, Tokens};
use crate::clock::Clock;

const START: Micros = Micros(1_775_599_200_000_000);
const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "sworn";
/// Of the issuer's key.
pub(super) const ISSUER_SEED: u8 = 7;

pub(super) struct World {
    directory: tempfile::TempDir,
    /// Every route, before the guard.
    pub(super) router: Router,
    /// The same behind it.
    app: Router,
    pub(super) gate: Option<Arc<Gate>>,
    recorder: Option<Arc<Recorder>>,
    writer: std::sync::Mutex<Writer>,
    issuer: SigningKey,
}

/// What became of reads.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Recorded {
    pub(super) reader: String,
    pub(super) query: String,
    pub(super) count: u64,
    pub(super) denied: bool,
}

impl World {
    /// Without a gate.
    pub(super) fn new() -> Self {
        Self::made(false)
    }

    /// With one, that takes our tokens and an issuer's.
    pub(super) fn guarded() -> Self {
        Self::made(true)
    }

    fn made(is_guarded: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let genesis = Genesis {
            tenant: tenant(),
            host: "localhost".to_owned(),
            operator: SignerId::parse("operator").unwrap(),
            operator_key: PublicKey::of(&key),
            clock_start: None,
            finds: false,
        };
        let config = ledger::Config {
            store: directory.path().join("store"),
            mark: directory.path().join("mark/dev.note"),
        };
        let writer = ledger::create(&config, key, &genesis, START).unwrap();
        let (ledger, clock) = (writer.ledger(), Clock::simulated(START));
        let admin = Admin::new(ledger.clone(), &directory.path().join("copies"), &clock).unwrap();
        let (_sender, connection) = watch::channel(Connection::Down);
        let (room, shutdown) = (watch::channel(Room::UNLIMITED).1, CancellationToken::new());
        let health = Health {
            ledger: ledger.clone(),
            connection,
            room: room.clone(),
            shutdown: shutdown.clone(),
            clock: clock.clone(),
        };
        let door = ingest::Door::default();
        let intake =
            Intake { door: door.clone(), room, ledger: ledger.clone(), clock: clock.clone() };
        let time = clock.clone();
        let position = directory.path().join("routes");
        let routing = crate::routes::Routing { routes: Vec::new(), position };
        let dispatch = crate::routes::Dispatch::new(ledger.clone(), door.clone(), routing).unwrap();
        let router = routes(health, admin, intake, Arc::default())
            .merge(crate::routes::api(dispatch))
            .merge(query::routes(ledger.clone(), move || time.now()))
            .merge(tail::routes(ledger, shutdown))
            .merge(crate::witness::routes(None));
        let issuer = SigningKey::from_bytes(&[ISSUER_SEED; 32]);
        let mut guard = Guard::new(clock.clone());
        if is_guarded {
            let keys = directory.path().join("jwks.json");
            std::fs::write(&keys, jwks(&issuer)).unwrap();
            let tokens = Tokens::below(directory.path());
            let gate = Gate::open(tenant(), tokens, Some(oidc(keys)), clock).unwrap();
            guard.gate = Some(Arc::new(gate));
            guard.recorder = Some(Arc::new(Recorder::new(door)));
        }
        let (gate, recorder) = (guard.gate.clone(), guard.recorder.clone());
        let app = guarded(router.clone(), guard);
        let writer = std::sync::Mutex::new(writer);
        Self { directory, router, app, gate, recorder, writer, issuer }
    }

    fn tokens(&self) -> Tokens {
        Tokens::below(self.directory.path())
    }

    fn add(
        &self,
        name: &str,
        role: Role,
        of: Tenant,
        scope: Option<&str>,
        expires: Micros,
    ) -> String {
        let token = Token::generate();
        let row = Row {
            name: name.to_owned(),
            hash: token.digest(),
            role,
            tenant: of,
            scope: scope.map(str::to_owned),
            created: START,
            expires,
        };
        self.tokens().add(row).unwrap();
        self.gate.as_ref().unwrap().refresh();
        token.text().to_string()
    }

    pub(super) fn token(&self, name: &str, role: Role, scope: Option<&str>) -> String {
        self.add(name, role, tenant(), scope, Micros(u64::MAX >> 12))
    }

    pub(super) fn foreign_token(&self) -> String {
        let other = Tenant::parse("other").unwrap();
        self.add("foreign", Role::Operator, other, None, Micros(u64::MAX >> 12))
    }

    pub(super) fn revoke(&self, name: &str) {
        self.tokens().remove(name).unwrap();
        self.gate.as_ref().unwrap().refresh();
    }

    /// Puts another file with the keys of the issuer of that seed in the place of the one that is there.
    pub(super) fn publish_keys(&self, seed: u8) {
        let keys = self.directory.path().join("jwks.json");
        let fresh = keys.with_extension("new");
        std::fs::write(&fresh, jwks(&SigningKey::from_bytes(&[seed; 32]))).unwrap();
        std::fs::rename(fresh, keys).unwrap();
        self.gate.as_ref().unwrap().refresh();
    }

    /// A token of the issuer's, with these claims beside those that make it valid.
    pub(super) fn signed(&self, claims: &Json) -> String {
        self.jwt(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k1" }), claims, |message| {
            self.issuer.sign(message).to_bytes().to_vec()
        })
    }

    fn jwt(&self, header: &Json, claims: &Json, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let now = START.0 / 1_000_000;
        let mut all = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "roles": ["auditors"],
            "exp": now + 3600, "nbf": now - 5,
        });
        for (name, value) in claims.as_object().unwrap() {
            match value {
                Json::Null => drop(all.as_object_mut().unwrap().remove(name)),
                value => all[name] = value.clone(),
            }
        }
        let message = format!("{}.{}", base64url(header), base64url(&all));
        let signature = sign(message.as_bytes());
        format!("{message}.{}", encode(&signature))
    }

    /// Every way to be refused, by name.
    pub(super) fn bad_tokens(&self) -> Vec<(&'static str, String)> {
        let now = START.0 / 1_000_000;
        let good = self.signed(&json!({}));
        assert!(self.gate.as_ref().unwrap().identify(&good).is_some(), "the good one is good");
        let (message, signature) = good.rsplit_once('.').unwrap();
        let other = SigningKey::from_bytes(&[8; 32]);
        let public = self.issuer.verifying_key().to_bytes();
        let header = |alg: &str| json!({ "alg": alg, "typ": "JWT", "kid": "k1" });
        let hmac = |key: &[u8], message: &[u8]| {
            use hmac::{Hmac, KeyInit as _, Mac as _};
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        };
        let jwks = jwks(&self.issuer);
        let expired = self.add("old", Role::Operator, tenant(), None, START);
        let revoked = self.token("revoked", Role::Operator, None);
        self.revoke("revoked");
        let edited = message.split_once('.').unwrap().0.to_owned()
            + "."
            + &base64url(&json!({ "sub": "root" }))
            + "."
            + signature;
        vec![
            ("nonsense", "x".to_owned()),
            ("empty", String::new()),
            ("a stranger's", stranger()),
            ("an expired one", expired),
            ("a revoked one", revoked),
            ("another tenant's", self.foreign_token()),
            ("unsigned", format!("{message}.")),
            ("without its signature", message.to_owned()),
            ("edited", edited),
            ("alg none", self.jwt(&header("none"), &json!({}), |_| Vec::new())),
            (
                "alg None with a signature",
                self.jwt(&header("None"), &json!({}), |m| other.sign(m).to_bytes().to_vec()),
            ),
            (
                "HMAC with the public key",
                self.jwt(&header("HS256"), &json!({}), |m| hmac(&public, m)),
            ),
            (
                "HMAC with the key set",
                self.jwt(&header("HS256"), &json!({}), |m| hmac(jwks.as_bytes(), m)),
            ),
            (
                "another algorithm's name",
                self.jwt(&header("RS256"), &json!({}), |m| self.issuer.sign(m).to_bytes().to_vec()),
            ),
            (
                "another key's",
                self.jwt(&header("EdDSA"), &json!({}), |m| other.sign(m).to_bytes().to_vec()),
            ),
            (
                "an unknown key's",
                self.jwt(&json!({ "alg": "EdDSA", "kid": "k2" }), &json!({}), |m| {
                    self.issuer.sign(m).to_bytes().to_vec()
                }),
            ),
            (
                "of another kind",
                self.jwt(
                    &json!({ "alg": "EdDSA", "kid": "k1", "typ": "logout+jwt" }),
                    &json!({}),
                    |m| self.issuer.sign(m).to_bytes().to_vec(),
                ),
            ),
            ("expired", self.signed(&json!({ "exp": now }))),
            ("without an end", self.signed(&json!({ "exp": null }))),
            ("with an end in words", self.signed(&json!({ "exp": "9999999999" }))),
            ("not yet valid", self.signed(&json!({ "nbf": now + 3600 }))),
            ("valid from a word", self.signed(&json!({ "nbf": "0" }))),
            ("for another audience", self.signed(&json!({ "aud": "other" }))),
            ("for other audiences", self.signed(&json!({ "aud": ["a", "b"] }))),
            ("for nobody", self.signed(&json!({ "aud": null }))),
            ("of another issuer", self.signed(&json!({ "iss": "https://evil.example" }))),
            ("of several issuers", self.signed(&json!({ "iss": [ISSUER] }))),
            ("about nobody", self.signed(&json!({ "sub": "" }))),
        ]
    }

    pub(super) async fn bare(&self, method: Method, path: &str) -> Response {
        send(&self.router, method, path, None).await
    }

    pub(super) async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> Response {
        send(&self.app, method, path, token).await
    }

    /// Two entries: one with the code `shown`, one with the code `hidden`.
    pub(super) fn incidents(&self) -> (u64, u64) {
        let mut writer = self.writer.lock().unwrap();
        let size = writer.ledger().head().size.0;
        writer.incident("shown", "a test", Micros(START.0 + 1)).unwrap();
        writer.incident("hidden", "a test", Micros(START.0 + 2)).unwrap();
        assert!(writer.ledger().entry(Index(size + 1)).unwrap().is_some());
        (size, size + 1)
    }

    pub(super) async fn recorded(&self) -> Vec<Recorded> {
        let mut all: Vec<_> = self
            .recorder
            .as_ref()
            .unwrap()
            .taken()
            .into_iter()
            .map(|(read, count)| Recorded {
                reader: read.reader.to_string(),
                query: read.query,
                count,
                denied: read.denied,
            })
            .collect();
        all.sort();
        all
    }
}

async fn send(router: &Router, method: Method, path: &str, token: Option<&str>) -> Response {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    // Administration asks for it before it says which methods it has.
    request = request.header("x-sworn-admin", "1");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

pub(super) async fn text(response: Response) -> String {
    String::from_utf8_lossy(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).into_owned()
}

/// The path with something in its variable segments.
pub(super) fn concrete(path: &str) -> String {
    let part = |part: &str| match part {
        "{tenant}" => "acme".to_owned(),
        "{*path}" => "checkpoint".to_owned(),
        part if part.starts_with('{') => "0".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A token that nobody made.
pub(super) fn stranger() -> String {
    Token::generate().text().to_string()
}

fn tenant() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn oidc(keys: std::path::PathBuf) -> Oidc {
    Oidc {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys,
        algorithms: ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect(),
        claim: "roles".to_owned(),
        roles: vec![(Role::Auditor, vec!["auditors".to_owned()])],
        tenant: None,
    }
}

fn jwks(issuer: &SigningKey) -> String {
    let x = encode(&issuer.verifying_key().to_bytes());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": x }] })
        .to_string()
}

fn base64url(json: &Json) -> String {
    encode(json.to_string().as_bytes())
}

/// Base64url without padding, bit by bit: a third opinion beside the library under test.
fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    bits.as_bytes()
        .chunks(6)
        .map(|chunk| {
            let digits = format!("{:0<6}", std::str::from_utf8(chunk).unwrap());
            char::from(DIGITS[usize::from_str_radix(&digits, 2).unwrap()])
        })
        .collect()
}
