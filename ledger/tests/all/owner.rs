//! An agent that changes hands leaves what it did before to its former owner; a name that does, to its former agent.

use ledger::{Audit, ColumnFamily, Entry, Fault, Lead, Ledger};
use schemas::id::{Index, sha256};
use schemas::key::PublicKey;
use schemas::reply::Fate;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::bench::{Bench, Signer, intent, key};

const TEAM: &str = "team@example.com";
const OTHER: &str = "other@example.com";

struct World {
    bench: Bench,
    agent: Signer,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::new();
        let agent = bench.agent("mailer", 10);
        Self { bench, agent }
    }

    fn acts(&mut self) -> Index {
        self.acts_as("mailer")
    }

    /// Acts and calls itself so.
    fn acts_as(&mut self, name: &str) -> Index {
        let message = self.agent.event(intent(name, "case-1"));
        let ended = self.bench.one(&message);
        assert!(matches!(ended.fate, Fate::Committed(_)));
        ended.index
    }

    fn operator(&mut self, event: Value) -> Fate {
        let message = self.bench.operator.event(event);
        self.bench.one(&message).fate
    }

    fn accepted(&mut self, event: Value) {
        let fate = self.operator(event);
        assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    }

    fn goes_to(&mut self, owner: &str) {
        self.accepted(json!({
            "kind": "agent.updated", "agent": { "id": "mailer" }, "owner": owner, "registry": {},
        }));
    }

    /// Gives it these names besides its id, and takes others from it; the entry that says so.
    fn is_called(&mut self, names: &[&str]) -> u64 {
        self.accepted(json!({
            "kind": "agent.updated", "agent": { "id": "mailer" }, "registry": { "external": names },
        }));
        self.bench.ledger().head().size.0 - 1
    }

    /// What an audit finds.
    fn faults(&mut self) -> Vec<Fault> {
        let config = self.bench.config();
        self.bench.writer().publish().unwrap();
        self.bench.writer = None;
        let mark = ledger::read_mark(&config.mark).unwrap();
        let (store, trust) = (&config.store, Some(PublicKey::of(&key(1))));
        let audit = Audit { store, trust, mark: mark.as_deref(), state: None };
        let report = ledger::audit(&audit, &|_| ()).unwrap();
        self.bench.reopen();
        report.divergences.into_iter().map(|divergence| divergence.fault).collect()
    }

    fn redact(&mut self, index: Index) -> Fate {
        self.operator(json!({
            "kind": "redaction",
            "redact": { "ranges": [[index.0, index.0]], "parts": ["body"], "basis": "gdpr-17" },
        }))
    }
}

fn owner_terms(ledger: &Ledger, entry: &Entry) -> Vec<String> {
    let owners = entry.terms(ledger, |terms| {
        let owners = terms.iter().filter(|term| term.key == Key::Owner);
        owners.map(|term| term.value.to_string()).collect()
    });
    owners.unwrap()
}

#[test]
fn an_entry_is_its_owners_of_that_time_however_it_is_found() {
    let mut world = World::new();
    world.bench.agent("another", 11);
    let first = world.acts();
    world.goes_to(OTHER);
    let second = world.acts();
    // Another agent's changes, and changes other than of the owner, lie between.
    for id in ["another", "mailer"] {
        for kind in ["agent.suspended", "agent.enabled"] {
            world.accepted(json!({ "kind": kind, "agent": { "id": id } }));
        }
        world.accepted(json!({
            "kind": "agent.updated", "agent": { "id": id }, "registry": { "purpose": "mail" },
        }));
    }
    let third = world.acts();
    world.goes_to(TEAM);
    let fourth = world.acts();
    let ledger = world.bench.ledger();
    let owned = [(first, TEAM), (second, OTHER), (third, OTHER), (fourth, TEAM)];
    for (index, owner) in owned {
        assert_eq!(ledger.owner_at("mailer", index).unwrap().as_deref(), Some(owner), "{index}");
    }
    assert_eq!(ledger.owner_at("mailer", Index(0)).unwrap(), None, "before it was registered");
    assert_eq!(ledger.owner_at("nobody", fourth).unwrap(), None);
    for entry in ledger.entries(0..ledger.head().size.0).unwrap() {
        let index = entry.leaf.index;
        let listed = [OTHER, TEAM].into_iter().filter(|owner| {
            let mut postings = ledger.postings(Key::Owner, owner);
            postings.at_or_after(index.0).unwrap() == Some(index)
        });
        assert_eq!(owner_terms(&ledger, &entry), listed.collect::<Vec<_>>(), "{index}");
    }
}

