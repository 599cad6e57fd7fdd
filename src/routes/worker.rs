//! One route: it walks the findings, tries those that are its own, and tries again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Head, Ledger, ReadError};
use schemas::id::Index;
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{ROUTE_LOOKS_MAX, ROUTE_PAUSE_MS_MAX, ROUTE_POSTS_MAX, ROUTE_WAITING_MAX};
use schemas::terms::Key;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{AttemptError, Ended, attempt};
use super::rate::Rate;
use super::{Dispatch, assign};

/// Pause between two looks for findings: at most ten a second, however many commits there are.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Pause after the ledger could not be read.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

type Attempted = (u64, u32, Result<Ended, AttemptError>);

/// One route at work.
pub(super) struct Worker {
    dispatch: Arc<Dispatch>,
    place: usize,
    rate: Rate,
    /// The first index that was not looked at.
    next: u64,
    /// Attempts that were made, by when the next is due and of which finding.
    waiting: BTreeMap<(Instant, u64), u32>,
    under_way: JoinSet<Attempted>,
    /// Findings under way.
    posts: Vec<u64>,
}

/// What a look found.
struct Look {
    own: Vec<u64>,
    next: u64,
    then: Then,
}

/// When to look again.
#[derive(Clone, Copy)]
enum Then {
    /// After the next commit.
    Commit,
    /// Soon: more may lie behind.
    Soon,
    /// After a rest: the ledger could not be read.
    Rest,
}

impl Worker {
    pub(super) fn new(dispatch: Arc<Dispatch>, place: usize) -> Self {
        // What no route takes is sent to nobody.
        let rate = dispatch.routes.get(place).map(|route| route.rate_per_minute);
        let next = dispatch.position.at(place);
        Self {
            dispatch,
            place,
            rate: Rate::new(rate),
            next,
            waiting: BTreeMap::new(),
            under_way: JoinSet::new(),
            posts: Vec::new(),
        }
    }

    /// Until `shutdown`. What is under way then is tried again by the next life.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut head = self.dispatch.ledger.watch();
        let mut then = self.look(&mut head).await;
        loop {
            let begins = self.begins();
            let room = self.has_room();
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(ended) = self.under_way.join_next() => match ended {
                    Ok(attempted) => {
                        if self.settle(attempted) {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "an attempt at a delivery ended by itself");
                        return;
                    }
                },
                () = until(begins), if begins.is_some() => self.begin(),
                () = rung(&mut head, then), if room => then = self.look(&mut head).await,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.len() + self.posts.len() + ROUTE_LOOKS_MAX <= ROUTE_WAITING_MAX
    }

    /// Takes in what is this route's.
    async fn look(&mut self, head: &mut watch::Receiver<Arc<Head>>) -> Then {
        let size = head.borrow_and_update().size.0;
        let (dispatch, place, from) = (Arc::clone(&self.dispatch), self.place, self.next);
        let looked = spawn_blocking(move || look(&dispatch, place, from, size)).await;
        match looked {
            Ok(Ok(look)) => {
                let now = Instant::now();
                self.waiting.extend(look.own.into_iter().map(|index| ((now, index), 0)));
                self.next = look.next;
                self.tell();
                look.then
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "findings cannot be read");
                Then::Rest
            }
            Err(error) => {
                tracing::error!(%error, "a look for findings ended by itself");
                Then::Rest
            }
        }
    }

    /// When the next attempt may begin, if one waits.
    fn begins(&self) -> Option<Instant> {
        if self.posts.len() >= ROUTE_POSTS_MAX {
            return None;
        }
        let ((due, _), _) = self.waiting.first_key_value()?;
        Some(self.rate.opens().map_or(*due, |opens| opens.max(*due)))
    }

    fn begin(&mut self) {
        let Some(((_, index), attempts)) = self.waiting.pop_first() else { return };
        self.rate.note(Instant::now());
        self.posts.push(index);
        let (dispatch, place, number) = (Arc::clone(&self.dispatch), self.place, attempts + 1);
        self.under_way.spawn(async move {
            (index, number, attempt(&dispatch, place, Index(index), number).await)
        });
    }

    /// Takes the end of an attempt in; whether that was the end of everything.
    fn settle(&mut self, (index, number, ended): Attempted) -> bool {
        self.posts.retain(|post| *post != index);
        let states = &self.dispatch.states;
        match ended {
            Ok(Ended::Delivered) => states.set(self.place, |state| {
                state.delivered += 1;
                state.error = None;
            }),
            Ok(Ended::Failed(error)) => {
                tracing::warn!(finding = index, error, "a finding could not be delivered");
                states.set(self.place, |state| {
                    state.failed += 1;
                    state.error = Some(error);
                });
            }
            Ok(Ended::Gone | Ended::Unrouted) => {}
            Ok(Ended::Again(error)) => {
                tracing::debug!(finding = index, number, error, "a delivery is tried again");
                states.set(self.place, |state| state.error = Some(error));
                let due = Instant::now() + self.pause(number);
                self.waiting.insert((due, index), number);
            }
            // The ledger takes nothing in any more.
            Err(AttemptError::Door(_)) => return true,
            Err(error) => {
                tracing::error!(finding = index, %error, "a finding cannot be delivered yet");
                self.waiting.insert((Instant::now() + FAULT_PAUSE, index), number - 1);
            }
        }
        self.tell();
        self.dispatch.position.keep();
        false
    }

    fn tell(&self) {
        let waiting = self.waiting.len() + self.posts.len();
        self.dispatch.states.set(self.place, |state| state.waiting = waiting);
        let waiting = self.waiting.keys().map(|(_, index)| *index);
        let settled = waiting.chain(self.posts.iter().copied()).min().unwrap_or(self.next);
        self.dispatch.position.moved(self.place, settled);
    }

    fn pause(&self, number: u32) -> Duration {
        let first = self.dispatch.routes.get(self.place).map(|route| route.pause);
        let mut chance = [0];
        // Without randomness the pause is only less random.
        let _ = getrandom::fill(&mut chance);
        let [chance] = chance;
        pause(first.unwrap_or_default(), number, chance)
    }
}

