//! From a query's condition to the indexes worth looking at.

use std::ops::Range;

use ledger::{Ledger, ReadError};
use schemas::id::EventId;
use schemas::limits::QUERY_PREFIX_VALUES_MAX;
use schemas::query::{Expr, Pattern};
use schemas::terms::{Key, Term};
use serde_json::{Value as Json, json};

use crate::source::Source;
use crate::terms::{term, term_row};

/// Where candidates come from, and what must still be checked on each.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) step: Step,
    residual: Vec<Expr>,
}

/// Where candidates come from.
#[derive(Debug)]
pub(crate) enum Step {
    /// Every entry of the window.
    Every,
    /// A term's postings.
    Term(Key, String),
    /// These indexes, ascending.
    List(Vec<u64>),
    /// Those in each.
    All(Vec<Step>),
    /// Those in any.
    Any(Vec<Step>),
    /// Those that are not in it.
    Not(Box<Step>),
}

/// What the postings say of one condition.
enum Part {
    /// Exactly its entries.
    Exact(Step),
    /// Its entries, and others.
    Wider(Step),
    /// Nothing.
    Opaque,
}

impl Plan {
    /// The plan of `expr`.
    pub(crate) fn of(ledger: &Ledger, expr: &Expr) -> Result<Self, ReadError> {
        let mut planner = Planner { ledger, values_left: QUERY_PREFIX_VALUES_MAX };
        let alone = std::slice::from_ref(expr);
        let parts = if let Expr::All(parts) = expr { parts.as_slice() } else { alone };
        let (steps, residual) = planner.each(parts)?;
        Ok(Self { step: joined(steps).unwrap_or(Step::Every), residual })
    }

    /// Whether a candidate with these terms fits.
    pub(crate) fn accepts(&self, terms: &[Term<'_>]) -> bool {
        self.residual.iter().all(|expr| expr.matches(terms))
    }

    /// Whether there is nothing to check.
    pub(crate) fn is_exact(&self) -> bool {
        self.residual.is_empty()
    }

    /// How many entries of `from..to` fit, where that needs no walk.
    pub(crate) fn count(
        &self,
        ledger: &Ledger,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>, ReadError> {
        if self.is_exact() { self.step.count(ledger, from, to) } else { Ok(None) }
    }

    /// The plan for people: which postings are met, of how many entries each, and what is checked.
    pub(crate) fn to_json(&self, ledger: &Ledger) -> Result<Json, ReadError> {
        let checked: Vec<_> = self.residual.iter().map(ToString::to_string).collect();
        Ok(json!({ "read": self.step.to_json(ledger)?, "check": checked }))
    }
}

impl Step {
    /// The indexes themselves, as far as they lie in a window; some beyond it may be among them.
    pub(crate) fn open<'l>(&self, ledger: &'l Ledger, window: &Range<u64>) -> Source<'l> {
        let open = |step: &Self| step.open(ledger, window);
        match self {
            Self::Every => Source::Every,
            Self::Term(key, value) => term(ledger, *key, value),
            Self::List(list) => Source::List(list.clone()),
            Self::All(steps) => Source::All(steps.iter().map(open).collect()),
            Self::Any(steps) => Source::any(steps.iter().map(open)),
            Self::Not(step) => Source::not(open(step), window.clone()),
        }
    }

    /// How many of its entries are in `from..to`, where that needs no walk.
    fn count(&self, ledger: &Ledger, from: u64, to: u64) -> Result<Option<u64>, ReadError> {
        let all = to.saturating_sub(from);
        Ok(match self {
            Self::Every => Some(all),
            Self::Term(key, value) => match term_row(ledger, *key, value)? {
                None => Some(0),
                Some(row) => (row.first.0 >= from && row.last.0 < to).then_some(row.count),
            },
            Self::List(list) => {
                let inside = list.iter().filter(|index| (from..to).contains(index));
                u64::try_from(inside.count()).ok()
            }
            Self::Not(step) => step.count(ledger, from, to)?.map(|count| all.saturating_sub(count)),
            Self::All(_) | Self::Any(_) => None,
        })
    }

