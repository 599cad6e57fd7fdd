//! A verification goes on where the last one ended, or was interrupted, and misses nothing that came since.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::{Audit, AuditError, AuditState, ColumnFamily, Config, Genesis, Progress, Report};
use schemas::encode::Encoder;
use schemas::id::{SignerId, Tenant, TreeSize, sha256};
use schemas::key::PublicKey;

use crate::bench::{Bench, START, Signer, intent, key};

struct World {
    bench: Bench,
    agents: Vec<Signer>,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::new();
        let agents = (0..3).map(|n| bench.agent(&format!("agent-{n}"), 10 + n)).collect();
        Self { bench, agents }
    }

    /// Commits `rounds` times what each agent does, and closes the ledger.
    fn grow(&mut self, rounds: usize) {
        if self.bench.writer.is_none() {
            self.bench.reopen();
        }
        for round in 0..rounds {
            let event = |agent: &mut Signer| {
                let id = agent.id.to_string();
                agent.event(intent(&id, &format!("workflow-{}", round % 5)))
            };
            let mut messages: Vec<_> = self.agents.iter_mut().map(event).collect();
            messages.push(vec![1; 20]);
            self.bench.commit(&messages);
        }
        self.bench.writer().publish().unwrap();
        self.bench.writer = None;
    }

    fn store(&self) -> std::path::PathBuf {
        self.bench.config().store
    }

    fn state(&self) -> std::path::PathBuf {
        self.bench.directory.path().join("state")
    }

    fn audit_with(
        &self,
        store: &Path,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, AuditError> {
        let mark = ledger::read_mark(&self.bench.config().mark).unwrap();
        let directory = self.state();
        let state = AuditState { directory: &directory, now: self.bench.now };
        let trust = Some(PublicKey::of(&key(1)));
        let audit = Audit { store, trust, mark: mark.as_deref(), state: Some(state) };
        ledger::audit(&audit, progress)
    }

    fn audit(&self) -> Report {
        self.audit_with(&self.store(), &|_| ()).unwrap()
    }

    /// What a verification of everything finds.
    fn whole(&self) -> Report {
        let mark = ledger::read_mark(&self.bench.config().mark).unwrap();
        let store = self.store();
        let audit = Audit { store: &store, trust: None, mark: mark.as_deref(), state: None };
        ledger::audit(&audit, &|_| ()).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn same(a: &Report, b: &Report) {
    assert_eq!((a.size, a.root, &a.divergences), (b.size, b.root, &b.divergences));
    let counts = |r: &Report| (r.accepted, r.rejected, r.signatures, r.notes);
    assert_eq!(counts(a), counts(b));
}

#[test]
fn only_what_came_since_is_verified_and_all_is_counted() {
    let mut world = World::new();
    world.grow(40);
    let first = world.audit();
    assert_eq!((first.before, first.divergences.len()), (TreeSize(0), 0));
    let mut size = first.size;
    for rounds in [1, 30, 70] {
        world.grow(rounds);
        let steps = AtomicU64::new(0);
        let count = |progress: Progress| steps.store(progress.total, Ordering::Relaxed);
        let next = world.audit_with(&world.store(), &count).unwrap();
        assert_eq!(next.before, size, "verified before");
        assert!(next.before_at.is_some_and(|at| at < world.bench.now), "and when");
        assert_eq!(
            steps.load(Ordering::Relaxed),
            2 * (next.size.0 - size.0),
            "and nothing else now"
        );
        same(&next, &world.whole());
        size = next.size;
    }
    same(&world.audit(), &world.whole());
}

#[test]
fn a_changed_byte_in_what_came_since_is_found_and_named() {
    let mut world = World::new();
    world.grow(30);
    world.audit();
    let kept = world.bench.directory.path().join("kept");
    for file in std::fs::read_dir(world.state()).unwrap() {
        copy(&file.unwrap().path(), &kept);
    }
    let verified = world.whole().size;
    world.grow(40);
    let copied = world.bench.directory.path().join("copy");
    let (mut found, mut trials) = (0, 0);
    for trial in 0..400 {
        let family = ColumnFamily::ALL[trial % ColumnFamily::ALL.len()];
        let _ = std::fs::remove_dir_all(&copied);
        copy(&world.store(), &copied);
        let Some(tampered) = ledger::tamper(&copied, family, trial * 7919, trial).unwrap() else {
            continue;
        };
        let Some(index) = tampered.index.filter(|index| index.0 >= verified.0) else { continue };
        trials += 1;
        let state = std::fs::read_dir(world.state()).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_dir_all(&state).unwrap();
        copy(&kept, &state);
        let report = world.audit_with(&copied, &|_| ()).unwrap();
        assert_eq!(report.before, verified);
        found += usize::from(report.divergences.iter().any(|d| d.index == Some(index)));
    }
    assert!(trials > 50, "{trials}");
    assert_eq!(found, trials);
}

#[test]
fn what_is_wrong_stays_wrong_when_asked_again() {
    let mut world = World::new();
    world.grow(20);
    world.audit();
    world.grow(20);
    let (verified, copied) = (world.whole().size.0 / 2, world.bench.directory.path().join("copy"));
    let tampered = (0..200).find_map(|seed| {
        let _ = std::fs::remove_dir_all(&copied);
        copy(&world.store(), &copied);
        let tampered = ledger::tamper(&copied, ColumnFamily::Bodies, seed * 31, 0).unwrap()?;
        tampered.index.filter(|index| index.0 > verified)
    });
    for _ in 0..3 {
        let report = world.audit_with(&copied, &|_| ()).unwrap();
        assert!(report.divergences.iter().any(|d| d.index == tampered), "{report:?}");
    }
}

#[test]
fn an_interrupted_verification_goes_on_where_it_was() {
    let mut world = World::new();
    world.grow(3000);
    let size = world.whole().size.0;
    let mut before = 0;
    for _ in 0..3 {
        let stop_at = size / 3;
        let began = AtomicU64::new(0);
        let interrupted = catch_unwind(AssertUnwindSafe(|| {
            world.audit_with(&world.store(), &|progress: Progress| {
                began.store(progress.total, Ordering::Relaxed);
                if progress.done > stop_at {
                    std::panic::resume_unwind(Box::new("stopped"));
                }
            })
        }));
        assert!(interrupted.is_err(), "it was to be interrupted");
        let went_on_at = size - began.load(Ordering::Relaxed) / 2;
        assert!(went_on_at >= before, "nothing is done twice");
        before = went_on_at;
    }
    assert!(before > 0, "something was kept");
    let report = world.audit();
    assert!(report.before.0 >= before);
    same(&report, &world.whole());
}

#[test]
fn a_log_that_does_not_continue_what_was_verified_is_refused() {
    let mut world = World::new();
    world.grow(20);
    let old = world.bench.directory.path().join("old");
    copy(&world.store(), &old);
    world.grow(20);
    world.audit();
    let rolled_back = world.audit_with(&old, &|_| ());
    assert!(matches!(rolled_back, Err(AuditError::OtherState)), "{rolled_back:?}");
}

impl World {
    /// Where what was verified of this ledger is kept.
    fn kept(&self) -> std::path::PathBuf {
        std::fs::read_dir(self.state()).unwrap().next().unwrap().unwrap().path()
    }

    /// An untouched copy of the store, changed in a row of `family` that `wanted` accepts.
    fn tampered(
        &self,
        family: ColumnFamily,
        wanted: impl Fn(&ledger::Tampered) -> bool,
    ) -> Changed {
        let copied = self.bench.directory.path().join("changed");
        (0..2000)
            .find_map(|seed| {
                let _ = std::fs::remove_dir_all(&copied);
                copy(&self.store(), &copied);
                let tampered = ledger::tamper(&copied, family, seed * 7919, seed).unwrap()?;
                wanted(&tampered).then(|| (copied.clone(), tampered))
            })
            .unwrap()
    }
}

type Changed = (std::path::PathBuf, ledger::Tampered);

#[test]
fn a_log_whose_last_verified_leaf_changed_is_refused() {
    let mut world = World::new();
    world.grow(40);
    let size = world.audit().size.0;
    let (changed, _) =
        world.tampered(ColumnFamily::Leaves, |t| t.index.is_some_and(|i| i.0 == size - 1));
    for _ in 0..2 {
        let refused = world.audit_with(&changed, &|_| ());
        assert!(matches!(refused, Err(AuditError::OtherState)), "{refused:?}");
    }
    assert_eq!(world.audit().divergences, [], "the ledger itself still verifies");
}

#[test]
fn an_older_change_is_found_by_a_verification_of_everything_alone() {
    let mut world = World::new();
    world.grow(40);
    world.audit();
    world.grow(5);
    let (changed, tampered) =
        world.tampered(ColumnFamily::Bodies, |t| t.index.is_some_and(|i| (8..20).contains(&i.0)));
    let resumed = world.audit_with(&changed, &|_| ()).unwrap();
    assert_eq!(resumed.divergences, [], "it does not look there");
    assert!(resumed.before.0 > 20, "and says so");
    let audit = Audit { store: &changed, trust: None, mark: None, state: None };
    let whole = ledger::audit(&audit, &|_| ()).unwrap();
    assert!(whole.divergences.iter().any(|found| found.index == tampered.index));
}

#[test]
fn a_derived_row_that_new_entries_touch_is_compared_again_and_again() {
    let mut world = World::new();
    world.grow(20);
    world.audit();
    world.grow(20);
    // Every agent, session and workflow goes on, so that each counter is touched.
    let (changed, tampered) = world.tampered(ColumnFamily::State, |t| t.key.starts_with("6e"));
    for _ in 0..3 {
        let report = world.audit_with(&changed, &|_| ()).unwrap();
        assert!(report.divergences.iter().any(|found| found.key == tampered.key), "{report:?}");
    }
    world.grow(1);
    assert_eq!(world.audit().divergences, []);
}

#[test]
fn damage_to_what_was_kept_is_not_called_damage_to_the_ledger() {
    let mut world = World::new();
    world.grow(40);
    world.audit();
    let (kept, sound) = (world.kept(), world.bench.directory.path().join("sound"));
    copy(&kept, &sound);
    // Every file of rows, read or not.
    for file in std::fs::read_dir(&kept).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[5] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    world.grow(3);
    let damaged = |result: Result<Report, AuditError>| match result {
        Err(AuditError::DamagedState(path)) => assert_eq!(path, kept),
        other => panic!("{other:?}"),
    };
    damaged(world.audit_with(&world.store(), &|_| ()));
    std::fs::remove_dir_all(&kept).unwrap();
    copy(&sound, &kept);
    std::fs::write(kept.join("CURRENT"), "nonsense\n").unwrap();
    damaged(world.audit_with(&world.store(), &|_| ()));
    std::fs::remove_dir_all(&kept).unwrap();
    let report = world.audit();
    assert_eq!((report.before, report.divergences.len()), (TreeSize(0), 0), "anew");
}

#[test]
fn what_another_build_kept_is_not_called_damaged() {
    let mut world = World::new();
    world.grow(20);
    let size = world.audit().size;
    // Another version, and this one with rows of another format.
    for [version, format] in [[3, 2], [4, 1]] {
        let mut noted = Encoder::new();
        noted.array(14).uint(version).uint(format);
        for _ in 0..12 {
            noted.uint(0);
        }
        let mut noted = noted.finish();
        let digest = sha256(&noted);
        noted.extend(digest);
        ledger::plant(&world.kept(), ColumnFamily::Meta, b"verified", &noted).unwrap();
        let report = world.audit();
        assert_eq!((report.is_anew, report.before), (true, TreeSize(0)), "{version} {format}");
        same(&report, &world.whole());
        let next = world.audit();
        assert_eq!((next.is_anew, next.before), (false, size), "{version} {format}");
    }
}

/// A ledger that holds its genesis entry alone.
fn founded(directory: &Path, host: &str) -> std::path::PathBuf {
    let config = Config {
        store: directory.join(host).join("store"),
        mark: directory.join(host).join("m.note"),
    };
    let genesis = Genesis {
        tenant: Tenant::parse("test").unwrap(),
        host: host.to_owned(),
        operator: SignerId::parse("operator").unwrap(),
        operator_key: PublicKey::of(&key(2)),
        clock_start: None,
        finds: false,
    };
    drop(ledger::create(&config, key(1), &genesis, START).unwrap());
    config.store
}

#[test]
fn each_ledger_has_a_state_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = ["one.example", "two.example"].map(|host| founded(directory.path(), host));
    let state = directory.path().join("state");
    let audit = |store: &Path| {
        let state = AuditState { directory: &state, now: START };
        ledger::audit(&Audit { store, trust: None, mark: None, state: Some(state) }, &|_| ())
    };
    for store in [&one, &two] {
        let report = audit(store).unwrap();
        assert_eq!(
            (report.before, report.divergences.len()),
            (TreeSize(0), 0),
            "nothing of the other"
        );
    }
    for store in [&one, &two] {
        assert_eq!(audit(store).unwrap().before, TreeSize(1));
    }
    // One put in the other one's place is refused.
    let places = std::fs::read_dir(&state).unwrap().map(|file| file.unwrap().path());
    let [first, second] = <[_; 2]>::try_from(places.collect::<Vec<_>>()).unwrap();
    let aside = directory.path().join("aside");
    for (from, to) in [(&first, &aside), (&second, &first), (&aside, &second)] {
        std::fs::rename(from, to).unwrap();
    }
    let swapped = audit(&one);
    assert!(matches!(swapped, Err(AuditError::OtherState)), "{swapped:?}");
}
