//! The same entries in PostgreSQL, with the indexes that somebody would make who knows the questions.

use std::time::Instant;

use ledger::{Entry, Ledger};
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
/// Bytes of one `CopyData` message, about.
const COPY_BYTES: usize = 1 << 20;
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
    let (mut from, mut principals) = (0, Vec::new());
    while from < size {
        let to = size.min(from + CHUNK);
        let entries = ledger.entries(from..to)?;
        let lines: Vec<_> = entries.par_iter().map(line).collect();
        let mut bytes = Vec::new();
        for (line, of) in lines {
            bytes.extend_from_slice(line.as_bytes());
            principals.push(of);
            if bytes.len() > COPY_BYTES {
                postgres.copy(std::mem::take(&mut bytes))?;
            }
        }
        postgres.copy(bytes)?;
        if to / TELL > from / TELL {
            println!("  {to} of {size} copied");
        }
        from = to;
    }
    postgres.end_copy()?;
    postgres.begin_copy("COPY event_principals FROM STDIN")?;
    for lines in principals.chunks(usize::try_from(CHUNK)?) {
        postgres.copy(lines.concat().into_bytes())?;
    }
    postgres.end_copy()
}

/// The entry's line of each table.
fn line(entry: &Entry) -> (String, String) {
    let json = schemas::json::entry(&entry.leaf, &entry.chain, &entry.content());
    let path: Vec<_> = entry.body().iter().flat_map(hops).collect();
    let index = entry.leaf.index;
    let (columns, principals) = entry.terms(|terms| {
        let columns: Vec<_> = COLUMNS.iter().map(|key| value(terms, *key)).collect();
        let each = terms.iter().filter(|term| term.key == Key::Principal);
        let principals = each.map(|term| format!("{}\t{index}\n", escaped(&term.value)));
        (columns.join("\t"), principals.collect::<String>())
    });
    let id = entry.terms(|terms| value(terms, Key::Id));
    let path = if path.is_empty() { "\\N".to_owned() } else { escaped(&path.join(">")) };
    (format!("{index}\t{id}\t{path}\t{columns}\t{}\n", escaped(&json.to_string())), principals)
}

fn hops(body: &schemas::body::Body<'_>) -> Vec<String> {
    body.principals().iter().map(|hop| hop.id.to_owned()).collect()
}

fn value(terms: &[Term<'_>], key: Key) -> String {
    let found = terms.iter().find(|term| term.key == key);
    found.map_or_else(|| "\\N".to_owned(), |term| escaped(&term.value))
}

/// As `COPY` reads it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
