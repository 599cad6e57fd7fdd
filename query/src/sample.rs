//! `reports/sample`: entries of a query that chance picks, and the same again for whoever names the same seed.
//!
//! Each entry's rank is SHA-256 of `sworn-sample-v1`, the seed's SHA-256 and the index (8 bytes, big-endian); the lowest ranks are
//! the sample. So whoever has the population, as its digest tells, picks the same without this program.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use schemas::id::{Index, TreeHash, TreeSize, hex, sha256};
use schemas::limits::{
    PAGE_ENTRIES_MAX, SAMPLE_ENTRIES_MAX, SAMPLE_LOOKS_MAX, SAMPLE_POPULATION_MAX,
};
use serde_json::{Value, json};

use crate::api::{Api, scanned_to, tree_json};
use crate::entries::entry_json;
use crate::error::Error;
use crate::execute::{Hits, Place};
use crate::filter::Filter;
use crate::params::Params;
use crate::plan::Plan;
use crate::source::{Order, Walk};
use crate::window::Window;

const PARAMS: &[&str] = &["q", "since", "until", "after", "sample", "seed", "size"];
const DOMAIN: &[u8] = b"sworn-sample-v1";

/// `?q=`, `?sample=` how many, `?seed=` any text, `?size=` of which published checkpoint; else the newest.
pub(crate) async fn read(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_sample(api, &params)).await.map(Json)
}

fn read_sample(api: &Api, params: &Params) -> Result<Value, Error> {
    let expected = "a text to draw lots with, of at least one character";
    let seed = params.get("seed").filter(|seed| !seed.is_empty());
    let seed = seed.ok_or(Error::InvalidParameter { param: "seed", expected })?;
    let mut drawn = Drawn::new(wanted(params)?, seed);
    let (size, root) = checkpoint(api, params)?;
    let filter = Filter::of(params, "sample", Some(Order::Oldest))?;
    // Whenever it is drawn again, `since:90d` is the same.
    let now = api.ledger.leaf(Index(size.0.saturating_sub(1)))?.received_at;
    let window = Window::of(&api.ledger, &filter.query, size, now)?;
    let mut reached = None;
    if let Some(place) = Place::whole(window.from, window.to, filter.order) {
        let plan = Plan::of(&api.ledger, &filter.query.expr)?;
        // One budget for all of it, and no deadline: what is drawn rests on the log, not on how fast it was read.
        let walk = Walk::new(filter.order, SAMPLE_LOOKS_MAX);
        let mut hits = Hits::new(&api.ledger, plan, place, walk);
        reached = drawn.fill(&mut hits, PAGE_ENTRIES_MAX, SAMPLE_POPULATION_MAX)?;
    }
    let mut items = Vec::new();
    for index in drawn.indexes() {
        items.extend(api.ledger.entry(index)?.as_ref().map(entry_json));
    }
    Ok(json!({
        "items": items,
        "seed": seed,
        "population": { "count": drawn.population, "digest": hex(&drawn.digest) },
        "window": window.to_json(),
        "incomplete": scanned_to(reached),
        "as_of": tree_json(size, &root),
    }))
}

fn wanted(params: &Params) -> Result<usize, Error> {
    let wanted = params.get("sample").unwrap_or("25").parse().ok();
    let wanted = wanted.filter(|wanted| (1..=SAMPLE_ENTRIES_MAX).contains(wanted));
    wanted.ok_or(Error::InvalidParameter { param: "sample", expected: "a number from 1 to 1000" })
}

/// Size and root of the published checkpoint that the sample is of: what is drawn can be proved to be in its tree.
fn checkpoint(api: &Api, params: &Params) -> Result<(TreeSize, TreeHash), Error> {
    let (published, _) = api.ledger.head().published;
    let size = match params.get("size") {
        Some(_) => params.size("size")?,
        None => published,
    };
    if size.0 == 0 || size > published {
        return Err(Error::Unknown("checkpoint"));
    }
    Ok((size, api.ledger.root(size)?))
}

