//! Evidence bundles: sound ones of every scope, and every way we know to make an unsound one.

use axum::http::{StatusCode, header};
use schemas::checkpoint::{Checkpoint, Note, sign_checkpoint};
use schemas::claim::Claim;
use schemas::era::Era;
use schemas::evidence::{
    self, Bundle, Claimed, Completeness, Fault, Judgement, Opened, Trust, Weight,
};
use schemas::id::{Index, Micros, TreeHash, TreeSize};
use schemas::key::PublicKey;
use schemas::leaf::Leaf;
use schemas::policy::Policy;
use schemas::terms::Key;
use serde_json::{Value as Json, json};

use crate::world::{OPERATOR, SECOND, World, encoded, intent, public, start};

pub(crate) const CASE: &str = "corr:release-1";

/// Two agents in one workflow, one of them disabled and refused, a batch under one signature, a detail; and
/// things that are none of the case.
pub(crate) fn world() -> World {
    let mut world = World::new();
    for agent in ["planner", "worker", "stranger"] {
        world.agent(agent);
    }
    for (agent, corr) in [("planner", "release-1"), ("worker", "release-1"), ("stranger", "other")]
    {
        world.accept(agent, start(agent, corr));
    }
    for agent in ["planner", "worker"] {
        let fields = |target: &str| intent(agent, "release-1", "email.send", target);
        world.submit_all(agent, vec![fields("a@example.com"), fields("b@example.com")]);
        world.accept("stranger", intent("stranger", "other", "email.send", "c@example.com"));
    }
    world.submit_detail(
        "planner",
        intent("planner", "release-1", "email.send", "d@x.example"),
        "to whom",
    );
    let disable =
        json!({ "kind": "agent.disabled", "agent": { "id": "worker" }, "note": "case-42" });
    world.accept(OPERATOR, disable);
    let refused = world.submit("worker", intent("worker", "release-1", "db.drop", "prod"), None);
    assert_eq!(refused.refused, Some("disabled_agent"));
    world.accept("planner", intent("planner", "release-1", "email.send", "e@example.com"));
    publish(&mut world);
    world
}

pub(crate) fn publish(world: &mut World) {
    world.wait(2 * SECOND);
    world.writer.as_mut().unwrap().publish().unwrap();
}

pub(crate) fn file(world: &World, parameters: &str) -> Vec<u8> {
    let answer = world.get(&format!("/bundles?{parameters}"));
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/zip");
    answer.body.to_vec()
}

pub(crate) fn opened(world: &World, query: &str) -> Opened {
    let file = file(world, &format!("q={}&since=%230&details=true", encoded(query)));
    evidence::open(&file).unwrap()
}

fn judge_with(opened: &Opened, trusted: PublicKey, known: &[Checkpoint]) -> Judgement {
    let accepts = |era: &Era| era.key == trusted;
    let trust = Trust { accepts: Some(&accepts), policy: None, known };
    evidence::verify(opened, &trust, &mut |_step| {})
}

pub(crate) fn judge(world: &World, opened: &Opened) -> Judgement {
    judge_with(opened, PublicKey::of(&world.key), &[])
}

#[test]
fn a_bundle_of_an_agent_holds_what_was_said_of_it_while_a_name_was_its_own() {
    let mut world = world();
    let call = |world: &mut World, agent: &str, names: Json| {
        let registry = json!({ "external": names });
        let update =
            json!({ "kind": "agent.updated", "agent": { "id": agent }, "registry": registry });
        world.accept(OPERATOR, update);
    };
    call(&mut world, "planner", json!(["entra:7"]));
    let own = world.accept("planner", intent("entra:7", "later", "email.send", "f@example.com"));
    call(&mut world, "planner", json!([]));
    call(&mut world, "stranger", json!(["entra:7"]));
    let others =
        world.accept("stranger", intent("entra:7", "later", "email.send", "g@example.com"));
    publish(&mut world);
    world.principal("mailer", &["witness"]);
    let witnessed = json!({
        "kind": "witness.observed", "agent": { "id": "entra:7" }, "correlation": "later",
        "credential": { "id": "c" }, "outcome": { "status": "confirmed", "external_ref": "r" },
        "action": { "name": "email.send", "class": "communication", "system": "email", "target": "t" },
    });
    let seen = world.accept("mailer", witnessed);
    publish(&mut world);
    for (query, indexes) in [
        ("agent:planner corr:later", vec![own]),
        ("agent:stranger corr:later", vec![others, seen]),
        ("agent:stranger kind:witness.observed", vec![seen]),
    ] {
        let opened = opened(&world, query);
        let found = judge(&world, &opened);
        assert_eq!(
            (found.faults.as_slice(), found.asked),
            ([].as_slice(), indexes.len()),
            "{query}"
        );
        assert_eq!(found.verdicts().completeness, Completeness::Complete);
        let mut listed = world.indexes(&format!("q={}&order=oldest", encoded(query)));
        listed.sort_unstable();
        assert_eq!(listed, indexes);
    }
}

