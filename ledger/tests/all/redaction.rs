//! What is erased is gone from every file and index, and the log still proves what it was.

use std::path::Path;

use ledger::{Audit, ColumnFamily, Fault, Report};
use schemas::body::Body;
use schemas::detail::Detail;
use schemas::encode::{Value, map};
use schemas::id::{Index, hex, sha256};
use schemas::key::PublicKey;
use schemas::reply::Fate;
use schemas::terms::Key;
use serde_json::json;

use crate::bench::{Bench, Signer, intent, key};

const NAME: &str = "jane.doe.marker@example.com";

struct World {
    bench: Bench,
    agent: Signer,
}

impl World {
    /// Entries of an agent; every third one names a person, in body and detail.
    fn new(entries: u8) -> Self {
        let mut bench = Bench::new();
        let mut agent = bench.agent("mailer", 10);
        for n in 0..entries {
            let mut event = intent("mailer", "case-1");
            let mut detail = None;
            if n % 3 == 0 {
                event["on_behalf_of"] = NAME.into();
                event["action"]["target"] = format!("{NAME}/{n}").into();
                let content = map([("text", Value::from(format!("dear {NAME}").as_str()))]);
                let bytes = Detail::encode(&[n; 16], &content);
                event["detail"] = hex(&sha256(&bytes)).into();
                detail = Some(bytes);
            }
            let body = agent.body(event);
            let message = agent.sign(&[(body, detail)]);
            bench.commit(&[message]);
        }
        Self { bench, agent }
    }

    /// Somebody who may own agents, and signs.
    fn owner(&mut self) -> Signer {
        let owner = Signer::new("team@example.com", 12);
        let public = hex(PublicKey::of(&owner.key).as_bytes());
        for event in [
            json!({ "kind": "principal.registered", "registry": { "id": "team@example.com", "roles": ["owner"] } }),
            json!({ "kind": "key.enrolled", "registry": { "signer": "team@example.com", "key": public } }),
        ] {
            assert!(matches!(self.operator(event), Fate::Committed(_)));
        }
        owner
    }

    fn named(&mut self) -> Vec<u64> {
        let ledger = self.bench.ledger();
        let (mut postings, mut at, mut found) = (ledger.postings(Key::User, NAME), 0, Vec::new());
        while let Some(index) = postings.at_or_after(at).unwrap() {
            found.push(index.0);
            at = index.0 + 1;
        }
        found
    }

    fn redact(&mut self, ranges: &[(u64, u64)], parts: &[&str]) -> Fate {
        let ranges: Vec<_> = ranges.iter().map(|(from, to)| json!([from, to])).collect();
        let redact = json!({ "ranges": ranges, "parts": parts, "basis": "gdpr-17" });
        self.operator(json!({ "kind": "redaction", "redact": redact }))
    }

    fn operator(&mut self, event: serde_json::Value) -> Fate {
        let message = self.bench.operator.event(event);
        self.bench.one(&message).fate
    }

    /// A copy to go back to.
    fn copied(&mut self) -> std::path::PathBuf {
        let backup = self.bench.directory.path().join("backup");
        self.bench.ledger().copy_to(&backup).unwrap();
        backup
    }

    /// Puts an older copy in the store's place, and goes on from it.
    fn restore(&mut self, backup: &Path) {
        let store = self.close();
        std::fs::remove_dir_all(&store).unwrap();
        std::fs::rename(backup, &store).unwrap();
        let (config, now) = (self.bench.config(), self.bench.now);
        self.bench.writer = Some(ledger::open_new_epoch(&config, key(1), now, &[]).unwrap());
    }

    fn close(&mut self) -> std::path::PathBuf {
        self.bench.writer().publish().unwrap();
        self.bench.writer = None;
        self.bench.config().store
    }

    fn audit(&mut self) -> Report {
        let store = self.close();
        let report = audit(&store, &self.bench.config().mark);
        self.bench.reopen();
        report
    }
}

fn audit(store: &Path, mark: &Path) -> Report {
    let mark = ledger::read_mark(mark).unwrap();
    let trust = Some(PublicKey::of(&key(1)));
    ledger::audit(&Audit { store, trust, mark: mark.as_deref(), state: None }, &|_| ()).unwrap()
}

