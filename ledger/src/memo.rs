//! What the ledger records of its own doings: who read, whether an alert reached its route, what went wrong.

use schemas::encode::{Value, bytes, map};
use schemas::id::EventId;
use schemas::kind::Kind;
use schemas::limits::{MEMO_CODE_BYTES_MAX, QUERY_BYTES_MAX, READER_BYTES_MAX};
use schemas::secret;

/// An entry to be made. Its texts come from outside, so they are cut to their fields' bounds, and one that
/// looks like a secret is withheld: a memo can always be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Memo {
    /// Somebody read.
    Access {
        /// Who, a signer or the name of a token.
        reader: String,
        /// What was asked for: a query, or the path of what was read.
        query: String,
        /// Entries that it covered, first and last.
        range: Option<(u64, u64)>,
        /// How often, in the time that the memo stands for.
        count: u64,
        /// A word for a read that was refused.
        code: Option<String>,
    },
    /// What an auditor must know.
    Incident {
        /// A word that names it.
        code: &'static str,
        /// What happened.
        note: String,
    },
    /// An alert reached its route, or failed.
    Delivery {
        /// The finding.
        finding: EventId,
        /// A word that says how it ended.
        code: String,
        /// Which route, and what it answered.
        note: String,
    },
}

impl Memo {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Access { .. } => Kind::LedgerAccess,
            Self::Delivery { .. } => Kind::Delivery,
            Self::Incident { .. } => Kind::LedgerIncident,
        }
    }

    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Access { reader, query, range, count, code } => {
                let mut fields = vec![
                    ("reader", text(reader, READER_BYTES_MAX)),
                    ("query", text(query, QUERY_BYTES_MAX)),
                    ("count", Value::from(*count)),
                ];
                let range = range
                    .map(|(from, to)| map([("from", Value::from(from)), ("to", Value::from(to))]));
                fields.extend(range.map(|range| ("range", range)));
                let code = code.as_deref().map(|code| text(code, MEMO_CODE_BYTES_MAX));
                fields.extend(code.map(|code| ("code", code)));
                fields
            }
            Self::Incident { code, note } => vec![
                ("code", text(code, MEMO_CODE_BYTES_MAX)),
                ("note", text(note, QUERY_BYTES_MAX)),
            ],
            Self::Delivery { finding, code, note } => vec![
                ("causes", Value::Array(vec![bytes(&finding.0)])),
                ("code", text(code, MEMO_CODE_BYTES_MAX)),
                ("note", text(note, QUERY_BYTES_MAX)),
            ],
        }
    }
}

fn text(text: &str, max: usize) -> Value {
    Value::from(match text.get(..text.floor_char_boundary(max)).unwrap_or_default() {
        "" => "-",
        kept if secret::found_in(kept.as_bytes()) => "withheld",
        kept => kept,
    })
}
