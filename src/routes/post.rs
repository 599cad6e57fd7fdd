//! One request to a receiver. Its answer is a status; what else it says is not read.

use std::time::Duration;

use schemas::limits::ROUTE_ANSWER_S_MAX;
use ureq::Agent;
use ureq::http::Uri;

use super::Route;
use super::message::Message;
use super::sign::SIGNATURE_HEADER;
use crate::client::is_loopback;
use crate::clock::Clock;

/// Header with the message's id, by which a receiver knows a repetition.
const ID_HEADER: &str = "Sworn-Id";

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// No connection, or no answer in time.
    #[error("no answer: {}", reason(.0))]
    Unreachable(#[source] Box<ureq::Error>),
    /// Redirected; a message is for the address that was configured, and no other.
    #[error("it answers {0}: redirections are not followed")]
    Redirected(u16),
    /// The receiver refuses, or fails.
    #[error("it answers {0}")]
    Refused(u16),
}

/// The kind of an error, without the address, which may be a secret.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "timeout".to_owned(),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::ConnectionFailed => "connection failed".to_owned(),
        ureq::Error::Io(error) => error.kind().to_string(),
        _ => "protocol or TLS failure".to_owned(),
    }
}

/// What was sent, and how it was answered.
pub(super) struct Posted {
    pub(super) signature: String,
    pub(super) answer: Result<u16, PostError>,
}

/// Signs and sends, and waits for the answer; blocks for at most [`ROUTE_ANSWER_S_MAX`] seconds.
pub(super) fn post(route: &Route, message: &Message) -> Posted {
    // A receiver compares with real time, whatever the ledger's clock tells.
    let signature = route.secret.signature(Clock::system().now().0 / 1_000_000, &message.body);
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(ROUTE_ANSWER_S_MAX)))
        .user_agent(concat!("sworn/", env!("CARGO_PKG_VERSION")));
    let uri = route.url.parse::<Uri>().ok();
    if uri.as_ref().and_then(Uri::host).is_some_and(is_loopback) {
        config = config.proxy(None);
    }
    let request = config.build().new_agent().post(&route.url);
    let request = request
        .header("Content-Type", "application/json")
        .header(SIGNATURE_HEADER, &signature)
        .header(ID_HEADER, message.id.to_string());
    let answer = match request.send(message.body.as_slice()) {
        Ok(response) => match response.status().as_u16() {
            status @ 200..=299 => Ok(status),
            status @ 300..=399 => Err(PostError::Redirected(status)),
            status => Err(PostError::Refused(status)),
        },
        Err(error) => Err(PostError::Unreachable(Box::new(error))),
    };
    Posted { signature, answer }
}