/// Files that hold the bytes.
fn holding(directory: &Path, marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        if bytes.windows(marker.len()).any(|window| window == marker.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn an_erased_body_leaves_a_residue_and_nothing_of_the_person() {
    let mut world = World::new(30);
    let named = world.named();
    assert_eq!(named.len(), 10);
    let before: Vec<_> = {
        let ledger = world.bench.ledger();
        named.iter().map(|index| ledger.leaf_bytes(Index(*index)).unwrap()).collect()
    };
    let ranges: Vec<_> = named.iter().map(|index| (*index, *index)).collect();
    assert!(matches!(world.redact(&ranges, &["body"]), Fate::Committed(_)));
    let ledger = world.bench.ledger();
    assert!(world.named().is_empty(), "found under no term");
    assert!(ledger.terms(Key::User, "", 9).unwrap().is_empty(), "nor among the terms");
    for (index, leaf) in named.iter().zip(before) {
        let entry = ledger.entry(Index(*index)).unwrap().unwrap();
        assert_eq!(entry.bytes, leaf, "the leaf stays");
        assert!(entry.body.is_none() && ledger.detail(Index(*index)).unwrap().is_none());
        let left = entry.residue().unwrap();
        assert_eq!((left.signer(), left.correlation()), ("mailer", Some("case-1")));
        assert_eq!((left.text("action.target"), left.text("on_behalf_of")), (None, None));
        assert!(ledger.redaction_of(Index(*index), |said| said.body).unwrap().is_some());
    }
    assert_eq!(ledger.terms(Key::Corr, "case-1", 9).unwrap()[0].count, 30, "it counts as before");
    drop(ledger);
    let report = world.audit();
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 10));
    // A rebuild of the redacted log gives the rows that the erasing left.
    let config = world.bench.config();
    world.close();
    ledger::rebuild(&config, |_, _| ()).unwrap();
    world.bench.reopen();
    assert_eq!(world.audit().divergences, []);
    // The log goes on.
    let message = world.agent.event(intent("mailer", "case-1"));
    assert!(matches!(world.bench.one(&message).fate, Fate::Committed(_)));
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn who_names_an_owner_of_his_own_is_found_under_the_registered_one_before_and_after() {
    let mut world = World::new(1);
    let mut event = intent("mailer", "case-1");
    event["owner"] = NAME.into();
    let message = world.agent.event(event);
    let accepted = world.bench.one(&message).index.0;
    let disable = json!({ "kind": "agent.disabled", "agent": { "id": "mailer" } });
    assert!(matches!(world.operator(disable), Fate::Committed(_)));
    let mut event = intent("mailer", "case-1");
    event["owner"] = NAME.into();
    let message = world.agent.event(event);
    let refused = world.bench.one(&message).index.0;
    let owners = |world: &mut World| {
        let rows = world.bench.ledger().terms(Key::Owner, "", 9).unwrap();
        rows.into_iter().map(|row| (row.value, row.count)).collect::<Vec<_>>()
    };
    let before = owners(&mut world);
    assert!(before.iter().all(|(owner, _)| owner == "team@example.com"), "{before:?}");
    let fate = world.redact(&[(accepted, accepted), (refused, refused)], &["body"]);
    assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    assert_eq!(owners(&mut world), before);
    assert_eq!(world.audit().divergences, []);
    let config = world.bench.config();
    world.close();
    ledger::rebuild(&config, |_, _| ()).unwrap();
    world.bench.reopen();
    assert_eq!(owners(&mut world), before, "a rebuild finds it there, too");
}

#[test]
fn purged_bytes_are_in_no_file() {
    let mut world = World::new(30);
    // Large enough for blob files.
    let mut event = intent("mailer", "case-1");
    let content = map([("text", Value::from(NAME.repeat(500).as_str()))]);
    let detail = Detail::encode(&[9; 16], &content);
    event["detail"] = hex(&sha256(&detail)).into();
    let body = world.agent.body(event);
    let message = world.agent.sign(&[(body, Some(detail))]);
    let large = world.bench.one(&message).index.0;
    world.bench.ledger().purge_erased().unwrap();
    let store = world.bench.config().store;
    assert!(!holding(&store, NAME).is_empty(), "the marker can be found at all");
    let mut named = world.named();
    named.push(large);
    let ranges: Vec<_> = named.iter().map(|index| (*index, *index)).collect();
    assert!(matches!(world.redact(&ranges, &["body", "detail"]), Fate::Committed(_)));
    world.bench.ledger().purge_erased().unwrap();
    assert_eq!(holding(&store, NAME), Vec::<String>::new());
    let copy = world.bench.directory.path().join("backup");
    world.bench.ledger().copy_to(&copy).unwrap();
    assert_eq!(holding(&copy, NAME), Vec::<String>::new(), "nor in a later backup");
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn an_erased_detail_is_counted_and_does_not_come_back() {
    let mut world = World::new(1);
    let index = world.named()[0];
    let ledger = world.bench.ledger();
    let detail = ledger.detail(Index(index)).unwrap().unwrap();
    let body = ledger.entry(Index(index)).unwrap().unwrap().body.unwrap();
    drop(ledger);
    assert!(matches!(world.redact(&[(index, index)], &["detail"]), Fate::Committed(_)));
    let again = world.agent.sign(&[(body.clone(), Some(detail))]);
    assert!(matches!(world.bench.one(&again).fate, Fate::Duplicate(_)));
    let ledger = world.bench.ledger();
    assert_eq!(ledger.detail(Index(index)).unwrap(), None);
    assert_eq!(ledger.entry(Index(index)).unwrap().unwrap().body, Some(body), "the body stays");
    drop(ledger);
    let report = world.audit();
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 1));
}

