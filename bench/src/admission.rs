//! What it costs to decide on an event in a large registry, beside one verification of a signature.

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use schemas::body::{self, Body};
use schemas::id::{EventId, Index, Kid, Micros, hex, sha256};
use schemas::key::PublicKey;
use schemas::limits::BATCH_MESSAGES_MAX;
use schemas::registry::Registry;
use schemas::reject::Reject;
use schemas::submission;
use serde_json::{Value as Json, json};

use crate::events::{START_US, Workload, key, tenant};
use crate::random::Random;
use crate::round::{Costs, Failure};

const AGENTS: u64 = 10_000;
const OWNERS: u64 = 100;
const HUMANS: u64 = 1_000;
const CONTRACTS: u64 = 1_000;
/// Half from a human to an agent, half from that agent to another.
const GRANTS: u64 = 50_000;
/// Signatures in one round: fewer than events, because each takes longer.
const SIGNATURES: usize = 2_000;

/// Runs the rounds and prints what was seen.
pub(crate) fn run(events: usize, rounds: usize) -> Result<(), Failure> {
    let signed = Workload::new(SIGNATURES, 1);
    let before = resident_bytes()?;
    let registry = filled()?;
    let grown = resident_bytes()?.saturating_sub(before);
    println!("{AGENTS} agents with keys, {GRANTS} grants, {CONTRACTS} contracts");
    println!("{} MiB of resident memory, {events} events, {rounds} rounds\n", grown >> 20);
    let mut random = Random(7);
    let intents = (0..u64::try_from(events)?).map(|n| intent(&mut random, n));
    let intents: Vec<_> = intents.collect::<Result<_, _>>()?;
    let mut admission = Admission { registry, intents };
    let mut verify = Costs::new("one verify_strict");
    let mut permits = Costs::new("permits");
    let mut chains = Costs::new("check_chain");
    let mut whole = Costs::new("permits, check_chain and apply");
    for _ in 0..rounds {
        verify.add(signed.messages.len(), verify_strict(&signed)?);
        permits.add(events, admission.permits()?);
        chains.add(events, admission.chains()?);
        whole.add(events, admission.whole()?);
    }
    for costs in [&verify, &permits, &chains, &whole] {
        println!("{}", costs.line(&verify));
    }
    Ok(())
}

fn refused(reject: &Reject) -> Failure {
    reject.to_string().into()
}

/// Resident memory of this process.
fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("no resident size")?.parse::<u64>()? << 10)
}

/// Verifies each signature once, on one core.
pub(crate) fn verify_strict(signed: &Workload) -> Result<Duration, Failure> {
    let keys: std::collections::HashMap<Kid, PublicKey> =
        (0..=u8::MAX).map(|seed| PublicKey::of(&key(seed))).map(|key| (key.kid(), key)).collect();
    let opened: Vec<_> =
        signed.messages.iter().filter_map(|message| submission::open(message).ok()).collect();
    let start = Instant::now();
    let good = opened.iter().filter(|opened| {
        let statement = opened.statement();
        keys.get(&statement.kid).is_some_and(|key| statement.verifies(key))
    });
    let good = good.count();
    let took = start.elapsed();
    if good == signed.messages.len() { Ok(took) } else { Err("a signature is bad".into()) }
}

struct Admission {
    registry: Registry,
    intents: Vec<(Vec<u8>, Kid)>,
}