/// The lowest ranks so far, and of how many.
struct Drawn {
    wanted: usize,
    seed: [u8; 32],
    lowest: BTreeSet<([u8; 32], Index)>,
    population: u64,
    /// SHA-256 of the digest before and the index, from zeros on: in the order of the log.
    digest: [u8; 32],
}

impl Drawn {
    fn new(wanted: usize, seed: &str) -> Self {
        let (lowest, seed) = (BTreeSet::new(), sha256(seed.as_bytes()));
        Self { wanted, seed, lowest, population: 0, digest: [0; 32] }
    }

    /// Adds the first that fit, at most `most` and so many at a time; returns where the next one is, if there is one.
    fn fill(
        &mut self,
        hits: &mut Hits<'_>,
        together: usize,
        most: u64,
    ) -> Result<Option<u64>, Error> {
        loop {
            let room = usize::try_from(most.saturating_sub(self.population)).unwrap_or(usize::MAX);
            let page = hits.page(together.min(room), |found| found.index())?;
            // How far the looks reach depends on more than the log.
            if page.rest.spent.is_some() {
                return Err(Error::SampleTooLarge);
            }
            page.entries.into_iter().for_each(|index| self.add(index));
            let Some(next) = page.rest.next else { return Ok(None) };
            if self.population >= most {
                return Ok(Some(next));
            }
            hits.resume(next);
        }
    }

    fn add(&mut self, index: Index) {
        let place = index.0.to_be_bytes();
        self.population += 1;
        self.digest = sha256(&[self.digest.as_slice(), &place].concat());
        let rank = sha256(&[DOMAIN, &self.seed, &place].concat());
        self.lowest.insert((rank, index));
        if self.lowest.len() > self.wanted {
            self.lowest.pop_last();
        }
    }

    /// In the order of the log.
    fn indexes(&self) -> BTreeSet<Index> {
        self.lowest.iter().map(|(_, index)| *index).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::query::Query;

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn a_population_ends_where_the_log_says_or_nothing_is_drawn() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 31);
        let ledger = writer.ledger();
        let filled = |budget: usize, most: u64| {
            let plan = Plan::of(&ledger, &Query::parse("").unwrap().expr).unwrap();
            let place = Place::whole(0, 31, Order::Oldest).unwrap();
            let walk = Walk::new(Order::Oldest, budget);
            let mut hits = Hits::new(&ledger, plan, place, walk);
            let mut drawn = Drawn::new(25, "s");
            drawn.fill(&mut hits, 4, most).map(|reached| (drawn.population, reached))
        };
        assert_eq!(filled(1000, 100).unwrap(), (31, None));
        assert_eq!(filled(1000, 10).unwrap(), (10, Some(10)), "the log alone says where it ends");
        let refused = filled(12, 100).unwrap_err();
        assert!(matches!(refused, Error::SampleTooLarge), "{refused}");
    }

    fn drawn(seed: &str, population: u64) -> BTreeSet<Index> {
        let mut drawn = Drawn::new(25, seed);
        (0..population).for_each(|index| drawn.add(Index(index)));
        drawn.indexes()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_others() {
        assert_eq!(drawn("s", 500), drawn("s", 500));
        assert_ne!(drawn("s", 500), drawn("t", 500));
        assert_eq!(drawn("s", 500).len(), 25);
        assert_eq!(drawn("s", 7).len(), 7, "a small population is drawn whole");
    }

    #[test]
    fn every_entry_has_the_same_chance() {
        let mut times = [0u32; 100];
        for seed in 0..400 {
            for Index(index) in drawn(&seed.to_string(), 100) {
                if let Some(times) = times.get_mut(usize::try_from(index).unwrap_or_default()) {
                    *times += 1;
                }
            }
        }
        // Each is drawn 100 times of 400 on average; six standard deviations either way.
        assert!(times.iter().all(|times| (48..=152).contains(times)), "{times:?}");
    }
}