#[test]
fn every_scope_gives_a_bundle_that_verifies() {
    let world = world();
    let session = world.json("/entries?q=agent%3Aplanner%20kind%3Asession.start")["items"][0]["body"]
        ["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let size = world.head();
    for (parameters, complete) in [
        (format!("q={}", encoded(CASE)), true),
        (format!("q={}", encoded(&format!("session:{session}"))), true),
        ("q=agent%3Aworker".to_owned(), true),
        (format!("q={}", encoded(&format!("principal:{OPERATOR}"))), true),
        (format!("q={}", encoded("agent:worker agent:planner kind:action.intent")), true),
        (format!("q={}&since=%234&until=%23{}", encoded("agent:planner"), size - 2), true),
        (format!("q=&since=%233&until=%23{}", size - 1), true),
        (format!("q=&since=%230&until=%23{size}"), true),
        ("q=corr%3Anothing-has-it".to_owned(), true),
        (format!("q={}", encoded("agent:plan* kind:action.intent")), false),
        (format!("q={}", encoded("corr:release-1 -agent:worker")), false),
    ] {
        let opened = evidence::open(&file(&world, &parameters)).unwrap();
        let found = judge(&world, &opened);
        let expected = if complete { vec![] } else { vec![Fault::Open] };
        assert_eq!(found.faults, expected, "{parameters}");
        let is_complete = found.verdicts().completeness == Completeness::Complete;
        assert_eq!(is_complete, complete, "{parameters}");
        assert_eq!(
            opened.pack(),
            evidence::pack(&opened.bundle),
            "rendered from the evidence alone"
        );
    }
}

#[test]
fn a_bundle_holds_the_case_and_its_authority_and_nothing_else() {
    let world = world();
    let opened = opened(&world, CASE);
    let found = judge(&world, &opened);
    assert_eq!((found.asked, found.rejected, found.redacted), (9, 1, 0));
    assert_eq!(opened.bundle.details.len(), 1);
    let report = String::from_utf8(opened.rendered["report.html"].clone()).unwrap();
    for text in ["release-1", "planner", "worker", "disabled_agent", "REJECTED", "b@example.com"] {
        assert!(report.contains(text), "{text}");
    }
    let all = String::from_utf8(
        opened.pack().iter().map(|b| if b.is_ascii() { *b } else { b'.' }).collect(),
    );
    assert!(!all.unwrap().contains("stranger"), "what is none of the case is not in it");
    let without = file(&world, &format!("q={}", encoded(CASE)));
    assert!(evidence::open(&without).unwrap().bundle.details.is_empty());
}

#[test]
fn agents_text_cannot_act_in_the_report() {
    let mut world = world();
    let hostile = "<script>alert(1)</script>\u{202e}";
    world.accept("planner", intent("planner", "release-1", "email.send", hostile));
    publish(&mut world);
    let report = opened(&world, CASE).rendered["report.html"].clone();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("&lt;script&gt;") && !report.contains("<script"));
    assert!(!report.contains('\u{202e}'));
}

#[test]
fn a_rotated_ledger_key_is_followed() {
    let mut world = world();
    let old = PublicKey::of(&world.key);
    let new = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let now = Micros(world.now());
    world.writer.as_mut().unwrap().rotate_key(new.clone(), now).unwrap();
    world.accept("planner", intent("planner", "release-1", "email.send", "later@example.com"));
    publish(&mut world);
    let opened = opened(&world, CASE);
    for trusted in [old, PublicKey::of(&new)] {
        assert_eq!(judge_with(&opened, trusted, &[]).faults, []);
    }
    let stranger = PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[8; 32]));
    let found = judge_with(&opened, stranger, &[]);
    assert_eq!(found.faults, [Fault::Untrusted { found: PublicKey::of(&new).kid() }]);
}

#[test]
fn a_signers_number_that_never_came_is_a_gap() {
    let mut world = world();
    world.lose("planner");
    world.accept("planner", intent("planner", "release-1", "email.send", "f@example.com"));
    publish(&mut world);
    let found = judge(&world, &opened(&world, CASE));
    assert_eq!(found.verdicts().completeness, Completeness::Gap);
    assert!(
        matches!(found.faults.as_slice(), [Fault::Sequence { from: 6, to: 6, .. }]),
        "{:?}",
        found.faults
    );
}