    fn to_json(&self, ledger: &Ledger) -> Result<Json, ReadError> {
        let each = |steps: &[Self]| {
            let each = steps.iter().map(|step| step.to_json(ledger));
            each.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::Every => json!({ "every": "entry of the window" }),
            Self::Term(key, value) => {
                let term = Expr::Is(*key, Pattern::Exact(value.clone()));
                let row = term_row(ledger, *key, value)?;
                json!({ "term": term.to_string(), "postings": row.map_or(0, |row| row.count) })
            }
            Self::List(list) => json!({ "id": list }),
            Self::All(steps) => json!({ "all": each(steps)? }),
            Self::Any(steps) => json!({ "any": each(steps)? }),
            Self::Not(step) => json!({ "not": step.to_json(ledger)? }),
        })
    }
}

struct Planner<'l> {
    ledger: &'l Ledger,
    /// How many more values prefixes may stand for: each holds postings open.
    values_left: usize,
}

impl Planner<'_> {
    /// Where the entries that fit all `parts` are, and which of these must still be checked.
    fn each(&mut self, parts: &[Expr]) -> Result<(Vec<Step>, Vec<Expr>), ReadError> {
        let (mut steps, mut residual) = (Vec::new(), Vec::new());
        for part in parts {
            match self.part(part)? {
                Part::Exact(step) => {
                    steps.push(step);
                    continue;
                }
                Part::Wider(step) => steps.push(step),
                Part::Opaque => {}
            }
            residual.push(part.clone());
        }
        Ok((steps, residual))
    }

    fn part(&mut self, expr: &Expr) -> Result<Part, ReadError> {
        Ok(match expr {
            Expr::Is(Key::Id, Pattern::Exact(text)) => {
                let found =
                    EventId::parse(text).map_or(Ok(Vec::new()), |id| self.ledger.find(id))?;
                Part::Exact(Step::List(found.into_iter().map(|index| index.0).collect()))
            }
            Expr::Is(key, pattern) if key.is_indexed() => match pattern {
                Pattern::Exact(value) => Part::Exact(Step::Term(*key, value.clone())),
                Pattern::Prefix(prefix) => self.prefix(*key, prefix)?,
                Pattern::Span(..) => Part::Opaque,
            },
            Expr::Is(..) => Part::Opaque,
            Expr::Not(part) => match self.part(part)? {
                Part::Exact(step) => Part::Exact(Step::Not(Box::new(step))),
                Part::Wider(_) | Part::Opaque => Part::Opaque,
            },
            Expr::All(parts) => {
                let (steps, residual) = self.each(parts)?;
                match (joined(steps), residual.is_empty()) {
                    (Some(step), true) => Part::Exact(step),
                    (Some(step), false) => Part::Wider(step),
                    (None, _) => Part::Opaque,
                }
            }
            Expr::Any(parts) => self.any(parts)?,
        })
    }

    /// The postings of each value, unless these are too many.
    fn prefix(&mut self, key: Key, prefix: &str) -> Result<Part, ReadError> {
        let rows = self.ledger.terms(key, prefix, self.values_left + 1)?;
        let Some(left) = self.values_left.checked_sub(rows.len()) else { return Ok(Part::Opaque) };
        self.values_left = left;
        let each = rows.into_iter().map(|row| Step::Term(key, row.value));
        Ok(Part::Exact(Step::Any(each.collect())))
    }

    fn any(&mut self, parts: &[Expr]) -> Result<Part, ReadError> {
        let (mut steps, mut exact) = (Vec::new(), true);
        for part in parts {
            match self.part(part)? {
                Part::Exact(step) => steps.push(step),
                Part::Wider(step) => {
                    steps.push(step);
                    exact = false;
                }
                Part::Opaque => return Ok(Part::Opaque),
            }
        }
        let step = Step::Any(steps);
        Ok(if exact { Part::Exact(step) } else { Part::Wider(step) })
    }
}

fn joined(mut steps: Vec<Step>) -> Option<Step> {
    match steps.len() {
        0 => None,
        1 => steps.pop(),
        _ => Some(Step::All(steps)),
    }
}
