//! Conditions: each is read once and judges each new entry once, however many readers have it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use schemas::id::Index;
use schemas::limits::TAIL_VERDICTS;
use schemas::query::Expr;
use schemas::terms::Term;

/// Conditions that are kept before those are looked for that nobody has any more.
const SWEEP_LEAST: usize = 64;

/// A condition, and what it said of the newest entries.
#[derive(Debug)]
pub(crate) struct Sieve {
    expr: Expr,
    /// At the index modulo its length, the index plus one and, in the lowest bit, the verdict; 0 is
    /// nothing. Only once a second reader has come, because one alone asks once anyhow.
    verdicts: OnceLock<Box<[AtomicU64]>>,
    #[cfg(test)]
    judged: AtomicU64,
}

impl Sieve {
    /// Of one reader.
    pub(crate) fn new(expr: Expr) -> Self {
        Self {
            expr,
            verdicts: OnceLock::new(),
            #[cfg(test)]
            judged: AtomicU64::new(0),
        }
    }

    /// Whether an entry with these terms fits.
    pub(crate) fn fits(&self, terms: &[Term<'_>]) -> bool {
        #[cfg(test)]
        self.judged.fetch_add(1, Ordering::Relaxed);
        self.expr.matches(terms)
    }

    /// The same for the entry at `index` as all readers share it.
    ///
    /// IMPORTANT: not for entries from the store, whose terms a redaction can change.
    pub(crate) fn fits_shared(&self, index: Index, terms: &[Term<'_>]) -> bool {
        let Some(place) = self.place(index) else { return self.fits(terms) };
        let name = index.0.wrapping_add(1).wrapping_shl(1);
        // One word holds both, so no order with anything else is needed.
        let held = place.load(Ordering::Relaxed);
        if held & !1 == name {
            return held & 1 == 1;
        }
        let fits = self.fits(terms);
        place.store(name | u64::from(fits), Ordering::Relaxed);
        fits
    }

    fn place(&self, index: Index) -> Option<&AtomicU64> {
        let verdicts = self.verdicts.get()?;
        let length = u64::try_from(verdicts.len()).ok()?;
        verdicts.get(usize::try_from(index.0.checked_rem(length)?).ok()?)
    }

    /// Whether everything fits.
    pub(crate) fn is_open(&self) -> bool {
        self.expr == Expr::All(Vec::new())
    }

    fn share(&self) {
        // Otherwise there is nothing to remember.
        if !self.is_open() {
            self.verdicts.get_or_init(|| (0..TAIL_VERDICTS).map(|_| AtomicU64::new(0)).collect());
        }
    }
}

/// The conditions of all readers.
#[derive(Debug, Default)]
pub(crate) struct Sieves {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    of: HashMap<Expr, Weak<Sieve>>,
    /// How large it was after those were dropped that nobody had.
    swept: usize,
}

impl Sieves {
    /// The one of `expr`, which others may have, too.
    pub(crate) fn get(&self, expr: Expr) -> Arc<Sieve> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sieve) = table.of.get(&expr).and_then(Weak::upgrade) {
            sieve.share();
            return sieve;
        }
        // At least half of them are new since the last time, so that this costs each a constant.
        if table.of.len() >= table.swept.saturating_mul(2).max(SWEEP_LEAST) {
            table.of.retain(|_, sieve| sieve.strong_count() > 0);
            table.swept = table.of.len();
        }
        let sieve = Arc::new(Sieve::new(expr.clone()));
        table.of.insert(expr, Arc::downgrade(&sieve));
        sieve
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use schemas::query::Query;
    use schemas::terms::Key;

    use super::*;

    fn expr(query: &str) -> Expr {
        Query::parse(query).unwrap().expr
    }

    fn term(n: u64) -> [Term<'static>; 1] {
        [Term { key: Key::Agent, value: n.to_string().into() }]
    }

    #[test]
    fn each_entry_is_judged_once_for_all_readers() {
        let sieves = Sieves::default();
        let readers: Vec<_> = (0..100).map(|_| sieves.get(expr("agent:1*"))).collect();
        for n in 0..200 {
            for reader in &readers {
                assert_eq!(reader.fits_shared(Index(n), &term(n)), n.to_string().starts_with('1'));
            }
        }
        assert_eq!(readers.first().unwrap().judged.load(Ordering::Relaxed), 200);
        // Another condition, and an entry that takes the place of an older one.
        assert!(!sieves.get(expr("agent:2")).fits_shared(Index(1), &term(1)));
        let later = u64::try_from(TAIL_VERDICTS).unwrap() + 1;
        let first = readers.first().unwrap();
        assert!(!first.fits_shared(Index(later), &term(2)));
        assert!(first.fits_shared(Index(1), &term(1)));
    }

    #[test]
    fn conditions_that_nobody_has_are_forgotten() {
        let sieves = Sieves::default();
        let kept = sieves.get(expr("agent:kept"));
        for n in 0..10_000 {
            sieves.get(expr(&format!("agent:{n}")));
        }
        assert!(sieves.table.lock().unwrap().of.len() <= SWEEP_LEAST * 2);
        assert!(Arc::ptr_eq(&kept, &sieves.get(expr("agent:kept"))));
        assert!(sieves.get(expr("")).verdicts.get().is_none());
        assert!(sieves.get(expr("")).verdicts.get().is_none(), "there is nothing to remember");
    }
}
