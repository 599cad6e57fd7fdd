//! Streams and consumers at the broker: made if absent, read back, compared.
//!
//! Requests and answers stay JSON in nats-server's own names, so that what is compared is exactly what
//! was asked for: a server drops what it does not know.

use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, ErrorCode, consumer};
use schemas::kind::Stream;
use schemas::limits::{ACK_PENDING_MAX, ACK_WAIT_S, BROKER_REQUEST_S_MAX, MESSAGE_BYTES_MAX};
use serde_json::{Map, Value, json};

use crate::broker::Config;
use crate::error::{Refusal, Trouble};
use crate::subjects::Subjects;

/// Prefix of our consumers' names. The rest is the epoch, so that an acknowledgement which was under
/// way when the broker lost its store cannot hit another message with the same sequence.
const CONSUMER_PREFIX: &str = "ledger-";
/// Window of the broker's own deduplication, the shortest there is: its ids are one namespace for all
/// publishers, so that one could suppress another's message.
const DUPLICATE_WINDOW_NS: u64 = 100_000_000;

/// One life of a stream at the broker: it ends when the stream is deleted or the broker's disk is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    /// When the stream was created, in nanoseconds.
    pub(crate) created_ns: u64,
    /// Sequence of the last message stored.
    pub(crate) last_sequence: u64,
}

/// JetStream over a connection, whose requests end in time.
pub(crate) fn context(client: async_nats::Client) -> jetstream::Context {
    ContextBuilder::new().timeout(Duration::from_secs(BROKER_REQUEST_S_MAX)).build(client)
}

/// The settings that a stream must have. `null` must not be set.
fn stream_settings(config: &Config, stream: Stream) -> Value {
    let subjects = Subjects::new(&config.tenant);
    json!({
        "name": subjects.stream_name(stream),
        "subjects": [subjects.wildcard(stream)],
        "retention": "workqueue",
        "discard": "new",
        "storage": "file",
        "num_replicas": config.replicas,
        "max_bytes": config.max_bytes,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_consumers": -1,
        "max_age": 0,
        "duplicate_window": DUPLICATE_WINDOW_NS,
        "no_ack": false,
        "sealed": false,
        // What is erased in the ledger must be able to leave the broker.
        "deny_delete": false,
        "deny_purge": false,
        // A publisher's headers must not remove or delay anything.
        "allow_rollup_hdrs": false,
        "allow_msg_ttl": false,
        "allow_msg_schedules": false,
        "allow_msg_counter": false,
        "mirror": null,
        "sources": null,
        "republish": null,
        "subject_transform": null,
        // `async` would take acknowledgements out of step even with the disk cache.
        "persist_mode": null,
    })
}

/// The settings of the stream of committed entries. It is a copy: where it is full, the oldest go.
pub(crate) fn committed_settings(config: &Config) -> Value {
    let subjects = Subjects::new(&config.tenant);
    json!({
        "name": subjects.committed_name(),
        "subjects": [subjects.committed()],
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "num_replicas": config.replicas,
        "max_bytes": config.max_bytes,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_age": 0,
        "no_ack": false,
        "sealed": false,
        // What is erased in the ledger must be able to leave the broker.
        "deny_delete": false,
        "deny_purge": false,
        "allow_rollup_hdrs": false,
        "allow_msg_ttl": false,
        "allow_msg_schedules": false,
        "allow_msg_counter": false,
        "mirror": null,
        "sources": null,
        "republish": null,
        "subject_transform": null,
    })
}

fn consumer_settings(name: &str) -> Value {
    json!({
        "durable_name": name,
        "name": name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "ack_wait": ACK_WAIT_S * 1_000_000_000,
        "max_deliver": -1,
        "max_ack_pending": ACK_PENDING_MAX,
        "headers_only": false,
        "filter_subject": null,
        "filter_subjects": null,
        "deliver_subject": null,
        "backoff": null,
        "rate_limit_bps": null,
        "pause_until": null,
        "inactive_threshold": null,
        "mem_storage": false,
    })
}

/// Makes the stream if it is not there, and compares it with what it must be.
pub(crate) async fn ensure(
    context: &jetstream::Context,
    config: &Config,
    stream: Stream,
) -> Result<Life, Trouble> {
    let name = Subjects::new(&config.tenant).stream_name(stream);
    ensure_as(context, &name, &stream_settings(config, stream)).await
}

/// The same for the stream of this name and these settings.
pub(crate) async fn ensure_as(
    context: &jetstream::Context,
    name: &str,
    wanted: &Value,
) -> Result<Life, Trouble> {
    let show = format!("STREAM.INFO.{name}");
    let info = match ask(context, &show, &json!({})).await {
        Err(Trouble::Answer { error, .. }) if is(&*error, ErrorCode::STREAM_NOT_FOUND) => {
            ask(context, &format!("STREAM.CREATE.{name}"), &set_only(wanted)).await?;
            tracing::info!(stream = name, "stream created");
            ask(context, &show, &json!({})).await?
        }
        answer => answer?,
    };
    compare(name, wanted, info.get("config"))?;
    let info: jetstream::stream::Info =
        serde_json::from_value(info).map_err(|error| unreadable(&show, error))?;
    let created_ns = u64::try_from(info.created.unix_timestamp_nanos()).unwrap_or_default();
    Ok(Life { created_ns, last_sequence: info.state.last_sequence })
}