#[test]
fn a_number_that_never_came_is_a_gap_whatever_has_its_ordinal() {
    type Between = fn(&mut World);
    let of_stranger = |world: &mut World| {
        let mut filler = start("stranger", "other");
        filler["session"] = world.session("planner").into();
        world.accept("stranger", filler);
    };
    let lost: Between = |world| world.lose("planner");
    let elsewhere: Between = |world| {
        world.accept("planner", intent("planner", "other", "email.send", "x@example.com"));
    };
    for (between, expected) in [(lost, vec![(6, 6)]), (elsewhere, vec![])] {
        let mut world = world();
        between(&mut world);
        of_stranger(&mut world);
        world.accept("planner", intent("planner", "release-1", "email.send", "f@example.com"));
        assert_eq!(missing(&mut world), expected);
    }
    // Of many in between, those on both sides of another's are enough.
    let mut world = world();
    for n in 0..9 {
        if n == 5 {
            of_stranger(&mut world);
        }
        elsewhere(&mut world);
    }
    world.accept("planner", intent("planner", "release-1", "email.send", "f@example.com"));
    assert_eq!(missing(&mut world), Vec::new());
    let is_other = |kept: &&Vec<u8>| {
        schemas::body::Body::parse(kept).is_ok_and(|body| body.correlation() == Some("other"))
    };
    assert_eq!(opened(&world, CASE).bundle.bodies.values().filter(is_other).count(), 2);
    // Two that came earlier than those before them have the ordinals of two that never came.
    let mut world = crate::bundle::world();
    for _ in 0..2 {
        world.lose("planner");
    }
    let last = intent("planner", "release-1", "email.send", "f@example.com");
    let late = world.sign_all("planner", vec![last]);
    elsewhere(&mut world);
    elsewhere(&mut world);
    world.send_raw(&late);
    assert_eq!(missing(&mut world), [(6, 7)]);
}

/// What the bundle of [`CASE`] says is missing of the signers' numbers; nothing else may be wrong with it.
fn missing(world: &mut World) -> Vec<(u64, u64)> {
    publish(world);
    let range = |fault: &Fault| match fault {
        Fault::Sequence { from, to, .. } => (*from, *to),
        other => panic!("{other}"),
    };
    judge(world, &opened(world, CASE)).faults.iter().map(range).collect()
}

#[test]
fn bad_requests_are_named() {
    let world = world();
    for (parameters, code, param) in [
        ("q=corr%3Aa&details=yes", "invalid-parameter", Some("details")),
        ("q=nonsense", "bad-query", Some("q")),
        ("q=cause%3Ax", "bad-query", Some("q")),
        ("limit=3", "unknown-parameter", Some("limit")),
    ] {
        let (status, found, at) = world.problem(&format!("/bundles?{parameters}"));
        assert_eq!((status, found.as_str(), at.as_deref()), (400, code, param), "{parameters}");
    }
}

/// What a forger does, and what it ends with.
type Forgery = (&'static str, fn(&mut Forger), Weight, &'static str);

struct Forger<'w> {
    world: &'w World,
    opened: Opened,
}

impl Forger<'_> {
    fn bundle(&mut self) -> &mut Bundle {
        &mut self.opened.bundle
    }

    fn head(&self) -> Checkpoint {
        Note::parse(&self.opened.bundle.head).unwrap().checkpoint().unwrap()
    }

    fn leaf(&self, place: usize) -> Leaf {
        Leaf::decode(&self.opened.bundle.leaves[place]).unwrap()
    }

    /// Place of the nth entry that has such a body.
    fn place(&self, kind: &str, nth: usize) -> usize {
        let is = |place: &usize| self.kind(*place) == kind;
        (0..self.opened.bundle.leaves.len()).filter(is).nth(nth).unwrap()
    }

    fn kind(&self, place: usize) -> String {
        let index = self.leaf(place).index.0;
        let body = schemas::body::Body::parse(&self.opened.bundle.bodies[&index]);
        body.map_or("erased", |body| body.kind().as_str()).to_owned()
    }

    /// Leaves an entry out as if it had never been.
    fn drop(&mut self, place: usize) {
        let leaf = self.leaf(place);
        let bundle = self.bundle();
        bundle.leaves.remove(place);
        bundle.paths.remove(place);
        bundle.bodies.remove(&leaf.index.0);
        bundle.details.remove(&leaf.index.0);
        let used: Vec<_> =
            bundle.leaves.iter().map(|leaf| Leaf::decode(leaf).unwrap().statement).collect();
        let digest =
            |signed: &evidence::Signed| schemas::id::Digest(schemas::id::sha256(&signed.statement));
        bundle.statements.retain(|signed| used.contains(&digest(signed)));
    }

    /// Renders again what people read, as a careful forger would.
    fn render(&mut self) {
        self.opened = evidence::open(&evidence::pack(&self.opened.bundle)).unwrap();
    }

    fn claim(&self, terms: &[(Key, &str)], change: impl FnOnce(&mut Claim)) -> Vec<u8> {
        let head = self.head();
        let mut claim = Claim {
            origin: head.origin,
            size: head.size,
            root: head.root,
            terms: terms.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
            count: 9,
            last: Some(Index(head.size.0 - 1)),
            time: Micros(1),
        };
        change(&mut claim);
        claim.sign(&self.world.key)
    }

    fn case_claim(&mut self) -> usize {
        let key = PublicKey::of(&self.world.key);
        let of_case = |claimed: &Claimed| {
            Claim::verify(&claimed.claim, &key)
                .unwrap()
                .terms
                .iter()
                .any(|(key, _)| *key == Key::Corr)
        };
        self.opened.bundle.claims.iter().position(of_case).unwrap()
    }
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