/// The pause after attempt `number`: twice as long each time, and up to a quarter longer by chance, so that what failed
/// together does not come back together.
fn pause(first: Duration, number: u32, chance: u8) -> Duration {
    let doubled = 2_u32.saturating_pow(number.saturating_sub(1));
    let pause = first.saturating_mul(doubled).min(Duration::from_millis(ROUTE_PAUSE_MS_MAX));
    pause + pause / 4 * u32::from(chance) / 256
}

async fn until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time).await;
    }
}

/// Waits until it is time for another look.
async fn rung(head: &mut watch::Receiver<Arc<Head>>, then: Then) {
    let pause = match then {
        Then::Rest => FAULT_PAUSE,
        Then::Soon | Then::Commit => LOOK_PAUSE,
    };
    // Without a writer there is no more commit: the server ends.
    if matches!(then, Then::Commit) && head.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(pause).await;
}

/// The findings from `from` on that go to `place` and were not delivered yet.
fn look(dispatch: &Dispatch, place: usize, from: u64, size: u64) -> Result<Look, ReadError> {
    let Dispatch { ledger, .. } = dispatch;
    let mut findings = ledger.postings(Key::Kind, Kind::Finding.as_str());
    let (mut own, mut next) = (Vec::new(), from);
    for _look in 0..ROUTE_LOOKS_MAX {
        let found = findings.at_or_after(next)?.filter(|index| index.0 < size);
        let Some(index) = found else { return Ok(Look { own, next: size, then: Then::Commit }) };
        if is_own(dispatch, ledger, place, index)? {
            own.push(index.0);
        }
        next = index.0 + 1;
    }
    Ok(Look { own, next, then: Then::Soon })
}

fn is_own(
    dispatch: &Dispatch,
    ledger: &Ledger,
    place: usize,
    index: Index,
) -> Result<bool, ReadError> {
    let Some(entry) = ledger.entry(index)? else { return Ok(false) };
    let Some(id) = entry.leaf.id.filter(|_| entry.leaf.status == Status::Accepted) else {
        return Ok(false);
    };
    let owner = assign::owner(ledger, &entry)?;
    let routes = &dispatch.routes;
    let assigned = assign::place(ledger, routes, owner.as_deref(), index)?;
    Ok(assigned.unwrap_or(routes.len()) == place && !assign::is_settled(ledger, id, index)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_last_up_to_a_bound() {
        let first = Duration::from_secs(30);
        let seconds = |chance| -> Vec<_> {
            (1..=8).map(|number| pause(first, number, chance).as_secs()).collect()
        };
        assert_eq!(seconds(0), [30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(seconds(128), [33, 67, 135, 270, 540, 1012, 1012, 1012], "by chance later");
        let longest = pause(Duration::MAX, u32::MAX, u8::MAX);
        assert!(longest < Duration::from_millis(ROUTE_PAUSE_MS_MAX) * 5 / 4, "{longest:?}");
    }
}