#[test]
fn a_hold_stops_redactions_until_it_is_lifted() {
    let mut world = World::new(6);
    let named = world.named();
    let placed = json!({ "kind": "hold.placed", "hold": { "query": "corr:case-1" } });
    assert!(matches!(world.operator(placed), Fate::Committed(_)));
    let ledger = world.bench.ledger();
    let hold = Index(ledger.head().size.0 - 1);
    let id = ledger.entry(hold).unwrap().unwrap().leaf.id.unwrap();
    drop(ledger);
    let Fate::Rejected(reject) = world.redact(&[(named[0], named[0])], &["body"]) else { panic!() };
    assert_eq!(
        (reject.reason.as_str(), reject.cause.path.as_str()),
        ("invalid_field", "redact.ranges")
    );
    assert!(reject.cause.expected.contains(&format!("under hold {hold}")), "{reject:?}");
    let lift = || json!({ "kind": "hold.lifted", "causes": [id.to_string()] });
    assert!(matches!(world.operator(lift()), Fate::Committed(_)));
    let Fate::Rejected(twice) = world.operator(lift()) else { panic!("lifted twice") };
    assert_eq!(twice.cause.path, "causes");
    world.bench.reopen();
    assert!(matches!(world.redact(&[(named[0], named[0])], &["body"]), Fate::Committed(_)));
    let report = world.audit();
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 1));
}

#[test]
fn an_agents_erased_declaration_of_its_session_breaks_no_audit() {
    let mut world = World::new(1);
    let start = world.agent.event(json!({
        "kind": "session.start", "correlation": "case-1",
        "agent": { "id": "mailer", "name": "mailer", "version": "1", "build": "none" },
        "task": { "digest": "05".repeat(32) },
        "model": { "provider": "p", "name": "m", "version": "1" },
        "contract": "07".repeat(32), "attestation": "none", "previous": "none",
    }));
    let started = world.bench.one(&start);
    assert!(matches!(started.fate, Fate::Committed(_)), "{:?}", started.fate);
    let index = started.index.0;
    assert!(matches!(world.redact(&[(index, index)], &["body"]), Fate::Committed(_)));
    let report = world.audit();
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 1));
}