/// A sentence for each is checked to be its own.
const FORGERIES: &[Forgery] = &[
    (
        "two proofs swapped",
        |f| f.bundle().paths.swap(3, 4),
        Weight::Hash,
        "is not in the checkpoint's tree",
    ),
    (
        "a proof for another tree size",
        |f| {
            let place = f.bundle().paths.len() - 1;
            f.bundle().paths[place].pop();
        },
        Weight::Hash,
        "is not in the checkpoint's tree",
    ),
    (
        "a proof cut to nothing",
        |f| f.bundle().paths[2].clear(),
        Weight::Hash,
        "is not in the checkpoint's tree",
    ),
    (
        "a leaf altered",
        |f| {
            let mut leaf = f.leaf(4);
            leaf.received_at = Micros(leaf.received_at.0 + 1);
            f.bundle().leaves[4] = leaf.encode();
        },
        Weight::Hash,
        "is not in the checkpoint's tree",
    ),
    (
        "bytes that are no leaf",
        |f| f.bundle().leaves[4] = vec![0x80],
        Weight::Hash,
        "leaf 4 of the bundle is no leaf",
    ),
    (
        "a leaf twice",
        |f| {
            let (leaf, path) = (f.bundle().leaves[4].clone(), f.bundle().paths[4].clone());
            f.bundle().leaves.insert(4, leaf);
            f.bundle().paths.insert(4, path);
        },
        Weight::Hash,
        "is there twice or out of order",
    ),
    (
        "two leaves in the wrong order",
        |f| {
            f.bundle().leaves.swap(4, 5);
            f.bundle().paths.swap(4, 5);
        },
        Weight::Hash,
        "is there twice or out of order",
    ),
    (
        "a body altered",
        |f| {
            let index = f.leaf(f.place("action.intent", 0)).index.0;
            flip(f.bundle().bodies.get_mut(&index).unwrap());
        },
        Weight::Hash,
        "does not have the digest in its leaf",
    ),
    (
        "two bodies swapped",
        |f| {
            let [a, b] = [0, 1].map(|n| f.leaf(f.place("action.intent", n)).index.0);
            let body = f.bundle().bodies[&a].clone();
            let other = f.bundle().bodies.insert(b, body).unwrap();
            f.bundle().bodies.insert(a, other);
        },
        Weight::Hash,
        "does not have the digest in its leaf",
    ),
    (
        "a body taken away",
        |f| {
            let index = f.leaf(f.place("action.intent", 0)).index.0;
            f.bundle().bodies.remove(&index);
        },
        Weight::Undecidable,
        "the body of entry",
    ),
    (
        "a body for an entry that is not here",
        |f| {
            f.bundle().bodies.insert(1 << 40, vec![0xa0]);
        },
        Weight::Hash,
        "which has none here",
    ),
    (
        "a detail altered",
        |f| {
            flip(f.bundle().details.values_mut().next().unwrap());
        },
        Weight::Hash,
        "the detail of entry",
    ),
    (
        "a detail moved to another entry",
        |f| {
            let (_, detail) = f.bundle().details.pop_first().unwrap();
            let index = f.leaf(f.place("action.intent", 0)).index.0;
            f.bundle().details.insert(index, detail);
        },
        Weight::Hash,
        "whose body commits to none",
    ),
    (
        "a statement taken away",
        |f| drop(f.bundle().statements.pop()),
        Weight::Undecidable,
        "the statement over entry",
    ),
    (
        "a statement's signature altered",
        |f| {
            // Its digest is in the leaf, so it is another statement, and the leaf's own is missing.
            f.bundle().statements[2].statement.last_mut().map(|byte| *byte ^= 1).unwrap();
        },
        Weight::Hash,
        "belongs to no entry in it",
    ),
    (
        "a statement that nothing rests on",
        |f| {
            let spare = f.world.statement(f.world.head() - 1);
            let bundle = f.bundle();
            let digests: Vec<_> = bundle.statements.iter().map(|s| s.statement.clone()).collect();
            let spare = if digests.contains(&spare) { vec![1, 2, 3] } else { spare };
            bundle.statements.push(evidence::Signed { statement: spare, manifest: None });
        },
        Weight::Hash,
        "belongs to no entry in it",
    ),
    (
        "a manifest altered",
        |f| {
            let signed =
                f.bundle().statements.iter_mut().find(|signed| signed.manifest.is_some()).unwrap();
            flip(signed.manifest.as_mut().unwrap());
        },
        Weight::Hash,
        "is not the signed one",
    ),
    (
        "a manifest taken away",
        |f| {
            let signed =
                f.bundle().statements.iter_mut().find(|signed| signed.manifest.is_some()).unwrap();
            signed.manifest = None;
        },
        Weight::Hash,
        "is not the signed one",
    ),
    ("the genesis entry left out", |f| f.drop(0), Weight::Undecidable, "whose ledger is it"),
    (
        "the enrolment of a key left out",
        |f| {
            let place = f.place("key.enrolled", 0);
            f.drop(place);
        },
        Weight::Gap,
        "the registry's history of",
    ),
    (
        "the disabling of an agent left out",
        |f| {
            let place = f.place("agent.disabled", 0);
            f.drop(place);
        },
        Weight::Gap,
        "the registry's history of worker",
    ),
    (
        "the registry's claims taken away",
        |f| {
            let place = f.case_claim();
            let case = f.bundle().claims.remove(place);
            f.bundle().claims = vec![case];
        },
        Weight::Undecidable,
        "nothing vouches that the registry's history of",
    ),
    (
        "the first entry of the case left out",
        |f| {
            let place = f.place("session.start", 0);
            f.drop(place);
        },
        Weight::Gap,
        "and number 1 is not here",
    ),
    (
        "an entry inside left out",
        |f| {
            let place = f.place("action.intent", 1);
            f.drop(place);
        },
        Weight::Gap,
        "is not here",
    ),
    (
        "the last entry left out",
        |f| {
            let place = f.place("action.intent", 6);
            f.drop(place);
        },
        Weight::Gap,
        "the ledger claims 9",
    ),
    (
        "the refused entry left out",
        |f| {
            let place = f.place("action.intent", 5);
            f.drop(place);
        },
        Weight::Gap,
        "the ledger claims 9",
    ),
    (
        "the case's claim taken away, and the last entry",
        |f| {
            let (claim, place) = (f.case_claim(), f.place("action.intent", 6));
            f.bundle().claims.remove(claim);
            f.drop(place);
        },
        Weight::Undecidable,
        "nothing vouches that no entry is missing at the end",
    ),
    (
        "another case's claim in its place",
        |f| {
            let place = f.case_claim();
            f.bundle().claims[place].claim = f.claim(&[(Key::Corr, "other")], |_| ());
        },
        Weight::Undecidable,
        "nothing vouches that no entry is missing at the end",
    ),
    (
        "an older claim, before the last entry",
        |f| {
            let place = f.case_claim();
            let size = TreeSize(f.head().size.0 - 1);
            let ledger = f.world.writer.as_ref().unwrap().ledger();
            let terms = [(Key::Corr, "release-1".to_owned())];
            let claim = ledger.claim(&terms, size, Micros(1)).unwrap();
            let path = ledger.consistency(size, f.head().size).unwrap();
            f.bundle().claims[place] = Claimed { claim, path };
            let last = f.place("action.intent", 6);
            f.drop(last);
        },
        Weight::Undecidable,
        "nothing vouches that no entry is missing at the end",
    ),
    (
        "a claim altered",
        |f| {
            let place = f.case_claim();
            flip(&mut f.bundle().claims[place].claim);
        },
        Weight::Signature,
        "a claim: ",
    ),
    (
        "a claim by another key",
        |f| {
            let place = f.case_claim();
            let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
            let own = PublicKey::of(&f.world.key);
            let claim = Claim::verify(&f.bundle().claims[place].claim, &own).unwrap();
            f.bundle().claims[place].claim = claim.sign(&key);
        },
        Weight::Signature,
        "a claim: signed by key",
    ),
    (
        "a claim of another log under the same key",
        |f| {
            let place = f.case_claim();
            f.bundle().claims[place].claim = f.claim(&[(Key::Corr, "release-1")], |claim| {
                claim.origin = "elsewhere/acme".to_owned()
            });
        },
        Weight::Signature,
        "a claim of another log",
    ),
    (
        "a claim of a forked log",
        |f| {
            let place = f.case_claim();
            f.bundle().claims[place].claim =
                f.claim(&[(Key::Corr, "release-1")], |claim| claim.root = TreeHash([7; 32]));
        },
        Weight::Conflict,
        "name different trees",
    ),
    (
        "a second claim that says otherwise",
        |f| {
            let claim = f.claim(&[(Key::Corr, "release-1")], |claim| claim.count = 8);
            f.bundle().claims.push(Claimed { claim, path: Vec::new() });
        },
        Weight::Conflict,
        "contradict each other",
    ),
    (
        "a checkpoint that nobody signed",
        |f| {
            let unsigned = f.head().text();
            f.bundle().head = format!("{unsigned}\n\u{2014} ledger.example/acme AAAAAAAA\n");
        },
        Weight::Signature,
        "the checkpoint: ",
    ),
    (
        "a checkpoint of another origin under the same key",
        |f| {
            let head = Checkpoint { origin: "elsewhere/acme".to_owned(), ..f.head() };
            f.bundle().head = sign_checkpoint(&head, &f.world.key).unwrap().to_string();
        },
        Weight::Signature,
        "the checkpoint: ",
    ),
    (
        "a forked history signed by the same key",
        |f| {
            let head = Checkpoint { root: TreeHash([6; 32]), ..f.head() };
            f.bundle().head = sign_checkpoint(&head, &f.world.key).unwrap().to_string();
        },
        Weight::Conflict,
        "the log was forked",
    ),
    (
        "a checkpoint of another size",
        |f| {
            let head = Checkpoint { size: TreeSize(f.head().size.0 + 1), ..f.head() };
            f.bundle().head = sign_checkpoint(&head, &f.world.key).unwrap().to_string();
        },
        Weight::Hash,
        "is not in the checkpoint's tree",
    ),
    (
        "a window wider than the checkpoint",
        |f| f.bundle().manifest.until += 1,
        Weight::Hash,
        "is not within the checkpoint",
    ),
    (
        "another question than was answered",
        |f| {
            "agent:planner".clone_into(&mut f.bundle().manifest.query);
        },
        Weight::Undecidable,
        "nothing vouches that no entry is missing at the end",
    ),
    (
        "a question that is none",
        |f| "(".clone_into(&mut f.bundle().manifest.query),
        Weight::Undecidable,
        "its query cannot be read",
    ),
];

