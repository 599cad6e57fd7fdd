//! Places for open tails: so many in all, and so many of one reader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::limits::{TAIL_STREAMS_MAX, TAIL_STREAMS_PER_READER_MAX};

use crate::refusal::Refusal;

/// Who sits where.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of readers whose name is known; nobody is kept who has none open.
    of: HashMap<Arc<str>, usize>,
}

/// One open tail's place; free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    reader: Option<Arc<str>>,
}

impl Places {
    /// A place for `reader`.
    ///
    /// # Errors
    /// [`Refusal::Full`] and [`Refusal::TooMany`].
    pub(crate) fn take(self: &Arc<Self>, reader: Option<Arc<str>>) -> Result<Place, Refusal> {
        let mut taken = self.lock();
        if taken.all >= TAIL_STREAMS_MAX {
            return Err(Refusal::Full);
        }
        if let Some(reader) = &reader {
            let open = taken.of.entry(Arc::clone(reader)).or_default();
            if *open >= TAIL_STREAMS_PER_READER_MAX {
                return Err(Refusal::TooMany);
            }
            *open = open.saturating_add(1);
        }
        taken.all = taken.all.saturating_add(1);
        drop(taken);
        Ok(Place { places: Arc::clone(self), reader })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        let Some(reader) = &self.reader else { return };
        if let Some(open) = taken.of.get_mut(reader) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                taken.of.remove(reader);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_reader_does_not_take_the_places_of_others() {
        let places = Arc::new(Places::default());
        let take = |name: &str| places.take(Some(name.into()));
        let mut held: Vec<_> =
            (0..TAIL_STREAMS_PER_READER_MAX).map(|_| take("greedy").unwrap()).collect();
        assert!(matches!(take("greedy"), Err(Refusal::TooMany)));
        assert!(take("modest").is_ok() && places.take(None).is_ok());
        held.pop();
        held.push(take("greedy").unwrap());
        assert!(take("greedy").is_err());
        drop(held);
        let taken = places.lock();
        assert!(taken.all == 0 && taken.of.is_empty());
    }

    #[test]
    fn the_places_are_counted() {
        let places = Arc::new(Places::default());
        let mut held: Vec<_> = (0..TAIL_STREAMS_MAX).map(|_| places.take(None).unwrap()).collect();
        assert!(matches!(places.take(None), Err(Refusal::Full)));
        held.pop();
        assert!(places.take(None).is_ok());
    }
}