/// A new consumer in the place of any that an earlier session left.
///
/// The stream holds exactly what was not acknowledged, so a new consumer delivers all of that at once
/// and in order; an old one would keep back for [`ACK_WAIT_S`] what it has delivered to the dead.
pub(crate) async fn consumer(
    context: &jetstream::Context,
    stream: &str,
    epoch: &[u8; 16],
) -> Result<consumer::PullConsumer, Trouble> {
    let name = format!("{CONSUMER_PREFIX}{}", schemas::id::hex(epoch));
    let names = ask(context, &format!("CONSUMER.NAMES.{stream}"), &json!({ "offset": 0 })).await?;
    for old in names.get("consumers").and_then(Value::as_array).into_iter().flatten() {
        remove(context, stream, old.as_str().unwrap_or_default()).await?;
    }
    let wanted = consumer_settings(&name);
    let create = json!({ "stream_name": stream, "config": set_only(&wanted), "action": "create" });
    ask(context, &format!("CONSUMER.CREATE.{stream}.{name}"), &create).await?;
    let show = format!("CONSUMER.INFO.{stream}.{name}");
    let info = ask(context, &show, &json!({})).await?;
    compare(&format!("{stream} consumer {name}"), &wanted, info.get("config"))?;
    let info: consumer::Info =
        serde_json::from_value(info).map_err(|error| unreadable(&show, error))?;
    Ok(consumer::Consumer::new(consumer::pull::Config::default(), info, context.clone()))
}

async fn remove(context: &jetstream::Context, stream: &str, name: &str) -> Result<(), Trouble> {
    if !name.starts_with(CONSUMER_PREFIX) {
        let (stream, consumer) = (stream.to_owned(), name.to_owned());
        return Err(Refusal::ForeignConsumer { stream, consumer }.into());
    }
    match ask(context, &format!("CONSUMER.DELETE.{stream}.{name}"), &json!({})).await {
        Err(Trouble::Answer { error, .. }) if is(&*error, ErrorCode::CONSUMER_NOT_FOUND) => Ok(()),
        answer => answer.map(|_deleted| ()),
    }
}

/// One request to the JetStream API.
pub(crate) async fn ask(
    context: &jetstream::Context,
    request: &str,
    body: &Value,
) -> Result<Value, Trouble> {
    match context.request(request.to_owned(), body).await {
        Ok(Response::Ok(answer)) => Ok(answer),
        Ok(Response::Err { error }) => {
            Err(Trouble::Answer { request: request.to_owned(), error: Box::new(error) })
        }
        Err(source) => Err(Trouble::Request { request: request.to_owned(), source }),
    }
}

pub(crate) fn is(error: &(dyn std::error::Error + 'static), code: ErrorCode) -> bool {
    error.downcast_ref::<jetstream::Error>().is_some_and(|error| error.error_code() == code)
}

pub(crate) fn unreadable(request: &str, error: serde_json::Error) -> Trouble {
    Trouble::Answer { request: request.to_owned(), error: Box::new(error) }
}

/// The settings without those that must stay unset.
fn set_only(settings: &Value) -> Value {
    let pairs = settings.as_object().into_iter().flatten();
    let set = pairs.filter(|(_, value)| !value.is_null());
    Value::Object(set.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Whether everything asked for is what the broker has.
fn compare(place: &str, wanted: &Value, found: Option<&Value>) -> Result<(), Refusal> {
    let none = Map::new();
    let found = found.and_then(Value::as_object).unwrap_or(&none);
    for (setting, wanted) in wanted.as_object().into_iter().flatten() {
        let found = found.get(setting).unwrap_or(&Value::Null);
        if found != wanted && !(is_unset(wanted) && is_unset(found)) {
            return Err(Refusal::Setting {
                place: place.to_owned(),
                setting: setting.clone(),
                wanted: wanted.to_string(),
                found: found.to_string(),
            });
        }
    }
    Ok(())
}

/// Servers leave out what has its default.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn names_the_setting_that_differs() {
        let wanted = json!({ "a": 1, "b": false, "c": null, "d": ["x"] });
        let check = |found: Value, expected: Option<&str>| match compare("S", &wanted, Some(&found))
        {
            Ok(()) => assert_eq!(expected, None, "{found}"),
            Err(Refusal::Setting { setting, .. }) => {
                assert_eq!(expected, Some(&*setting), "{found}")
            }
            Err(other) => panic!("{other}"),
        };
        check(json!({ "a": 1, "d": ["x"] }), None);
        check(json!({ "a": 1, "b": false, "c": "default", "d": ["x"], "e": 5 }), None);
        check(json!({ "a": 2, "d": ["x"] }), Some("a"));
        check(json!({ "a": 1, "b": true, "d": ["x"] }), Some("b"));
        check(json!({ "a": 1, "c": "async", "d": ["x"] }), Some("c"));
        check(json!({ "a": 1, "d": ["x", "y"] }), Some("d"));
        check(json!({ "d": ["x"] }), Some("a"));
        assert!(compare("S", &wanted, None).is_err());
    }
}
