//! `count`: how many entries fit a query; `histogram`: how many in each span of time.

use axum::Json;
use axum::extract::State;
use ledger::Ledger;
use schemas::id::{Index, Micros};
use schemas::limits::HISTOGRAM_BUCKETS_MAX;
use schemas::query::duration_us;
use schemas::shape::time_json;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::execute::{Hit, Rest};
use crate::params::Params;
use crate::search::Search;
use crate::source::Order;
use crate::window::Window;

const COUNT: &[&str] = &["q", "since", "until", "after", "cursor", "explain"];
const HISTOGRAM: &[&str] = &["q", "since", "until", "after", "cursor", "explain", "step"];

pub(crate) async fn count(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(COUNT)?;
    api.read(move |api| read_count(api, &params)).await.map(Json)
}

fn read_count(api: &Api, params: &Params) -> Result<Value, Error> {
    let search = Search::of(api, params, "count", Some(Order::Oldest))?;
    let (mut count, mut damaged, mut rest) = (0u64, 0u64, Rest::default());
    let mut hits = search.hits(api)?;
    if let Some(hits) = &mut hits {
        let Window { from, to, .. } = search.window();
        let known = hits.plan.count(&api.ledger, from, to)?;
        if let Some(known) = known.filter(|_| search.is_first()) {
            count = known;
        } else {
            loop {
                match hits.next()? {
                    Hit::Fits(..) => count += 1,
                    Hit::Damaged(_) => damaged += 1,
                    Hit::Spent(reached) => {
                        rest = Rest::spent(reached);
                        break;
                    }
                    Hit::End => break,
                }
            }
        }
    }
    let members = [("count", json!(count)), ("damaged", json!(damaged))];
    search.answer(api, members, hits.as_ref(), rest)
}

pub(crate) async fn histogram(
    State(api): State<Api>,
    params: Params,
) -> Result<Json<Value>, Error> {
    let params = params.only(HISTOGRAM)?;
    api.read(move |api| read_histogram(api, &params)).await.map(Json)
}

fn read_histogram(api: &Api, params: &Params) -> Result<Value, Error> {
    let step = params.get("step").and_then(duration_us).filter(|step| *step > 0);
    let expected = "a span of time, as 5m or 1h";
    let step = step.ok_or(Error::InvalidParameter { param: "step", expected })?;
    let search = Search::of(api, params, "histogram", Some(Order::Oldest))?;
    let mut buckets = Buckets { ledger: &api.ledger, step, done: Vec::new(), end: 0 };
    let (mut damaged, mut rest) = (0u64, Rest::default());
    let mut hits = search.hits(api)?;
    while let Some(hits) = &mut hits {
        match hits.next()? {
            Hit::Fits(index, _) => {
                if !buckets.add(index)? {
                    rest.next = Some(index);
                    break;
                }
            }
            Hit::Damaged(_) => damaged += 1,
            Hit::Spent(reached) => {
                rest = Rest::spent(reached);
                break;
            }
            Hit::End => break,
        }
    }
    let items: Vec<_> = buckets.done.iter().map(Bucket::to_json).collect();
    let members = [
        ("step_s", json!(step / 1_000_000)),
        ("items", Value::Array(items)),
        ("damaged", json!(damaged)),
    ];
    search.answer(api, members, hits.as_ref(), rest)
}

/// Entries received within one step, which began at `start`.
struct Bucket {
    start: Micros,
    entries: u64,
}

impl Bucket {
    fn to_json(&self) -> Value {
        json!({ "start": time_json(self.start), "entries": self.entries })
    }
}

/// Steps of time that hold entries; times of receipt never decrease.
struct Buckets<'l> {
    ledger: &'l Ledger,
    step: u64,
    done: Vec<Bucket>,
    /// First index that is not in the last one.
    end: u64,
}

impl Buckets<'_> {
    /// Counts the entry; false if it needs a bucket more than a page has.
    fn add(&mut self, index: u64) -> Result<bool, Error> {
        if let Some(last) = self.done.last_mut().filter(|_| index < self.end) {
            last.entries += 1;
            return Ok(true);
        }
        if self.done.len() == HISTOGRAM_BUCKETS_MAX {
            return Ok(false);
        }
        let Micros(at) = self.ledger.leaf(Index(index))?.received_at;
        let start = at - at % self.step;
        self.end = self.ledger.index_at(Micros(start.saturating_add(self.step)))?.0;
        self.done.push(Bucket { start: Micros(start), entries: 1 });
        Ok(true)
    }
}