#[test]
fn every_forgery_is_noticed_for_what_it_is() {
    let world = world();
    let known = [Forger { world: &world, opened: opened(&world, CASE) }.head()];
    assert!(FORGERIES.len() >= 30);
    for (what, forge, weight, sentence) in FORGERIES {
        let mut forger = Forger { world: &world, opened: opened(&world, CASE) };
        forge(&mut forger);
        // A careful forger renders the report from what he made.
        forger.render();
        let found = judge_with(&forger.opened, PublicKey::of(&world.key), &known);
        let said: Vec<_> = found.faults.iter().map(|f| (f.judged().1, f.to_string())).collect();
        let noticed = said.iter().any(|(w, text)| w == weight && text.contains(sentence));
        assert!(noticed, "{what}: {said:?}");
    }
}

#[test]
fn what_people_read_must_be_what_the_evidence_says() {
    let world = world();
    let sound = opened(&world, CASE);
    for name in [
        "report.html",
        "summary.json",
        "entries.jsonl",
        "registry/entries.jsonl",
        "README.txt",
        "verifier.html",
    ] {
        let mut altered = sound.clone();
        flip(altered.rendered.get_mut(name).unwrap());
        let altered = evidence::open(&altered.pack()).unwrap();
        let expected = [Fault::Rendered { member: name.to_owned() }];
        assert_eq!(judge(&world, &altered).faults, expected, "{name}");
        let mut without = sound.clone();
        without.rendered.remove(name);
        let without = evidence::open(&without.pack()).unwrap();
        let faults = judge(&world, &without).faults;
        assert!(matches!(faults.as_slice(), [Fault::NotRendered { .. }]), "{name}: {faults:?}");
    }
    let mut more = sound.clone();
    more.rendered.insert("notes.html".to_owned(), b"<p>all is well</p>".to_vec());
    let refused = evidence::open(&more.pack());
    assert!(matches!(refused, Err(Fault::UnknownMember(name)) if name == "notes.html"));
}