#[test]
fn an_entry_that_names_its_agent_otherwise_is_its_owners_too() {
    let mut world = World::new();
    let stranger = world.acts_as("entra:7");
    world.is_called(&["entra:7"]);
    let own = world.acts_as("entra:7");
    world.accepted(json!({ "kind": "hold.placed", "hold": { "query": format!("owner:{TEAM}") } }));
    world.goes_to(OTHER);
    world.is_called(&[]);
    let former = world.acts_as("entra:7");
    let ledger = world.bench.ledger();
    let owners = |index| owner_terms(&ledger, &ledger.entry(index).unwrap().unwrap());
    assert_eq!([stranger, own, former].map(owners), [vec![], vec![TEAM.to_owned()], vec![]]);
    let mut found = ledger.postings(Key::Owner, TEAM);
    assert_eq!(found.at_or_after(own.0).unwrap(), Some(own));
    let mut named = ledger.postings(Key::Agent, "mailer");
    assert_eq!(named.at_or_after(stranger.0).unwrap().map(|at| at > stranger), Some(true));
    assert_eq!(named.at_or_after(own.0).unwrap(), Some(own), "it is found under the agent's id");
    assert!(named.at_or_after(former.0).unwrap().is_none());
    drop((found, named));
    drop(ledger);
    assert!(matches!(world.redact(own), Fate::Rejected(_)), "it is under hold");
    assert!(matches!(world.redact(former), Fate::Committed(_)));
    assert_eq!(world.faults(), []);
}

#[test]
fn a_hold_on_an_owner_keeps_what_the_agent_did_for_him() {
    let mut world = World::new();
    let held = world.acts();
    world.accepted(json!({ "kind": "hold.placed", "hold": { "query": format!("owner:{TEAM}") } }));
    world.goes_to(OTHER);
    let free = world.acts();
    let Fate::Rejected(reject) = world.redact(held) else { panic!("it was erased") };
    assert_eq!(reject.cause.path, "redact.ranges");
    assert!(reject.cause.expected.contains("under hold"), "{reject:?}");
    assert!(matches!(world.redact(free), Fate::Committed(_)), "the hold is on another owner");
    let ledger = world.bench.ledger();
    let left = |index| ledger.entry(index).unwrap().unwrap();
    assert!(left(held).body.is_some() && left(free).body.is_none());
    assert_eq!(owner_terms(&ledger, &left(free)), [OTHER], "a residue is found as the body was");
}

#[test]
fn former_owners_are_rows_that_a_rebuild_makes_again_and_an_audit_looks_at() {
    let mut world = World::new();
    let first = world.acts();
    world.goes_to(OTHER);
    let changed = Index(world.bench.ledger().head().size.0 - 1);
    let second = world.acts();
    world.goes_to(TEAM);
    let config = world.bench.config();
    world.bench.writer = None;
    ledger::rebuild(&config, |_, _| ()).unwrap();
    world.bench.reopen();
    let ledger = world.bench.ledger();
    let owner = |ledger: &Ledger, index| ledger.owner_at("mailer", index).unwrap();
    assert_eq!(owner(&ledger, first).as_deref(), Some(TEAM));
    assert_eq!(
        owner(&ledger, changed).as_deref(),
        Some(OTHER),
        "the change itself is the new one's"
    );
    assert_eq!(owner(&ledger, second).as_deref(), Some(OTHER));
    drop(ledger);
    assert_eq!(world.faults(), []);
    let row = [b"u".as_slice(), &sha256(b"mailer")[..16], &changed.0.to_be_bytes()].concat();
    world.bench.writer = None;
    ledger::plant(&config.store, ColumnFamily::State, &row, b"nobody@example.com").unwrap();
    world.bench.reopen();
    assert_eq!(owner(&world.bench.ledger(), first).as_deref(), Some("nobody@example.com"));
    assert!(world.faults().contains(&Fault::Derived));
}

#[test]
fn whom_a_name_led_to_is_kept_and_made_again_and_an_audit_looks_at_it() {
    let mut world = World::new();
    let first = world.is_called(&["mailto:a@example.com", "entra:7"]);
    let same = world.is_called(&["entra:7", "entra:7"]);
    let second = world.is_called(&["entra:7", "mailto:a@example.com"]);
    world.accepted(json!({
        "kind": "agent.registered", "agent": { "id": "scribe" }, "owner": TEAM,
        "registry": { "addresses": ["tel:+41"], "external": ["entra:9"] },
    }));
    let registered = world.bench.ledger().head().size.0 - 1;
    let config = world.bench.config();
    let lead = |from: u64, agent: Option<&str>| Lead {
        from: Index(from),
        agent: agent.map(str::to_owned),
    };
    for _ in 0..2 {
        let ledger = world.bench.ledger();
        let leads = |name: &str| ledger.leads(name).unwrap();
        let given = [lead(first, Some("mailer")), lead(same, None), lead(second, Some("mailer"))];
        assert_eq!(leads("mailto:a@example.com"), given);
        assert_eq!(leads("entra:7"), [lead(first, Some("mailer"))]);
        assert_eq!(leads("tel:+41"), [lead(registered, Some("scribe"))]);
        assert_eq!(leads("mailer"), [], "an id is none of them");
        assert_eq!(ledger.names_of("mailer").unwrap(), ["entra:7", "mailto:a@example.com"]);
        assert_eq!(ledger.names_of("mail").unwrap(), Vec::<String>::new());
        drop(ledger);
        world.bench.writer = None;
        ledger::rebuild(&config, |_, _| ()).unwrap();
        world.bench.reopen();
    }
    assert_eq!(world.faults(), []);
    let row = [b"l".as_slice(), &sha256(b"entra:7")[..16], &first.to_be_bytes()].concat();
    world.bench.writer = None;
    ledger::plant(&config.store, ColumnFamily::State, &row, b"another").unwrap();
    world.bench.reopen();
    assert!(world.faults().contains(&Fault::Derived));
}