#[test]
fn a_contract_with_an_unknown_zone_is_refused() {
    let mut world = World::new(0);
    let mut owner = world.owner();
    let text = Detail::encode(&[9; 16], &map([("yaml", Value::from("agent: mailer"))]));
    let mut fate = |zone: &str| {
        let body = owner.body(json!({
            "kind": "contract.registered", "agent": { "id": "mailer" }, "owner": "team@example.com",
            "detail": hex(&sha256(&text)),
            "registry": {
                "agent": { "name": "mailer", "owner": "team@example.com",
                           "permissions": { "mail": ["*"] }, "execution_mode": "autonomous" },
                "hours": [{ "action": "x", "from": "09:00", "to": "18:00", "zone": zone }],
                "digest": hex(&sha256(b"agent: mailer")),
            },
        }));
        let message = owner.sign(&[(body, Some(text.clone()))]);
        world.bench.one(&message).fate
    };
    let Fate::Rejected(reject) = fate("Mars") else { panic!("accepted") };
    assert_eq!(reject.cause.path, "registry.hours.0.zone");
    let fate = fate("Europe/Berlin");
    assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
}

#[test]
fn what_may_not_be_redacted_is_refused_by_name() {
    let mut world = World::new(3);
    let size = world.bench.ledger().head().size.0;
    for (ranges, parts, expected) in [
        (vec![(0, 0)], vec!["body"], "no entries of the registry"),
        (vec![(1, 2)], vec!["body"], "no entries of the registry"),
        (vec![(size + 99, size + 99)], vec!["body"], "in the log already"),
        (vec![(0, 1 << 40)], vec!["detail"], "in the log already"),
    ] {
        let Fate::Rejected(reject) = world.redact(&ranges, &parts) else { panic!("{ranges:?}") };
        assert_eq!(reject.reason.as_str(), "invalid_field");
        assert!(reject.cause.expected.contains(expected), "{ranges:?}: {reject:?}");
    }
    let by_agent = world.agent.event(json!({
        "kind": "redaction",
        "redact": { "ranges": [[1, 1]], "parts": ["body"], "basis": "me" },
    }));
    let Fate::Rejected(reject) = world.bench.one(&by_agent).fate else { panic!() };
    assert_eq!(reject.reason.as_str(), "role_not_allowed");
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_redaction_with_much_to_say_explains_what_it_erased() {
    let mut world = World::new(1);
    let index = world.named()[0];
    let redact = json!({ "ranges": [[index, index]], "parts": ["body"], "basis": "gdpr-17" });
    let ext = json!({ "case": "c".repeat(2000) });
    let fate = world.operator(json!({ "kind": "redaction", "redact": redact, "ext": ext }));
    assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    let report = world.audit();
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 1));
}

#[test]
fn a_body_that_was_merely_taken_away_is_noticed() {
    let mut world = World::new(6);
    let named = world.named();
    let ledger = world.bench.ledger();
    let place = Index(named[0] + 1);
    let entry = ledger.entry(place).unwrap().unwrap();
    let body = Body::parse(entry.body.as_deref().unwrap()).unwrap();
    let left = schemas::residue::fields(&body);
    // A residue by another key, where a redaction allows one; and one by the right key, where none does.
    let forged = schemas::residue::leave(&left, &entry.bytes, &key(99));
    let unexplained = schemas::residue::leave(&left, &entry.bytes, &key(1));
    drop(ledger);
    assert!(matches!(world.redact(&[(named[0], named[0])], &["body"]), Fate::Committed(_)));
    let store = world.close();
    for (row, fault) in [(forged, Fault::NotRedacted), (unexplained, Fault::NotRedacted)] {
        let copy = world.bench.directory.path().join("copy");
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(&store).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        let index = place;
        ledger::plant(&copy, ColumnFamily::Bodies, &index.0.to_be_bytes(), &row).unwrap();
        let report = audit(&copy, &world.bench.config().mark);
        assert!(
            report.divergences.iter().any(|d| d.index == Some(index) && d.fault == fault),
            "{:?}",
            report.divergences
        );
    }
}

