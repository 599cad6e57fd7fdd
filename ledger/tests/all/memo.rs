//! What the ledger records of its own doings can always be recorded, whatever stands in it.

use ledger::{Audit, Memo, audit, read_mark};
use schemas::id::Index;
use schemas::limits::{MEMO_CODE_BYTES_MAX, QUERY_BYTES_MAX, READER_BYTES_MAX};

use crate::bench::{Bench, intent};

fn access(reader: &str, query: &str) -> Memo {
    let (reader, query) = (reader.to_owned(), query.to_owned());
    Memo::Access { reader, query, range: Some((3, 9)), count: 2, code: None }
}

#[test]
fn memos_are_entries_of_the_ledgers_own_and_hostile_texts_do_not_stop_it() {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("agent-1", 10);
    bench.one(&agent.event(intent("agent-1", "w")));
    let size = bench.ledger().head().size.0;
    let event = bench.ledger().entry(Index(size - 1)).unwrap().unwrap();
    let finding = event.leaf.id.unwrap();
    let long = "ü".repeat(QUERY_BYTES_MAX);
    let secret = "agent:AKIAIOSFODNN7EXAMPLE";
    let memos = [
        access("auditor-1", "corr:w"),
        access("", ""),
        access(&long, &long),
        access("a\0b\u{202e}", secret),
        Memo::Delivery { finding, code: "c".repeat(100), note: secret.to_owned() },
    ];
    let now = bench.now;
    bench.writer().record(&memos, now).unwrap();
    bench.writer().incident("tested", secret, now).unwrap();
    let ledger = bench.ledger();
    let bodies: Vec<_> = (size..ledger.head().size.0)
        .map(|index| ledger.entry(Index(index)).unwrap().unwrap())
        .map(|entry| entry.view(&entry.shown()).to_json()["body"].clone())
        .filter(|body| body["kind"] != "finding")
        .collect();
    let field = |at: usize, name: &str| bodies[at][name].as_str().unwrap().to_owned();
    assert_eq!(bodies.len(), memos.len() + 1, "{bodies:?}");
    assert_eq!((field(0, "reader"), field(0, "query")), ("auditor-1".into(), "corr:w".into()));
    assert_eq!(bodies[0]["range"], serde_json::json!({"to": 9, "from": 3}));
    assert_eq!((field(1, "reader"), field(1, "query")), ("-".into(), "-".into()));
    assert_eq!(field(2, "reader").len(), READER_BYTES_MAX);
    assert_eq!(field(2, "query").len(), QUERY_BYTES_MAX);
    assert_eq!((field(3, "reader"), field(3, "query")), ("a\0b\u{202e}".into(), "withheld".into()));
    assert_eq!(
        (field(4, "code").len(), field(4, "note")),
        (MEMO_CODE_BYTES_MAX, "withheld".into())
    );
    assert_eq!(bodies[4]["causes"][0], finding.to_string());
    assert_eq!((field(5, "code"), field(5, "note")), ("tested".into(), "withheld".into()));
    let config = bench.config();
    let mark = read_mark(&config.mark).unwrap();
    bench.writer = None;
    let (store, mark) = (&config.store, mark.as_deref());
    let report = audit(&Audit { store, trust: None, mark, state: None }, &|_| ()).unwrap();
    assert!(report.divergences.is_empty(), "{:?}", report.divergences);
}
