//! A new epoch that operators did not agree to, begun by whoever holds the ledger's key and its disk.

use std::path::Path;

use ledger::{ColumnFamily, Config, Fault, OpenError, open, open_new_epoch, plant, rebuild};
use schemas::id::{Digest, Index};
use schemas::registry::Epoch;

use crate::bench::{Bench, Signer, key};
use crate::epoch::{audit, epoch_proposal, rolled_back_of_two};

/// The row of the store's state that says how many operators have to agree.
const QUORUM: &[u8] = b"q";

/// Begins the epoch in a store that was made to say that one operator is enough, and covers that up.
fn forge(config: &Config, bench: &Bench, agreed: &[Vec<u8>]) {
    plant(&config.store, ColumnFamily::State, QUORUM, &1_u64.to_be_bytes()).unwrap();
    drop(open_new_epoch(config, key(1), bench.now, agreed).unwrap());
    rebuild(config, |_, _| ()).unwrap();
}

fn faults(config: &Config) -> Vec<(Option<Index>, Fault)> {
    let found = audit(config, 1).divergences;
    found.into_iter().map(|divergence| (divergence.index, divergence.fault)).collect()
}

/// A copy of the ledger, mark and all.
fn copy(config: &Config, to: &Path) -> Config {
    let copied = crate::bench::config(to);
    for (from, to) in [(&config.store, &copied.store), (&config.mark, &copied.mark)] {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copied = std::process::Command::new("cp").arg("-r").args([from, to]).status();
        assert!(copied.unwrap().success());
    }
    copied
}

#[test]
fn verification_finds_an_epoch_that_too_few_operators_agreed_to() {
    let (mut bench, mut second) = rolled_back_of_two();
    let config = bench.config();
    let epoch = match open_new_epoch(&config, key(1), bench.now, &[]) {
        Err(OpenError::NotAgreed { epoch, .. }) => *epoch,
        other => panic!("{:?}", other.map(|_| ())),
    };
    let first = bench.operator.event(epoch_proposal(&epoch));
    let again = bench.operator.event(epoch_proposal(&epoch));
    let mut stranger = Signer::new("second", 66);
    let mut other = |altered: Epoch| second.event(epoch_proposal(&altered));
    let size = other(Epoch { size: 4, ..epoch.clone() });
    let lost = other(Epoch { lost: Digest([7; 32]), ..epoch.clone() });
    let origin = other(Epoch { origin: "ledger.example/test/3".to_owned(), ..epoch.clone() });
    let both = vec![first.clone(), other(epoch.clone())];
    let one = |with: Vec<u8>| vec![first.clone(), with];
    for (what, agreed, found) in [
        ("nobody", Vec::new(), 0),
        ("one of two", vec![first.clone()], 1),
        ("one twice", one(again), 1),
        ("another's key", one(stranger.event(epoch_proposal(&epoch))), 1),
        ("another size", one(size), 1),
        ("another loss", one(lost), 1),
        ("another log", one(origin), 1),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let copied = copy(&config, directory.path());
        forge(&copied, &bench, &agreed);
        let expected = Fault::NotAgreed { needed: 2, found };
        assert_eq!(faults(&copied), [(Some(Index(5)), expected)], "{what}");
    }
    forge(&config, &bench, &both);
    assert_eq!(faults(&config), [], "the same way, with the agreement");
}

#[test]
fn an_agreement_that_comes_later_is_none() {
    let (mut bench, mut second) = rolled_back_of_two();
    let config = bench.config();
    let epoch = match open_new_epoch(&config, key(1), bench.now, &[]) {
        Err(OpenError::NotAgreed { epoch, .. }) => *epoch,
        other => panic!("{:?}", other.map(|_| ())),
    };
    forge(&config, &bench, &[]);
    bench.writer = Some(open(&config, key(1)).unwrap());
    let late = [bench.operator.event(epoch_proposal(&epoch)), second.event(epoch_proposal(&epoch))];
    bench.commit(&late);
    assert_eq!(bench.ledger().head().size.0, 8);
    bench.writer = None;
    let expected = Fault::NotAgreed { needed: 2, found: 0 };
    assert_eq!(faults(&config), [(Some(Index(5)), expected)]);
}

#[test]
fn what_was_not_accepted_with_the_epoch_agrees_to_nothing() {
    let (mut bench, mut second) = rolled_back_of_two();
    let (config, now) = (bench.config(), bench.now);
    let refused = |agreed: &[Vec<u8>]| match open_new_epoch(&config, key(1), now, agreed) {
        Err(OpenError::NotAgreed { needed: 2, found, epoch }) => (found, *epoch),
        other => panic!("{:?}", other.map(|_| ())),
    };
    let (_, epoch) = refused(&[]);
    let first = bench.operator.event(epoch_proposal(&epoch));
    let mut foreign = epoch_proposal(&epoch);
    foreign["tenant"] = "elsewhere".into();
    assert_eq!(refused(&[first.clone(), second.event(foreign)]).0, 1, "a body for another log");
    let agreed = [first, second.event(epoch_proposal(&epoch))];
    let writer = open_new_epoch(&config, key(1), now, &agreed).unwrap();
    let size = writer.ledger().head().size.0;
    assert_eq!(size, 8, "the epoch's entry and both proposals, in one commit");
}
