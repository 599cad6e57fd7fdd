//! The questions, as each side is asked them, and what their answers come to.

use schemas::limits::LINEAGE_ENTRIES_MAX;
use schemas::terms::Key;
use serde::Deserialize;
use serde_json::Value as Json;

use super::http::Client;
use super::load::column;
use super::postgres::Rows;
use crate::round::Failure;

/// Entries of a page.
pub(crate) const PAGE: usize = 100;
/// An answer ends with this member where the budget of one request ended; it is the last.
const INCOMPLETE: &[u8] = b"\"incomplete\":";
/// Where it is, from the end.
const INCOMPLETE_WITHIN: usize = 60;

/// Which end of the log comes first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Order {
    Newest,
    Oldest,
}

/// Terms that all hold.
pub(crate) type Terms = Vec<(Key, String)>;

/// A question with its values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Question {
    Page(Terms, Order),
    Count(Terms),
    Workflow(String),
    Id(String),
    Lineage(String),
}

/// What one of sworn's answers is held against PostgreSQL's by. The rest is passed over: who asks shares cores and
/// caches with who answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    items: Vec<Item>,
    count: Option<u64>,
    counts: Option<Entries>,
    by_agent: Vec<Entries>,
    verified: Option<Verified>,
}

#[derive(Deserialize)]
struct Item {
    index: u64,
}

#[derive(Deserialize)]
struct Entries {
    entries: u64,
}

#[derive(Deserialize)]
struct Verified {
    ok: bool,
}

impl Question {
    /// Everything that sworn answers, in as many requests as it takes.
    pub(crate) fn ask_sworn(&self, client: &mut Client) -> Result<Vec<Vec<u8>>, Failure> {
        let path = self.path();
        let mut answers = vec![client.get(&path)?];
        while let Some(cursor) = answers.last().and_then(|last| rest(last)) {
            answers.push(client.get(&format!("{path}&cursor={cursor}"))?);
            let enough = matches!(self, Self::Page(..)) && self.numbers(&answers)?.len() >= PAGE;
            if enough {
                break;
            }
        }
        Ok(answers)
    }

    /// The statement and its values.
    pub(crate) fn sql(&self) -> (String, Vec<String>) {
        match self {
            Self::Page(terms, order) => {
                let (condition, values) = condition(terms);
                let way = if *order == Order::Newest { "DESC" } else { "ASC" };
                let sql = format!(
                    "SELECT entry FROM events WHERE {condition} ORDER BY idx {way} LIMIT {PAGE}"
                );
                (sql, values)
            }
            Self::Count(terms) => {
                let (condition, values) = condition(terms);
                (format!("SELECT count(*) FROM events WHERE {condition}"), values)
            }
            Self::Workflow(corr) => {
                ("SELECT entry FROM events WHERE corr = $1 ORDER BY idx".to_owned(), one(corr))
            }
            Self::Id(id) => ("SELECT entry FROM events WHERE id = $1".to_owned(), one(id)),
            Self::Lineage(principal) => (lineage(), one(principal)),
        }
    }

    /// What identifies sworn's answer, to hold it against PostgreSQL's.
    pub(crate) fn numbers(&self, answers: &[Vec<u8>]) -> Result<Vec<u64>, Failure> {
        let mut all = Vec::new();
        for answer in answers {
            let answer: Answer = serde_json::from_slice(answer)?;
            match self {
                Self::Page(..) | Self::Id(_) => all.extend(answer.items.iter().map(|i| i.index)),
                Self::Count(_) => all.extend(answer.count),
                Self::Workflow(corr) => match answer.verified {
                    Some(Verified { ok: true }) => all.extend(answer.counts.map(|c| c.entries)),
                    _ => return Err(format!("{corr} is not verified").into()),
                },
                Self::Lineage(_) => all.push(answer.by_agent.iter().map(|a| a.entries).sum()),
            }
        }
        match self {
            Self::Page(..) => all.truncate(PAGE),
            Self::Count(_) => all = vec![all.iter().sum()],
            _ => {}
        }
        Ok(all)
    }

    /// The same of PostgreSQL's.
    pub(crate) fn numbers_of(&self, rows: &Rows) -> Result<Vec<u64>, Failure> {
        let texts = || rows.texts().map(serde_json::from_slice::<Json>);
        let member = |name: &str| -> Result<Vec<u64>, Failure> {
            let jsons = texts().collect::<Result<Vec<_>, _>>()?;
            Ok(jsons.iter().filter_map(|json| json.get(name)?.as_u64()).collect())
        };
        Ok(match self {
            Self::Page(..) | Self::Id(_) => member("index")?,
            Self::Count(_) => texts().filter_map(|json| json.ok()?.as_u64()).collect(),
            Self::Workflow(_) => vec![u64::try_from(rows.texts().count())?],
            Self::Lineage(_) => vec![member("entries")?.iter().sum()],
        })
    }

    fn path(&self) -> String {
        match self {
            Self::Page(terms, order) => {
                let way = if *order == Order::Newest { "newest" } else { "oldest" };
                let q = query(terms);
                format!("/api/v1/entries?q={q}&since=0&order={way}&limit={PAGE}")
            }
            Self::Count(terms) => format!("/api/v1/count?q={}&since=0", query(terms)),
            Self::Workflow(corr) => format!("/api/v1/workflows/{corr}"),
            Self::Id(id) => format!("/api/v1/entries/by-id/{id}"),
            Self::Lineage(principal) => format!("/api/v1/principals/{principal}/lineage"),
        }
    }
}

/// The cursor of an answer that is not complete.
fn rest(answer: &[u8]) -> Option<String> {
    let end = answer.get(answer.len().saturating_sub(INCOMPLETE_WITHIN)..)?;
    end.windows(INCOMPLETE.len()).find(|part| *part == INCOMPLETE)?;
    let json: Json = serde_json::from_slice(answer).ok()?;
    json.get("next_cursor")?.as_str().map(str::to_owned)
}

/// The values are made of letters, digits and `-.@_`, so that nothing is escaped but spaces.
fn query(terms: &Terms) -> String {
    let terms: Vec<_> =
        terms.iter().map(|(key, value)| format!("{}:{value}", key.as_str())).collect();
    terms.join("%20")
}

fn condition(terms: &Terms) -> (String, Vec<String>) {
    let parts: Vec<_> = (1..)
        .zip(terms)
        .map(|(place, (key, _)): (u32, _)| format!("{} = ${place}", column(*key)))
        .collect();
    (parts.join(" AND "), terms.iter().map(|(_, value)| value.clone()).collect())
}

fn one(value: &str) -> Vec<String> {
    vec![value.to_owned()]
}

/// By agent, by chain, and the grants given, over as many of the newest entries as sworn looks at.
fn lineage() -> String {
    format!(
        "WITH under AS MATERIALIZED (\
           SELECT e.idx, e.agent, e.path FROM event_principals p JOIN events e USING (idx) \
           WHERE p.principal = $1 ORDER BY p.idx DESC LIMIT {LINEAGE_ENTRIES_MAX}) \
         SELECT jsonb_build_object('agent', agent, 'entries', count(*), 'first', min(idx), \
           'last', max(idx)) FROM under GROUP BY agent \
         UNION ALL SELECT jsonb_build_object('path', path, 'count', count(*), 'first', min(idx), \
           'last', max(idx)) FROM under GROUP BY path \
         UNION ALL (SELECT jsonb_build_object('grant', entry) FROM events \
           WHERE signer = $1 AND kind = 'delegation.granted' ORDER BY idx DESC LIMIT 1000)"
    )
}