impl Admission {
    fn permits(&mut self) -> Result<Duration, Failure> {
        let sound = |registry: &mut Registry, body: &Body<'_>, kid: &Kid| {
            registry.permits(body, kid, Micros(START_US)).is_ok()
        };
        self.all(sound)
    }

    fn chains(&mut self) -> Result<Duration, Failure> {
        let sound = |registry: &mut Registry, body: &Body<'_>, _: &Kid| {
            registry.check_chain(body, Micros(START_US)).is_sound()
        };
        self.all(sound)
    }

    /// As a commit does it.
    fn whole(&mut self) -> Result<Duration, Failure> {
        let mut index = GRANT;
        let sound = |registry: &mut Registry, body: &Body<'_>, kid: &Kid| {
            let permitted = registry.permits(body, kid, Micros(START_US));
            let check = registry.check_chain(body, Micros(START_US));
            index += 1;
            let records = registry.apply(Index(index), Micros(START_US), body);
            permitted.is_ok() && check.is_sound() && records.is_empty()
        };
        self.all(sound)
    }

    /// Does it to every event, as many bodies at a time as a commit has: reading them is no part of it.
    fn all(
        &mut self,
        mut sound: impl FnMut(&mut Registry, &Body<'_>, &Kid) -> bool,
    ) -> Result<Duration, Failure> {
        let mut took = Duration::ZERO;
        for batch in self.intents.chunks(BATCH_MESSAGES_MAX) {
            let parsed = batch.iter().map(|(bytes, kid)| Ok((Body::parse(bytes)?, kid)));
            let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|fault| refused(&fault))?;
            let start = Instant::now();
            let good = parsed.iter().filter(|(body, kid)| sound(&mut self.registry, body, kid));
            let good = good.count();
            took += start.elapsed();
            if good != parsed.len() {
                return Err("an event is not admitted, or its chain is not sound".into());
            }
        }
        Ok(took)
    }
}

fn agent(n: u64) -> String {
    format!("agent-{:05}", n % AGENTS)
}

fn human(n: u64) -> String {
    format!("person-{:04}@example.com", n % HUMANS)
}

fn owner(n: u64) -> String {
    format!("team-{:03}@example.com", n % OWNERS)
}

fn public(n: u64) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&sha256(&n.to_be_bytes())))
}

fn id(n: u64) -> EventId {
    let [a, b, c, d, e, f, g, h, i, j, ..] = sha256(&n.to_be_bytes());
    EventId::new(START_US / 1000, &[a, b, c, d, e, f, g, h, i, j])
}

/// The `n`-th of each half of the grants: from whom, and to whom.
fn root_grant(n: u64) -> (String, String) {
    (human(n), agent(n))
}

fn child_grant(n: u64) -> (String, String) {
    (agent(n), agent(n + 1 + n / AGENTS))
}

fn event(n: u64, mut fields: Json) -> Vec<u8> {
    let common = json!({
        "v": 1, "id": id(n).to_string(), "salt": "00".repeat(16), "tenant": tenant().as_str(),
        "time": START_US, "session": hex(&[7; 16]),
        "seq": {"n": n + 1, "prev": "00".repeat(32)},
    });
    if let (Some(fields), Some(common)) = (fields.as_object_mut(), common.as_object()) {
        fields.extend(common.clone());
    }
    body::from_json(&fields).expect("a valid event")
}

/// A registry of the size that is measured, made by the entries that make it.
fn filled() -> Result<Registry, Failure> {
    let mut registry = Registry::default();
    let mut index = 0;
    let mut apply = |fields: Json| -> Result<(), Failure> {
        let bytes = event(index, fields);
        let body = Body::parse(&bytes).map_err(|fault| refused(&fault))?;
        drop(registry.apply(Index(index), Micros(START_US), &body));
        index += 1;
        Ok(())
    };
    for (ids, role) in [(0..OWNERS, "owner"), (0..HUMANS, "human")] {
        for n in ids {
            let id = if role == "owner" { owner(n) } else { human(n) };
            apply(json!({
                "kind": "principal.registered", "signer": "operator",
                "registry": {"id": id, "roles": [role], "route": "mailto:alerts@example.com"},
            }))?;
        }
    }
    for n in 0..AGENTS {
        apply(json!({
            "kind": "agent.registered", "signer": "operator", "agent": {"id": agent(n)},
            "owner": owner(n),
            "registry": {"purpose": "answers customers", "addresses": [format!("{n}@a.example")]},
        }))?;
        apply(json!({
            "kind": "key.enrolled", "signer": "operator",
            "registry": {"signer": agent(n), "key": hex(public(n).as_bytes())},
        }))?;
    }
    for n in 0..CONTRACTS {
        apply(contract(n))?;
    }
    for n in 0..GRANTS / 2 {
        let (by, to) = root_grant(n);
        apply(grant(&by, &to, n, None))?;
    }
    for n in 0..GRANTS / 2 {
        let (by, to) = child_grant(n);
        apply(grant(&by, &to, GRANTS / 2 + n, Some(n)))?;
    }
    Ok(registry)
}

