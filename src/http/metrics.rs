//! `/metrics`: what a monitoring system reads, as text (Prometheus exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use ingest::Connection;

use super::Health;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The first status; there are five hundred.
const FIRST: u16 = 100;
const STATUSES: usize = 500;

/// Counters of the listener.
#[derive(Debug)]
pub(crate) struct Metrics {
    statuses: [AtomicU64; STATUSES],
    tails: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { statuses: [const { AtomicU64::new(0) }; STATUSES], tails: AtomicU64::new(0) }
    }
}

/// An open tail, while it is.
struct Open(Arc<Metrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tails.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn answered(&self, response: &Response) {
        let place = usize::from(response.status().as_u16().saturating_sub(FIRST));
        if let Some(count) = self.statuses.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a tail for as long as somebody reads it.
    pub(super) fn following(self: &Arc<Self>, response: Response) -> Response {
        self.tails.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(self));
        response.map(|body| {
            Body::from_stream(body.into_data_stream().map(move |chunk| {
                let _open = &open;
                chunk
            }))
        })
    }
}

/// What is measured, and where it is read.
#[derive(Clone)]
pub(super) struct Measured {
    pub(super) health: Health,
    pub(super) metrics: Arc<Metrics>,
}

/// `GET /metrics`.
pub(super) async fn metrics(State(measured): State<Measured>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], text(&measured)).into_response()
}

fn text(Measured { health, metrics }: &Measured) -> String {
    let head = health.ledger.head();
    let age_s = health.head_age_s();
    let is_up = u64::from(*health.connection.borrow() != Connection::Down);
    let room = *health.room.borrow();
    let tails = metrics.tails.load(Ordering::Relaxed);
    let mut text = String::new();
    for (name, kind, help, value) in [
        ("sworn_log_entries", "counter", "Entries of the log", head.size.0),
        (
            "sworn_published_entries",
            "gauge",
            "Size of the newest published checkpoint",
            head.published.0.0,
        ),
        ("sworn_head_age_seconds", "gauge", "Time since the last commit", age_s),
        ("sworn_broker_up", "gauge", "Whether submissions come in by the broker", is_up),
        ("sworn_disk_free_bytes", "gauge", "What is free on the store's disk", room.free),
        ("sworn_disk_reserve_bytes", "gauge", "With less free, events wait", room.reserve),
        ("sworn_tails_open", "gauge", "Live streams that are being read", tails),
    ] {
        family(&mut text, name, kind, help);
        let _infallible = writeln!(text, "{name} {value}");
    }
    let help = "Submissions refused since the start, by reason, repeats and floods included";
    family(&mut text, "sworn_rejections_total", "counter", help);
    for (reason, count) in health.ledger.refusals() {
        let _infallible = writeln!(text, "sworn_rejections_total{{reason=\"{reason}\"}} {count}");
    }
    family(&mut text, "sworn_http_requests_total", "counter", "Answers by status");
    for (status, count) in (FIRST..).zip(&metrics.statuses) {
        let count = count.load(Ordering::Relaxed);
        if count > 0 {
            let _infallible =
                writeln!(text, "sworn_http_requests_total{{status=\"{status}\"}} {count}");
        }
    }
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _infallible = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}
