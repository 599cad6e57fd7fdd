//! From a query's condition to the indexes worth looking at.

use ledger::{Ledger, ReadError};
use schemas::id::EventId;
use schemas::limits::QUERY_PREFIX_VALUES_MAX;
use schemas::query::{Expr, Pattern};
use schemas::terms::{Key, Term};

use crate::error::Error;
use crate::source::Source;

/// Where candidates come from, and what must still be checked on each.
pub(crate) struct Plan<'l> {
    pub(crate) source: Source<'l>,
    residual: Vec<Expr>,
}

/// What the postings say of one condition.
enum Part<'l> {
    /// Exactly its entries.
    Exact(Source<'l>),
    /// Its entries, and others.
    Wider(Source<'l>),
    /// A prefix of too many values.
    Broad(Key, String),
    /// Nothing: it is about what an entry does not carry.
    Opaque,
}

impl<'l> Plan<'l> {
    /// The plan of `expr`.
    ///
    /// # Errors
    /// [`Error::PrefixTooBroad`] when nothing but a prefix of too many values narrows it.
    pub(crate) fn of(ledger: &'l Ledger, expr: &Expr) -> Result<Self, Error> {
        let alone = std::slice::from_ref(expr);
        let parts = if let Expr::All(parts) = expr { parts.as_slice() } else { alone };
        let (mut sources, mut residual, mut broad) = (Vec::new(), Vec::new(), None);
        for part in parts {
            match plan(ledger, part)? {
                Part::Exact(source) => {
                    sources.push(source);
                    continue;
                }
                Part::Wider(source) => sources.push(source),
                Part::Broad(key, prefix) => broad = Some((key, prefix)),
                Part::Opaque => {}
            }
            residual.push(part.clone());
        }
        let source = match (joined(sources, Source::All), broad) {
            (Some(source), _) => source,
            (None, None) => Source::Every,
            (None, Some((key @ Key::Id, prefix))) => {
                return Err(Error::PrefixUnsupported { key, prefix });
            }
            (None, Some((key, prefix))) => {
                return Err(Error::PrefixTooBroad { key, prefix, limit: QUERY_PREFIX_VALUES_MAX });
            }
        };
        Ok(Self { source, residual })
    }

    /// Whether a candidate with these terms fits.
    pub(crate) fn accepts(&self, terms: &[Term<'_>]) -> bool {
        self.residual.iter().all(|expr| expr.matches(terms))
    }

    /// Whether there is anything to check.
    pub(crate) fn is_exact(&self) -> bool {
        self.residual.is_empty()
    }
}

fn plan<'l>(ledger: &'l Ledger, expr: &Expr) -> Result<Part<'l>, ReadError> {
    Ok(match expr {
        Expr::Is(Key::Id, Pattern::Exact(text)) => {
            let found = EventId::parse(text).map_or(Ok(Vec::new()), |id| ledger.find(id))?;
            Part::Exact(Source::List(found.into_iter().map(|index| index.0).collect()))
        }
        Expr::Is(Key::Id, Pattern::Prefix(prefix)) => Part::Broad(Key::Id, prefix.clone()),
        Expr::Is(key, Pattern::Exact(value)) => Part::Exact(term(ledger, *key, value)),
        Expr::Is(key, Pattern::Prefix(prefix)) => {
            let rows = ledger.terms(*key, prefix, QUERY_PREFIX_VALUES_MAX + 1)?;
            if rows.len() > QUERY_PREFIX_VALUES_MAX {
                return Ok(Part::Broad(*key, prefix.clone()));
            }
            Part::Exact(Source::any(rows.iter().map(|row| term(ledger, *key, &row.value))))
        }
        Expr::Not(_) => Part::Opaque,
        Expr::All(parts) => all(ledger, parts)?,
        Expr::Any(parts) => any(ledger, parts)?,
    })
}

fn term<'l>(ledger: &'l Ledger, key: Key, value: &str) -> Source<'l> {
    Source::Term(Box::new(ledger.postings(key, value)))
}

fn all<'l>(ledger: &'l Ledger, parts: &[Expr]) -> Result<Part<'l>, ReadError> {
    let (mut sources, mut exact, mut broad) = (Vec::new(), true, None);
    for part in parts {
        match plan(ledger, part)? {
            Part::Exact(source) => {
                sources.push(source);
                continue;
            }
            Part::Wider(source) => sources.push(source),
            Part::Broad(key, prefix) => broad = Some(Part::Broad(key, prefix)),
            Part::Opaque => {}
        }
        exact = false;
    }
    Ok(match (joined(sources, Source::All), exact) {
        (Some(source), true) => Part::Exact(source),
        (Some(source), false) => Part::Wider(source),
        (None, _) => broad.unwrap_or(Part::Opaque),
    })
}

fn any<'l>(ledger: &'l Ledger, parts: &[Expr]) -> Result<Part<'l>, ReadError> {
    let (mut sources, mut exact) = (Vec::new(), true);
    for part in parts {
        match plan(ledger, part)? {
            Part::Exact(source) => sources.push(source),
            Part::Wider(source) => {
                sources.push(source);
                exact = false;
            }
            neither => return Ok(neither),
        }
    }
    let source = Source::any(sources);
    Ok(if exact { Part::Exact(source) } else { Part::Wider(source) })
}

fn joined<'l>(
    mut sources: Vec<Source<'l>>,
    join: impl FnOnce(Vec<Source<'l>>) -> Source<'l>,
) -> Option<Source<'l>> {
    match sources.len() {
        0 => None,
        1 => sources.pop(),
        _ => Some(join(sources)),
    }
}
