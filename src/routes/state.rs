//! What is known of each route since the server started.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};
use ureq::http::Uri;

use super::Route;

/// A state for each route.
pub(super) struct States(Mutex<Vec<State>>);

/// How a route does.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Findings that wait for an attempt.
    pub(super) waiting: usize,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// Why the last attempt failed; none once one worked.
    pub(super) error: Option<String>,
}

impl States {
    pub(super) fn new(routes: usize) -> Self {
        Self(Mutex::new(vec![State::default(); routes]))
    }

    pub(super) fn set(&self, place: usize, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.states().get_mut(place) {
            change(state);
        }
    }

    pub(super) fn to_json(&self, routes: &[Route]) -> Json {
        let states = self.states();
        let items = routes.iter().zip(states.iter()).map(|(route, state)| {
            json!({
                "name": route.name,
                "url": shown(&route.url),
                "rate_per_minute": route.rate_per_minute,
                "attempts": route.attempts,
                "waiting": state.waiting,
                "delivered": state.delivered,
                "failed": state.failed,
                "error": state.error,
            })
        });
        items.collect()
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scheme and host: the rest may be a secret.
pub(super) fn shown(url: &str) -> Option<String> {
    let uri = url.parse::<Uri>().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_host_is_shown() {
        let url = "https://hooks.example:8443/T0/secret?key=x";
        assert_eq!(shown(url).as_deref(), Some("https://hooks.example:8443"));
        assert_eq!(shown("nonsense"), None);
    }
}
