//! The same entries in PostgreSQL, with the indexes that somebody would make who knows the questions.

use std::time::Instant;

use ledger::{Entry, Ledger, ReadError};
use rayon::prelude::*;
use schemas::terms::{Key, Term};

use super::postgres::Postgres;
use crate::round::Failure;

/// The keys of which an entry has at most one value here; each is a column with an index.
pub(crate) const COLUMNS: &[Key] = &[
    Key::Kind,
    Key::Signer,
    Key::Agent,
    Key::Session,
    Key::Corr,
    Key::User,
    Key::Cred,
    Key::Model,
    Key::Tool,
    Key::System,
    Key::Action,
    Key::Target,
    Key::Class,
    Key::Env,
    Key::Outcome,
    Key::Verdict,
    Key::Gate,
];
/// Entries that are read at a time.
const CHUNK: u64 = 20_000;
/// Lines of one `CopyData` message.
const LINES: usize = 500;
/// What `COPY` reads as no value.
const NULL: &str = "\\N";
/// Entries between two words of progress.
const TELL: u64 = 200_000;

/// Loads every entry, unless as many are there already from a run that ended.
pub(crate) fn load(postgres: &mut Postgres, ledger: &Ledger) -> Result<(), Failure> {
    let head = ledger.head();
    let (root, size) = (head.root.to_string(), head.size.0);
    postgres.run("CREATE TABLE IF NOT EXISTS loaded (root text)")?;
    let known = "SELECT root FROM loaded";
    postgres.prepare(known)?;
    if postgres.ask(known, &[])?.texts().any(|text| text == root.as_bytes()) {
        println!("PostgreSQL holds these entries already");
        return Ok(());
    }
    let began = Instant::now();
    postgres.run(&tables())?;
    rows(postgres, ledger, size)?;
    println!("{size} entries copied into PostgreSQL in {:.0?}", began.elapsed());
    for sql in indexes() {
        postgres.run(&sql)?;
    }
    postgres.run("VACUUM ANALYZE events")?;
    postgres.run("VACUUM ANALYZE event_principals")?;
    postgres.run(&format!("INSERT INTO loaded VALUES ('{root}')"))?;
    println!("indexed and analysed, {:.0?} in all", began.elapsed());
    Ok(())
}

/// Takes as much as there is room for into PostgreSQL's memory, what is read at random last.
pub(crate) fn warm(postgres: &mut Postgres) -> Result<(), Failure> {
    if postgres.run("CREATE EXTENSION IF NOT EXISTS pg_prewarm").is_err() {
        println!("PostgreSQL has no pg_prewarm: its memory fills as it is asked");
        return Ok(());
    }
    postgres.run("SELECT pg_prewarm('event_principals'), pg_prewarm('events')")?;
    postgres.run(
        "SELECT count(pg_prewarm(indexrelid)) FROM pg_index \
         WHERE indrelid IN ('events'::regclass, 'event_principals'::regclass)",
    )
}

/// A key's column.
pub(crate) fn column(key: Key) -> String {
    format!("\"{}\"", key.as_str())
}

fn tables() -> String {
    let columns: String = COLUMNS.iter().map(|key| format!("{} text, ", column(*key))).collect();
    format!(
        "DROP TABLE IF EXISTS events, event_principals; TRUNCATE loaded; \
         CREATE TABLE events (idx bigint, id uuid, path text, {columns}entry jsonb); \
         CREATE TABLE event_principals (principal text, idx bigint)"
    )
}

fn indexes() -> Vec<String> {
    let mut all = vec![
        "ALTER TABLE events ADD PRIMARY KEY (idx)".to_owned(),
        "CREATE INDEX ON events (id)".to_owned(),
        "CREATE INDEX ON event_principals (principal, idx DESC)".to_owned(),
    ];
    all.extend(
        COLUMNS.iter().map(|key| format!("CREATE INDEX ON events ({}, idx DESC)", column(*key))),
    );
    all
}

fn rows(postgres: &mut Postgres, ledger: &Ledger, size: u64) -> Result<(), Failure> {
    postgres.begin_copy("COPY events FROM STDIN")?;
    let mut from = 0;
    while from < size {
        let to = size.min(from + CHUNK);
        let entries = ledger.entries(from..to)?;
        let lines = entries.par_iter().map(|entry| line(ledger, entry));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        for lines in lines.chunks(LINES) {
            postgres.copy(lines.concat().into_bytes())?;
        }
        if to / TELL > from / TELL {
            println!("  {to} of {size} copied");
        }
        from = to;
    }
    postgres.end_copy()?;
    postgres.run(
        "INSERT INTO event_principals SELECT hop->>'id', idx \
         FROM events, jsonb_array_elements(entry->'body'->'principals') hop",
    )
}

/// The entry's line.
fn line(ledger: &Ledger, entry: &Entry) -> Result<String, ReadError> {
    let json = entry.view(&entry.shown()).to_json();
    let path = entry.body().iter().flat_map(hops).collect::<Vec<_>>().join(">");
    let path = if path.is_empty() { NULL.to_owned() } else { escaped(&path) };
    let (id, columns) = entry.terms(ledger, |terms| {
        let columns: Vec<_> = COLUMNS.iter().map(|key| value(terms, *key)).collect();
        (value(terms, Key::Id), columns.join("\t"))
    })?;
    let (index, json) = (entry.leaf.index.0, escaped(&json.to_string()));
    Ok(format!("{index}\t{id}\t{path}\t{columns}\t{json}\n"))
}

fn hops(body: &schemas::body::Body<'_>) -> Vec<String> {
    body.principals().iter().map(|hop| hop.id.to_owned()).collect()
}

fn value(terms: &[Term<'_>], key: Key) -> String {
    let found = terms.iter().find(|term| term.key == key);
    found.map_or_else(|| NULL.to_owned(), |term| escaped(&term.value))
}

/// As `COPY` reads it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