#[test]
fn no_byte_of_a_file_can_change_unnoticed() {
    let world = world();
    let file = opened(&world, CASE).pack();
    let sound = |file: &[u8]| match evidence::open(file) {
        Ok(opened) => judge(&world, &opened).faults.is_empty(),
        Err(_) => false,
    };
    assert!(sound(&file));
    // The exporter's word is nobody's proof: when, and with what program; it stands in the report too.
    let step = (file.len() / 400).max(1);
    for at in (0..file.len()).step_by(step) {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(!sound(&altered), "byte {at}");
    }
    for cut in (0..file.len()).step_by(step) {
        assert!(!sound(&file[..cut]), "cut at {cut}");
    }
}

#[test]
fn no_byte_of_the_evidence_can_change_unnoticed() {
    let world = world();
    let whole = opened(&world, CASE);
    let mut parts = 0;
    loop {
        let mut altered = whole.clone();
        let bundle = &mut altered.bundle;
        let leaves = bundle.leaves.iter_mut().chain(bundle.bodies.values_mut());
        let rest =
            bundle.details.values_mut().chain(bundle.claims.iter_mut().map(|c| &mut c.claim));
        let statements = bundle.statements.iter_mut().map(|signed| &mut signed.statement);
        let Some(part) = leaves.chain(rest).chain(statements).nth(parts) else { break };
        flip(part);
        let altered = evidence::open(&evidence::pack(&altered.bundle)).unwrap();
        assert!(!judge(&world, &altered).faults.is_empty(), "part {parts}");
        parts += 1;
    }
    assert!(parts > 50, "{parts}");
}