fn contract(n: u64) -> Json {
    json!({
        "kind": "contract.registered", "signer": owner(n), "agent": {"id": agent(n)},
        "owner": owner(n), "detail": hex(&[7; 32]),
        "registry": {
            "digest": hex(&sha256(&n.to_be_bytes())),
            "agent": {
                "name": agent(n), "owner": owner(n), "execution_mode": "autonomous",
                "permissions": {"mail": ["email.send"], "postgres": ["db:migrate", "db:read"]},
                "expiry": "2027-01-01",
            },
            "environments": ["staging", "production"], "targets": ["postgres:staging/*"],
            "limits": {"caps": [{"action": "email.send", "per": "day", "max": 50}]},
        },
    })
}

/// Ids of grants begin here.
const GRANT: u64 = 1 << 40;

fn grant(by: &str, to: &str, n: u64, parent: Option<u64>) -> Json {
    let mut grant = json!({
        "id": id(GRANT + n).to_string(), "to": to, "scope": ["db:migrate", "db:read"],
        "systems": ["postgres"], "targets": ["postgres:staging/*"], "environment": "staging",
        "expires": START_US + 86_400_000_000,
    });
    if let (Some(parent), Some(fields)) = (parent, grant.as_object_mut()) {
        fields.insert("parent".to_owned(), json!(id(GRANT + parent).to_string()));
    }
    json!({"kind": "delegation.granted", "signer": by, "grant": grant})
}

/// An intent and its key: half act by themselves, a quarter for a human, a quarter for an agent that does.
fn intent(random: &mut Random, n: u64) -> Result<(Vec<u8>, Kid), Failure> {
    let grant = random.below(GRANTS / 2);
    let (person, first) = root_grant(grant);
    let (_, second) = child_grant(grant);
    let human = json!({"type": "human", "id": person, "evidence": hex(&[5; 32])});
    let hop = |agent: &str, grant: u64| {
        json!({"type": "agent", "id": agent, "grant_id": id(GRANT + grant).to_string(),
               "task": "run the pending migrations"})
    };
    let (agent, chain) = match random.below(4) {
        0 => (first.clone(), json!([human, hop(&first, grant)])),
        1 => {
            let chain = json!([human, hop(&first, grant), hop(&second, GRANTS / 2 + grant)]);
            (second, chain)
        }
        _ => (first.clone(), json!([{"type": "agent", "id": first}])),
    };
    let digest = hex(&sha256(&n.to_be_bytes()));
    let fields = json!({
        "kind": "action.intent", "agent": {"id": agent},
        "correlation": format!("workflow-{}", n / 40), "mode": "self",
        "action": {"name": "ALTER TABLE", "class": "write", "system": "postgres",
                   "target": format!("postgres:staging/table-{}", n % 100)},
        "credential": {"id": "cred-db-1"}, "scope": ["db:migrate"], "environment": "staging",
        "model": {"provider": "example", "name": "model-large", "version": "2026-03"},
        "tool": {"name": "psql"}, "principals": chain,
        "prompt": {"digest": digest, "size": 2048},
        "input": {"alg": "sha-256", "digest": digest, "size": 512},
    });
    let number: u64 = agent.trim_start_matches("agent-").parse()?;
    Ok((event(GRANT * 2 + n, fields), public(number).kid()))
}