#[test]
fn a_restored_backup_does_not_bring_back_what_was_erased() {
    let mut world = World::new(9);
    let named = world.named();
    let backup = world.bench.directory.path().join("backup");
    world.bench.ledger().copy_to(&backup).unwrap();
    let message = world.agent.event(intent("mailer", "case-2"));
    world.bench.one(&message);
    let ranges: Vec<_> = named.iter().map(|index| (*index, *index)).collect();
    assert!(matches!(world.redact(&ranges, &["body"]), Fate::Committed(_)));
    let store = world.close();
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&backup, &store).unwrap();
    let config = world.bench.config();
    assert!(ledger::open(&config, key(1)).is_err(), "an older copy");
    let now = world.bench.now;
    let mut writer = ledger::open_new_epoch(&config, key(1), now, &[]).unwrap();
    let ledger = writer.ledger();
    for index in &named {
        assert!(ledger.entry(Index(*index)).unwrap().unwrap().body.is_none());
    }
    let own = ledger.redaction_of(Index(named[0]), |said| said.body).unwrap().unwrap();
    let entry = ledger.entry(own).unwrap().unwrap();
    let body = entry.body().unwrap();
    assert_eq!((body.signer(), body.text("redact.basis")), ("ledger", Some("restored")));
    drop(ledger);
    writer.publish().unwrap();
    drop(writer);
    let report = audit(&store, &config.mark);
    assert_eq!((report.divergences.as_slice(), report.redacted), (&[][..], 3));
    // Once is enough.
    let size = report.size;
    assert_eq!(ledger::open(&config, key(1)).unwrap().ledger().head().size, size);
    // Whoever writes into the journal cannot have anything erased.
    let journal = config.mark.with_extension("redactions");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen(' ', " a1", 1)).unwrap();
    let refused = ledger::open(&config, key(1));
    assert!(matches!(refused.err(), Some(ledger::OpenError::Journal { line: 1, .. })));
}