#[test]
fn without_a_trusted_key_nothing_is_decided() {
    let world = world();
    let opened = opened(&world, CASE);
    let trust = Trust { accepts: None, policy: None, known: &[] };
    let found = evidence::verify(&opened, &trust, &mut |_step| {});
    assert!(matches!(found.faults.as_slice(), [Fault::NoTrust { .. }]));
    let policy = format!(
        "log {}\nwitness w {}\nquorum w\n",
        key_of(&world, "ledger.example/acme").vkey(),
        schemas::checkpoint::WitnessKey {
            name: "w.example".to_owned(),
            public: ed25519_dalek::SigningKey::from_bytes(&[4; 32]).verifying_key(),
        }
        .vkey()
    );
    let policy = Policy::parse(&policy).unwrap();
    let own = PublicKey::of(&world.key);
    let accepts = |era: &Era| era.key == own;
    let trust = Trust { accepts: Some(&accepts), policy: Some(&policy), known: &[] };
    assert_eq!(evidence::verify(&opened, &trust, &mut |_step| {}).faults, [Fault::Quorum]);
}

fn key_of(world: &World, name: &str) -> schemas::checkpoint::NoteKey {
    schemas::checkpoint::NoteKey { name: name.to_owned(), public: world.key.verifying_key() }
}

#[test]
fn every_step_is_explained() {
    let world = world();
    let opened = opened(&world, CASE);
    let own = PublicKey::of(&world.key);
    let accepts = |era: &Era| era.key == own;
    let trust = Trust { accepts: Some(&accepts), policy: None, known: &[] };
    let mut steps = Vec::new();
    let found = evidence::verify(&opened, &trust, &mut |step| steps.push(step));
    assert!(steps.iter().all(evidence::Step::holds) && found.faults.is_empty());
    for subject in [
        "root from its leaf and proof",
        "digest of its body",
        "digest of its detail",
        "report.html: digest, rendered again",
        "leaves.cbor: digest that custody.json names",
    ] {
        assert!(steps.iter().any(|step| step.subject.contains(subject)), "{subject}");
    }
    let root = found.checkpoint.unwrap().root.to_string();
    assert!(steps.iter().any(|step| step.computed == root));
    let summary: Json = serde_json::from_slice(&opened.rendered["summary.json"]).unwrap();
    assert_eq!((&summary["entries"]["asked"], &summary["query"]), (&json!(9), &json!(CASE)));
}

