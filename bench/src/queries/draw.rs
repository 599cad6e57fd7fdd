//! Questions with values that the ledger has, different ones each time as far as there are as many.

use std::collections::HashSet;

use ledger::Ledger;
use schemas::id::Index;
use schemas::terms::Key;

use super::generate::{LARGE, SMALL};
use super::http::Client;
use super::postgres::Postgres;
use super::question::{Order, PAGE, Question, Terms};
use crate::random::Random;
use crate::round::Failure;

/// Keys that filters are made of.
pub(super) const KEYS: &[Key] = &[
    Key::Kind,
    Key::Agent,
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
/// Attempts in a row that give no new values, after which there are none.
const ATTEMPTS: usize = 500;

/// A kind of question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sort {
    Page(usize, Order),
    Count(usize),
    Workflow(u64),
    Id,
    Lineage,
}

impl Sort {
    /// All of them, in the order of the table.
    pub(crate) const ALL: &'static [(&'static str, Self)] = &[
        ("100 newest, 1 term", Self::Page(1, Order::Newest)),
        ("100 newest, 2 terms", Self::Page(2, Order::Newest)),
        ("100 newest, 3 terms", Self::Page(3, Order::Newest)),
        ("100 oldest, 1 term", Self::Page(1, Order::Oldest)),
        ("100 oldest, 2 terms", Self::Page(2, Order::Oldest)),
        ("100 oldest, 3 terms", Self::Page(3, Order::Oldest)),
        ("count, 1 term", Self::Count(1)),
        ("count, 2 terms", Self::Count(2)),
        ("workflow of 1,000 entries", Self::Workflow(LARGE)),
        ("workflow of 20 entries", Self::Workflow(SMALL)),
        ("one entry by its id", Self::Id),
        ("lineage of a principal", Self::Lineage),
    ];
}

/// Where values come from.
pub(crate) struct Draw<'l> {
    ledger: &'l Ledger,
    random: Random,
    large: Vec<String>,
    small: Vec<String>,
}

impl<'l> Draw<'l> {
    pub(crate) fn new(ledger: &'l Ledger) -> Result<Self, Failure> {
        let rows = ledger.terms(Key::Corr, "", usize::MAX)?;
        let (mut large, mut small) = (Vec::new(), Vec::new());
        for row in rows {
            match row.count {
                LARGE => large.push(row.value),
                SMALL => small.push(row.value),
                _ => {}
            }
        }
        Ok(Self { ledger, random: Random(42), large, small })
    }

    /// Up to so many different questions of one sort, fewer if the ledger has no more.
    pub(crate) fn questions(
        &mut self,
        sort: Sort,
        count: usize,
        client: &mut Client,
        mut postgres: Option<&mut Postgres>,
    ) -> Result<Vec<Question>, Failure> {
        let (mut tried, mut questions, mut failures) = (HashSet::new(), Vec::new(), 0);
        while questions.len() < count && failures < ATTEMPTS {
            failures += 1;
            let Some(question) = self.question(sort)? else { continue };
            if tried.insert(question.clone())
                && has_hits(&question, client, postgres.as_deref_mut())?
            {
                questions.push(question);
                failures = 0;
            }
        }
        match questions.is_empty() {
            true => Err(format!("the ledger is too small for {sort:?}").into()),
            false => Ok(questions),
        }
    }

    fn question(&mut self, sort: Sort) -> Result<Option<Question>, Failure> {
        Ok(match sort {
            Sort::Page(count, order) => {
                self.terms(count)?.map(|terms| Question::Page(terms, order))
            }
            Sort::Count(count) => self.terms(count)?.map(Question::Count),
            Sort::Workflow(LARGE) => one(&mut self.random, &self.large).map(Question::Workflow),
            Sort::Workflow(_) => one(&mut self.random, &self.small).map(Question::Workflow),
            Sort::Id => self.values(&[Key::Id])?.pop().map(|(_, id)| Question::Id(id)),
            Sort::Lineage => {
                let principals: Vec<_> = self.values(&[Key::Principal])?;
                one(&mut self.random, &principals).map(|(_, id)| Question::Lineage(id))
            }
        })
    }

    /// So many terms of an entry that chance picks, with different keys.
    fn terms(&mut self, count: usize) -> Result<Option<Terms>, Failure> {
        let mut left = self.values(KEYS)?;
        let mut terms = Terms::new();
        while terms.len() < count {
            let bound = u64::try_from(left.len())?;
            if bound == 0 {
                return Ok(None);
            }
            let term = left.swap_remove(usize::try_from(self.random.below(bound))?);
            left.retain(|(key, _)| *key != term.0);
            terms.push(term);
        }
        terms.sort_unstable();
        Ok(Some(terms))
    }

    /// What an entry that chance picks has under these keys.
    fn values(&mut self, keys: &[Key]) -> Result<Terms, Failure> {
        let index = self.random.below(self.ledger.head().size.0);
        let entry = self.ledger.entry(Index(index))?.ok_or("an entry below the head is absent")?;
        let values = entry.terms(self.ledger, |terms| {
            let those = terms.iter().filter(|term| keys.contains(&term.key));
            those.map(|term| (term.key, term.value.to_string())).collect()
        });
        Ok(values?)
    }
}

/// Whether a filter has a page full of entries. Both sides are asked alike, from the end of the log that is
/// not measured, so that neither has read what it will be asked for.
fn has_hits(
    question: &Question,
    client: &mut Client,
    postgres: Option<&mut Postgres>,
) -> Result<bool, Failure> {
    let probe = match question {
        Question::Page(terms, Order::Newest) => Question::Page(terms.clone(), Order::Oldest),
        Question::Page(terms, Order::Oldest) => Question::Page(terms.clone(), Order::Newest),
        Question::Count(terms) => Question::Page(terms.clone(), Order::Newest),
        _ => return Ok(true),
    };
    if let Some(postgres) = postgres {
        let (sql, values) = probe.sql();
        postgres.prepare(&sql)?;
        postgres.ask(&sql, &values)?;
    }
    Ok(probe.numbers(&probe.ask_sworn(client)?)?.len() == PAGE)
}

fn one<T: Clone>(random: &mut Random, several: &[T]) -> Option<T> {
    let bound = u64::try_from(several.len()).unwrap_or(u64::MAX).max(1);
    usize::try_from(random.below(bound)).ok().and_then(|place| several.get(place).cloned())
}
