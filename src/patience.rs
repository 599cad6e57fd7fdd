//! For tests: a lock that was given back may be held for a moment longer by a child that another test
//! has forked and that has not become its program yet.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Tries until it works, at most ten seconds.
pub(crate) fn soon<T, E: Debug>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < end, "{error:?}"),
        }
        std::thread::yield_now();
    }
}