#[test]
fn what_was_kept_of_refused_submissions_is_erased_too() {
    let mut world = World::new(3);
    // Refused for what it says, behind a valid signature: a retired field name, and a disabled agent.
    let mut odd = intent("mailer", "case-1");
    odd["on_behalf_of"] = NAME.into();
    let disable = json!({ "kind": "agent.disabled", "agent": { "id": "mailer" } });
    assert!(matches!(world.operator(disable), Fate::Committed(_)));
    let message = world.agent.event(odd);
    let signed = world.bench.one(&message);
    assert!(matches!(signed.fate, Fate::Rejected(_)));
    // Refused as a whole: nobody's.
    let mut forged = message.clone();
    let signature = forged.windows(2).position(|w| w == [0x58, 0x40]).unwrap() + 2;
    forged[signature] ^= 1;
    let whole = world.bench.one(&forged);
    assert!(matches!(whole.fate, Fate::Rejected(_)));
    assert!(world.named().contains(&signed.index.0), "found by the name");
    let ranges = [(signed.index.0, signed.index.0), (whole.index.0, whole.index.0)];
    assert!(matches!(world.redact(&ranges, &["body"]), Fate::Committed(_)));
    assert!(!world.named().contains(&signed.index.0));
    let ledger = world.bench.ledger();
    for index in [signed.index, whole.index] {
        let entry = ledger.entry(index).unwrap().unwrap();
        let kept = entry.kept().unwrap_or_default().to_vec();
        assert!(!kept.windows(NAME.len()).any(|window| window == NAME.as_bytes()));
        assert_eq!(entry.leaf.index, index);
    }
    drop(ledger);
    let report = world.audit();
    assert_eq!(report.divergences, []);
    let config = world.bench.config();
    world.close();
    ledger::rebuild(&config, |_, _| ()).unwrap();
    world.bench.reopen();
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_restored_backup_does_not_bring_back_what_was_kept_of_refused_submissions() {
    let mut world = World::new(3);
    let disable = json!({ "kind": "agent.disabled", "agent": { "id": "mailer" } });
    assert!(matches!(world.operator(disable), Fate::Committed(_)));
    let mut named = intent("mailer", "case-1");
    named["on_behalf_of"] = NAME.into();
    let message = world.agent.event(named);
    let item = world.bench.one(&message).index;
    let mut forged = message;
    let signature = forged.windows(2).position(|w| w == [0x58, 0x40]).unwrap() + 2;
    forged[signature] ^= 1;
    let whole = world.bench.one(&forged).index;
    let backup = world.copied();
    for index in [item, whole] {
        let fate = world.redact(&[(index.0, index.0)], &["body"]);
        assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    }
    world.restore(&backup);
    let ledger = world.bench.ledger();
    for index in [item, whole] {
        let entry = ledger.entry(index).unwrap().unwrap();
        assert!(!entry.holds_evidence(), "{index}");
        assert!(ledger.redaction_of(index, |said| said.body).unwrap().is_some());
    }
    let size = ledger.head().size;
    drop(ledger);
    assert_eq!(world.audit().divergences, []);
    assert_eq!(world.bench.ledger().head().size, size, "once is enough");
}

#[test]
fn a_restored_backup_loses_again_however_much_was_erased_and_says_what_is_held() {
    let mut world = World::new(0);
    let first = world.bench.ledger().head().size.0;
    let workflow = |n: u64| if n.is_multiple_of(2) { "held" } else { "gone" };
    let messages: Vec<_> =
        (0..600).map(|n| world.agent.event(intent("mailer", workflow(n)))).collect();
    world.bench.commit(&messages);
    let hold = json!({ "kind": "hold.placed", "hold": { "query": "corr:held" } });
    assert!(matches!(world.operator(hold), Fate::Committed(_)));
    let ledger = world.bench.ledger();
    let placed = ledger.entry(Index(ledger.head().size.0 - 1)).unwrap().unwrap();
    let id = placed.leaf.id.unwrap();
    drop(ledger);
    let backup = world.copied();
    let lift = json!({ "kind": "hold.lifted", "causes": [id.to_string()] });
    assert!(matches!(world.operator(lift), Fate::Committed(_)));
    let fate = world.redact(&[(first, first + 599)], &["body"]);
    assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    // In the copy the hold is in force, so that what may go lies in 300 places.
    world.restore(&backup);
    let ledger = world.bench.ledger();
    for n in 0..600_u64 {
        let whole = ledger.entry(Index(first + n)).unwrap().unwrap().body.is_some();
        assert_eq!(whole, n.is_multiple_of(2), "entry {n}");
    }
    assert_eq!(ledger.redactions().unwrap().len(), 2);
    let said = ledger.terms(Key::Code, "redaction_held", 9).unwrap();
    assert_eq!(said[0].count, 1, "what stays is said");
    drop(ledger);
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_journal_begun_again_after_a_loss_is_carried_out_on_an_older_copy() {
    for is_before_the_loss in [true, false] {
        let mut world = World::new(15);
        let named = world.named();
        let erase = |world: &mut World, index: u64| {
            let fate = world.redact(&[(index, index)], &["body"]);
            assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
        };
        erase(&mut world, named[0]);
        erase(&mut world, named[1]);
        let before = world.copied();
        world.close();
        let (config, now) = (world.bench.config(), world.bench.now);
        let marks = config.mark.parent().unwrap();
        std::fs::remove_dir_all(marks).unwrap();
        std::fs::create_dir_all(marks).unwrap();
        world.bench.writer = Some(ledger::open_new_epoch(&config, key(1), now, &[]).unwrap());
        let after = world.bench.directory.path().join("after");
        world.bench.ledger().copy_to(&after).unwrap();
        // As many as were lost.
        erase(&mut world, named[2]);
        erase(&mut world, named[3]);
        world.restore(if is_before_the_loss { &before } else { &after });
        let ledger = world.bench.ledger();
        let is_whole = |index| ledger.entry(Index(index)).unwrap().unwrap().body.is_some();
        let whole: Vec<_> = named.iter().map(|index| is_whole(*index)).collect();
        assert!(whole.starts_with(&[false, false, false, false, true]), "{is_before_the_loss}");
        drop(ledger);
        assert_eq!(world.audit().divergences, []);
    }
}

#[test]
fn a_store_that_remembers_the_number_of_lines_alone_goes_on() {
    let mut world = World::new(6);
    let named = world.named();
    assert!(matches!(world.redact(&[(named[0], named[0])], &["body"]), Fate::Committed(_)));
    let size = world.bench.ledger().head().size;
    let store = world.close();
    let mut row = 1_u64.to_be_bytes().to_vec();
    row.extend(schemas::id::sha256(&row));
    ledger::plant(&store, ColumnFamily::Meta, b"journaled", &row).unwrap();
    world.bench.reopen();
    assert_eq!(world.bench.ledger().head().size, size, "its line is known");
    assert!(matches!(world.redact(&[(named[1], named[1])], &["body"]), Fate::Committed(_)));
    let size = world.bench.ledger().head().size;
    world.bench.reopen();
    assert_eq!(world.bench.ledger().head().size, size, "and so is the next");
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_line_of_the_journal_that_a_crash_cut_short_does_not_spoil_the_next() {
    let mut world = World::new(6);
    let named = world.named();
    assert!(matches!(world.redact(&[(named[0], named[0])], &["body"]), Fate::Committed(_)));
    let journal = world.bench.config().mark.with_extension("redactions");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, format!("{text}12 a1")).unwrap();
    assert!(matches!(world.redact(&[(named[1], named[1])], &["body"]), Fate::Committed(_)));
    let more = std::fs::read_to_string(&journal).unwrap();
    assert!(more.starts_with(&text) && more.lines().count() == 2, "{more}");
    world.bench.reopen();
}

#[test]
fn a_journal_lost_at_work_begins_again() {
    let mut world = World::new(12);
    let named = world.named();
    for (n, index) in named.iter().enumerate().take(3) {
        if n == 2 {
            let journal = world.bench.config().mark.with_extension("redactions");
            std::fs::remove_file(journal).unwrap();
        }
        assert!(matches!(world.redact(&[(*index, *index)], &["body"]), Fate::Committed(_)));
    }
    let backup = world.copied();
    assert!(matches!(world.redact(&[(named[3], named[3])], &["body"]), Fate::Committed(_)));
    world.restore(&backup);
    let ledger = world.bench.ledger();
    assert!(ledger.entry(Index(named[3])).unwrap().unwrap().body.is_none());
}

#[test]
fn what_is_kept_too_long_is_erased_on_schedule_but_for_holds() {
    const DAY_US: u64 = 24 * 3600 * 1_000_000;
    let mut world = World::new(6);
    let named = world.named();
    let placed = json!({ "kind": "hold.placed", "hold": { "query": "target:nobody" } });
    assert!(matches!(world.operator(placed), Fate::Committed(_)));
    let hold =
        json!({ "kind": "hold.placed", "hold": { "query": format!("target:\"{NAME}/0\"") } });
    assert!(matches!(world.operator(hold), Fate::Committed(_)));
    let ledger = world.bench.ledger();
    let id = ledger.entry(Index(ledger.head().size.0 - 1)).unwrap().unwrap().leaf.id.unwrap();
    drop(ledger);
    let day = |now: schemas::id::Micros, days: u64| schemas::id::Micros(now.0 + days * DAY_US);
    let now = world.bench.now;
    let retention = ledger::Retention { detail_days: Some(30), body_days: Some(90) };
    let size = world.bench.ledger().head().size;
    assert!(!world.bench.writer().retain(&retention, day(now, 29)).unwrap());
    assert_eq!(world.bench.ledger().head().size, size, "nothing is due");
    let left = |world: &mut World, index: u64| {
        let ledger = world.bench.ledger();
        let whole = ledger.entry(Index(index)).unwrap().unwrap().body.is_some();
        (whole, ledger.detail(Index(index)).unwrap().is_some())
    };
    assert!(!world.bench.writer().retain(&retention, day(now, 31)).unwrap());
    assert_eq!(
        (left(&mut world, named[0]), left(&mut world, named[1])),
        ((true, true), (true, false))
    );
    assert!(!world.bench.writer().retain(&retention, day(now, 91)).unwrap());
    assert_eq!(
        (left(&mut world, named[0]), left(&mut world, named[1])),
        ((true, true), (false, false))
    );
    let size = world.bench.ledger().head().size;
    assert!(!world.bench.writer().retain(&retention, day(now, 92)).unwrap());
    assert_eq!(world.bench.ledger().head().size, size, "once is enough");
    world.bench.now = day(now, 93);
    let lift = json!({ "kind": "hold.lifted", "causes": [id.to_string()] });
    assert!(matches!(world.operator(lift), Fate::Committed(_)));
    world.bench.writer().retain(&retention, day(now, 94)).unwrap();
    assert_eq!(
        left(&mut world, named[0]),
        (false, false),
        "what a hold kept goes once it is lifted"
    );
    let ledger = world.bench.ledger();
    let own = ledger.redaction_of(Index(named[0]), |said| said.body).unwrap().unwrap();
    let entry = ledger.entry(own).unwrap().unwrap();
    assert_eq!(entry.body().unwrap().text("redact.basis"), Some("retention"));
    drop(ledger);
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn a_contract_says_for_how_long_its_agents_entries_are_kept() {
    const DAY_US: u64 = 24 * 3600 * 1_000_000;
    const YAML: &str = "agent: archivist";
    let mut world = World::new(3);
    let mut other = world.bench.agent("archivist", 11);
    let index = |bench: &mut Bench| bench.ledger().head().size.0 - 1;
    let text = Detail::encode(&[9; 16], &map([("yaml", Value::from(YAML))]));
    let contract = |agent: &str, period: &str| {
        json!({
            "kind": "contract.registered", "agent": { "id": agent }, "owner": "team@example.com",
            "detail": hex(&sha256(&text)),
            "registry": {
                "agent": { "name": agent, "owner": "team@example.com", "permissions": { "mail": ["*"] },
                           "execution_mode": "autonomous" },
                "retention": period, "digest": hex(&sha256(YAML.as_bytes())),
            },
        })
    };
    let mut owner = world.owner();
    let mut register = |world: &mut World, period: &str| {
        let body = owner.body(contract("archivist", period));
        let message = owner.sign(&[(body, Some(text.clone()))]);
        let fate = world.bench.one(&message).fate;
        assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    };
    let event = other.event(intent("archivist", "case-2"));
    world.bench.one(&event);
    let archived = index(&mut world.bench);
    let called = |world: &mut World, names: &[&str]| {
        let registry = json!({ "external": names });
        let fate = world.operator(json!({
            "kind": "agent.updated", "agent": { "id": "archivist" }, "registry": registry,
        }));
        assert!(matches!(fate, Fate::Committed(_)), "{fate:?}");
    };
    called(&mut world, &["entra:7"]);
    let event = other.event(intent("entra:7", "case-2"));
    world.bench.one(&event);
    let otherwise = index(&mut world.bench);
    called(&mut world, &[]);
    let named = world.named();
    let whole = |world: &mut World, index: u64| {
        world.bench.ledger().entry(Index(index)).unwrap().unwrap().body.is_some()
    };
    let now = world.bench.now;
    let day = |days: u64| schemas::id::Micros(now.0 + days * DAY_US);
    let retention = ledger::Retention { detail_days: Some(30), body_days: Some(90) };
    register(&mut world, "7y");
    world.bench.writer().retain(&retention, day(91)).unwrap();
    assert_eq!((whole(&mut world, named[0]), whole(&mut world, archived)), (false, true));
    assert!(whole(&mut world, otherwise), "it names the agent by what that was called then");
    // A shorter period counts for what was looked at already, too; nobody else's entries go with it.
    let none = ledger::Retention::default();
    world.bench.writer().retain(&none, day(2000)).unwrap();
    assert!(whole(&mut world, archived));
    register(&mut world, "180d");
    assert!(world.bench.writer().retains(&none));
    world.bench.writer().retain(&none, day(179)).unwrap();
    assert!(whole(&mut world, archived));
    world.bench.writer().retain(&none, day(181)).unwrap();
    assert!(!whole(&mut world, archived) && !whole(&mut world, otherwise));
    let registered = index(&mut world.bench);
    assert!(whole(&mut world, registered));
    assert_eq!(world.audit().divergences, []);
}
