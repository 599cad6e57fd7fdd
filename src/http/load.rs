//! How much is done at once, for all and for each reader, and for how long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use schemas::limits::{
    HTTP_BODIES_MAX, HTTP_BODY_S_MAX, HTTP_QUERY_S_MAX, HTTP_REQUESTS_MAX,
    HTTP_REQUESTS_PER_READER_MAX, SUBMISSION_BYTES_MAX,
};
use schemas::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{later, refuse};

/// What all have in common that are turned away here.
const TOO_MUCH: &str = "Too much at once";

/// Requests under way.
#[derive(Debug)]
pub(super) struct Load {
    requests: Arc<Semaphore>,
    bodies: Semaphore,
    of: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(HTTP_REQUESTS_MAX)),
            bodies: Semaphore::new(HTTP_BODIES_MAX),
            of: Arc::default(),
        }
    }
}

/// A request's place among those under way.
#[derive(Debug)]
pub(super) struct Place {
    _request: OwnedSemaphorePermit,
    _reader: Option<OfReader>,
}

/// A request's place among those of its reader. Nobody is kept who has none.
#[derive(Debug)]
struct OfReader {
    of: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    reader: Arc<str>,
}

impl Drop for OfReader {
    fn drop(&mut self) {
        let mut of = lock(&self.of);
        if let Some(count) = of.get_mut(&self.reader) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                of.remove(&self.reader);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    /// A place, or the answer that there is none.
    pub(super) fn take(&self, reader: Option<&Arc<str>>) -> Result<Place, Box<Response>> {
        let reader = match reader.map(|reader| self.of_reader(reader)) {
            Some(None) => {
                let detail = format!("{HTTP_REQUESTS_PER_READER_MAX} of yours are under way");
                let problem = Problem::new("too-many-requests", TOO_MUCH, detail);
                return Err(soon(StatusCode::TOO_MANY_REQUESTS, &problem));
            }
            place => place.flatten(),
        };
        let Ok(request) = Arc::clone(&self.requests).try_acquire_owned() else {
            let detail = format!("{HTTP_REQUESTS_MAX} requests are under way");
            let problem = Problem::new("overloaded", TOO_MUCH, detail);
            return Err(soon(StatusCode::SERVICE_UNAVAILABLE, &problem));
        };
        Ok(Place { _request: request, _reader: reader })
    }

    fn of_reader(&self, reader: &Arc<str>) -> Option<OfReader> {
        let mut of = lock(&self.of);
        let count = of.entry(Arc::clone(reader)).or_default();
        if *count >= HTTP_REQUESTS_PER_READER_MAX {
            return None;
        }
        *count += 1;
        Some(OfReader { of: Arc::clone(&self.of), reader: Arc::clone(reader) })
    }

    /// The request with its body in memory, of which only so many are at once, and none for long.
    pub(super) async fn buffered(&self, request: Request) -> Result<Request, Box<Response>> {
        let Ok(_place) = self.bodies.try_acquire() else {
            let detail = format!("{HTTP_BODIES_MAX} bodies are being received");
            let problem = Problem::new("overloaded", TOO_MUCH, detail);
            return Err(soon(StatusCode::SERVICE_UNAVAILABLE, &problem));
        };
        let (parts, body) = request.into_parts();
        let limit = Duration::from_secs(HTTP_BODY_S_MAX);
        match tokio::time::timeout(limit, to_bytes(body, SUBMISSION_BYTES_MAX)).await {
            Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
            Ok(Err(_broken_or_long)) => {
                let detail = format!("a body has at most {SUBMISSION_BYTES_MAX} bytes");
                let problem = Problem::new("body-too-large", "The body is too large", detail);
                Err(Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &problem)))
            }
            Err(_elapsed) => {
                let detail = format!("the body did not come within {HTTP_BODY_S_MAX} s");
                let problem = Problem::new("body-too-slow", "The body is too slow", detail);
                Err(Box::new(refuse(StatusCode::REQUEST_TIMEOUT, &problem)))
            }
        }
    }
}

/// The answer, if it comes in time. What takes longer goes on and keeps its place: reads cannot be stopped in the
/// middle, and whoever asks again and again must not start more of them. What can be stopped is told when nobody waits
/// any more.
pub(super) async fn in_time(mut request: Request, next: Next, place: Place) -> Response {
    // Dropped with this, as when the client hangs up.
    let (_waits, waiting) = watch::channel(());
    request.extensions_mut().insert(query::Waiting(waiting));
    let answer = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(place);
        response
    });
    match tokio::time::timeout(Duration::from_secs(HTTP_QUERY_S_MAX), answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(%error, "a request failed");
            let problem = Problem::new("failed", "The request failed", "its log says why");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &problem)
        }
        Err(_elapsed) => {
            let detail = format!("no answer within {HTTP_QUERY_S_MAX} s; ask for less");
            *soon(StatusCode::SERVICE_UNAVAILABLE, &Problem::new("too-slow", TOO_MUCH, detail))
        }
    }
}

fn soon(status: StatusCode, problem: &Problem) -> Box<Response> {
    Box::new(later(status, 1, problem))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::http::header;

    use super::*;

    #[test]
    fn one_reader_leaves_room_for_others() {
        let (load, one, two) = (Load::default(), Arc::from("one"), Arc::from("two"));
        let mut places: Vec<_> =
            (0..HTTP_REQUESTS_PER_READER_MAX).map(|_| load.take(Some(&one)).unwrap()).collect();
        let refused = load.take(Some(&one)).unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        assert!(load.take(Some(&two)).is_ok() && load.take(None).is_ok());
        places.pop();
        places.push(load.take(Some(&one)).unwrap());
        places.clear();
        assert!(lock(&load.of).is_empty());
    }
}