#[test]
fn what_was_erased_is_shown_as_erased_and_no_other_way() {
    let mut world = world();
    let place = |world: &World| {
        let page = world.json("/entries?q=agent%3Aplanner%20kind%3Aaction.intent&order=oldest");
        let with_detail =
            page["items"].as_array().unwrap().iter().find(|item| !item["body"]["detail"].is_null());
        with_detail.unwrap()["index"].as_u64().unwrap()
    };
    let index = place(&world);
    let ledger = world.writer.as_ref().unwrap().ledger();
    let body = ledger.entry(Index(index)).unwrap().unwrap().body.unwrap();
    let detail = ledger.detail(Index(index)).unwrap().unwrap();
    drop(ledger);
    let redact =
        json!({ "ranges": [[index, index]], "parts": ["body", "detail"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    publish(&mut world);
    let sound = opened(&world, CASE);
    let found = judge(&world, &sound);
    assert_eq!((found.faults.as_slice(), found.asked, found.redacted), (&[][..], 9, 1));
    let report = String::from_utf8(sound.rendered["report.html"].clone()).unwrap();
    assert!(report.contains("by the redaction at"), "{report}");

    let judged = |forge: &dyn Fn(&mut Forger)| {
        let mut forger = Forger { world: &world, opened: sound.clone() };
        forge(&mut forger);
        forger.render();
        judge(&world, &forger.opened).faults
    };
    let leftover = judged(&|f| drop(f.bundle().bodies.insert(index, body.clone())));
    assert_eq!(leftover, [Fault::Leftover { index: Index(index) }]);
    let detail_left = judged(&|f| drop(f.bundle().details.insert(index, detail.clone())));
    assert!(detail_left.contains(&Fault::Leftover { index: Index(index) }), "{detail_left:?}");
    let altered = judged(&|f| {
        let row = f.bundle().bodies.get_mut(&index).unwrap();
        *row.last_mut().unwrap() ^= 1;
    });
    assert_eq!(altered, [Fault::Residue { index: Index(index) }]);
    let of_another = judged(&|f| {
        let other = f.leaf(f.place("action.intent", 0)).index.0;
        let row = f.bundle().bodies[&index].clone();
        f.bundle().bodies.insert(other, row);
    });
    assert!(
        of_another.iter().any(|fault| matches!(fault, Fault::Residue { .. })),
        "{of_another:?}"
    );
    let unexplained = judged(&|f| {
        let place = f.place("redaction", 0);
        f.drop(place);
    });
    assert_eq!(unexplained, [Fault::NotRedacted { index: Index(index) }]);
}

#[test]
fn a_body_is_erased_by_the_redaction_of_bodies_and_not_by_the_one_of_its_detail() {
    let mut world = world();
    let intents = "/entries?q=agent%3Aplanner%20kind%3Aaction.intent";
    let index = world.json(intents)["items"][0]["index"].as_u64().unwrap();
    for part in ["detail", "body"] {
        let redact = json!({ "ranges": [[index, index]], "parts": [part], "basis": "gdpr-17" });
        world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    }
    publish(&mut world);
    let found = judge(&world, &opened(&world, CASE));
    assert_eq!((found.faults.as_slice(), found.redacted), (&[][..], 1));
}

/// The case, and in it an agent of an operator whom two others enrolled.
fn agreed() -> World {
    const DEPUTY: &str = "deputy@example.com";
    const THIRD: &str = "third@example.com";
    let mut world = world();
    world.principal(DEPUTY, &["operator"]);
    let mut agree = |label: &str, needed: u64, operation: Json, by: &[&str]| {
        let registry = json!({ "m": needed, "operation": operation });
        let proposal = json!({ "kind": "proposal", "registry": registry });
        world.accept_as(OPERATOR, Some(label), proposal);
        for signer in by {
            let causes = [format!("@{label}")];
            world.accept(signer, json!({ "kind": "proposal.approved", "causes": causes }));
        }
    };
    agree("quorum", 1, json!({ "kind": "quorum", "m": 2 }), &[OPERATOR]);
    let third = json!({ "id": THIRD, "roles": ["operator"] });
    let third = json!({ "kind": "principal.registered", "registry": third });
    agree("third", 2, third, &[OPERATOR, DEPUTY]);
    let key = json!({ "signer": THIRD, "key": { "hex": public(THIRD) } });
    let key = json!({ "kind": "key.enrolled", "registry": key });
    agree("key", 2, key, &[DEPUTY, OPERATOR]);
    world.sign_in(THIRD);
    world.agent_of(THIRD, "hired");
    world.accept("hired", start("hired", "release-1"));
    publish(&mut world);
    world
}

#[test]
fn what_operators_agreed_to_is_in_a_bundle_and_counted() {
    let world = agreed();
    let sound = opened(&world, CASE);
    assert_eq!(judge(&world, &sound).faults, []);
    let judged = |forge: &dyn Fn(&mut Forger)| {
        let mut forger = Forger { world: &world, opened: sound.clone() };
        forge(&mut forger);
        forger.render();
        judge(&world, &forger.opened).faults
    };
    let withheld = judged(&|f| {
        let place = f.place("proposal.approved", 4);
        f.drop(place);
    });
    assert!(withheld.contains(&Fault::Agreed { shown: 7, claimed: 8 }), "{withheld:?}");
    assert!(withheld.iter().any(|fault| matches!(fault, Fault::UnknownKey { .. })));
    let key = PublicKey::of(&world.key);
    let unclaimed = judged(&|f| {
        f.bundle().claims.retain(|claimed| {
            let claim = Claim::verify(&claimed.claim, &key).unwrap();
            claim.terms.iter().all(|(_, value)| value != "proposal")
        });
    });
    assert_eq!(unclaimed, [Fault::NoAgreed]);
}

/// Whoever has a real bundle has a real genesis entry, and the trusted key in it: that must not let him name a key
/// of his own the ledger's.
#[test]
fn a_rotation_that_the_old_key_did_not_sign_leads_nowhere() {
    let world = world();
    let mut forged = crate::world::World::new();
    let thief = ed25519_dalek::SigningKey::from_bytes(&[66; 32]);
    let now = Micros(forged.now());
    forged.writer.as_mut().unwrap().rotate_key(thief.clone(), now).unwrap();
    publish(&mut forged);
    let stolen = evidence::open(&file(&forged, "q=&since=%230")).unwrap();
    let rotation = stolen.bundle.leaves.len() - 1;
    let index = Leaf::decode(&stolen.bundle.leaves[rotation]).unwrap().index;
    let mut forger = Forger { world: &world, opened: stolen };
    // Signed by the thief in place of the ledger: another statement, in a tree that the thief signs whole.
    let key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
    let body = forger.bundle().bodies[&index.0].clone();
    let signer = schemas::id::SignerId::parse("ledger").unwrap();
    let tenant = schemas::id::Tenant::parse("acme").unwrap();
    let message = schemas::submission::sign(&key, &signer, &tenant, &[(body, None)]);
    let statement = schemas::submission::open(&message).unwrap().statement().bytes().to_vec();
    let mut leaf = forger.leaf(rotation);
    leaf.statement = schemas::id::Digest(schemas::id::sha256(&statement));
    let leaf = leaf.encode();
    let bundle = forger.bundle();
    bundle.leaves[rotation] = leaf;
    let last = bundle.statements.len() - 1;
    bundle.statements[last].statement = statement;
    let mut tree = schemas::tree::Frontier::default();
    for leaf in &bundle.leaves {
        tree.push(schemas::tree::leaf_hash(leaf)).unwrap();
    }
    let head =
        Checkpoint { size: tree.size(), root: tree.root(), origin: "ledger.example/acme".into() };
    bundle.head = sign_checkpoint(&head, &thief).unwrap().to_string();
    forger.render();
    let found = judge(&world, &forger.opened);
    assert!(found.checkpoint.is_none(), "the thief's checkpoint is nobody's");
    assert!(found.faults.iter().any(|fault| matches!(fault, Fault::Note(_))), "{:?}", found.faults);
}
