//! A publisher can submit under its own name and read its own receipts, and nothing else.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_nats::jetstream;
use ingest::{Broker, PublishError, Publisher};
use schemas::id::{Digest, sha256};
use schemas::kind::Stream;
use schemas::limits::SUBMISSION_BYTES_MAX;
use tokio::time::Instant;

use crate::signer::{Signer, tenant};
use crate::world::{PATIENCE, World, soon};

/// A nats-server with users: `ledger`, who may do everything, and those whose permissions are given.
async fn guarded(directory: &Path, users: &[(&str, String)]) -> (tokio::process::Child, u16) {
    let users: String = users
        .iter()
        .map(|(name, permissions)| format!("{{ user: {name}, password: p, {permissions} }}\n"))
        .collect();
    let text = format!(
        "port: -1\nhost: 127.0.0.1\nports_file_dir: {directory:?}\n\
         jetstream {{ store_dir: {directory:?} }}\n\
         authorization {{ users: [\n{{ user: ledger, password: p }}\n{users}] }}\n"
    );
    let file = directory.join("nats.conf");
    std::fs::write(&file, text).unwrap();
    let child = tokio::process::Command::new(ingest::find(None).unwrap())
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ports = directory.join(format!("nats-server_{}.ports", child.id().unwrap()));
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let port = soon(async {
        loop {
            looks.tick().await;
            let text = std::fs::read_to_string(&ports).unwrap_or_default();
            let address = text.split('"').find(|part| part.starts_with("nats://"));
            if let Some(address) = address {
                break address.rsplit(':').next().unwrap().parse().unwrap();
            }
        }
    });
    (child, port.await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_suffice_and_allow_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (mut agent, other) = (Signer::new("agent-1", 10), Signer::new("agent-2", 11));
    let users = [
        ("agent", ingest::permissions(&tenant(), &agent.id, false)),
        ("operator", ingest::permissions(&tenant(), &agent.id, true)),
    ];
    let (_child, port) = guarded(directory.path(), &users).await;
    let broker = |user: &str| Broker::at(&format!("nats://{user}:p@127.0.0.1:{port}"));
    let ledger = async_nats::ConnectOptions::with_user_and_password("ledger".into(), "p".into());
    let client = ledger.connect(format!("127.0.0.1:{port}")).await.unwrap();
    let context = jetstream::new(client.clone());
    for (name, subject) in [("IN", "sworn.v1.test.in.*"), ("OP", "sworn.v1.test.op.*")] {
        let subjects = vec![subject.to_owned()];
        let config =
            jetstream::stream::Config { name: name.to_owned(), subjects, ..Default::default() };
        context.create_stream(config).await.unwrap();
    }

    let connect = |user, signer| {
        let broker = broker(user);
        async move { Publisher::connect(&broker, &tenant(), signer).await.unwrap() }
    };
    let id = agent.id.clone();
    let allowed = connect("agent", &id).await;
    let operator = connect("operator", &id).await;
    let message = bytes::Bytes::from(agent.act());
    allowed.publish(message.clone(), Stream::In).await.unwrap();
    operator.publish(message.clone(), Stream::Op).await.unwrap();
    let mut replies = allowed.replies();
    let mailed = format!("sworn.v1.test.receipt.{}", agent.id.token());
    let digest = Digest(sha256(&message));
    let reply = schemas::reply::Reply { message: digest, outcomes: Vec::new() };
    client.publish(mailed, reply.encode().into()).await.unwrap();
    assert_eq!(soon(replies.next()).await.unwrap().message, digest);

    // As somebody else, or on the other stream, nothing arrives: the server does not even answer.
    let forbidden = connect("agent", &other.id).await;
    for (publisher, stream) in [(&forbidden, Stream::In), (&allowed, Stream::Op)] {
        let sent = publisher.publish(message.clone(), stream).await;
        assert!(matches!(sent, Err(PublishError::Unacknowledged(_))), "{sent:?}");
    }
    let raw = async_nats::ConnectOptions::with_user_and_password("agent".into(), "p".into());
    let raw = raw.custom_inbox_prefix(format!("_INBOX_{}", agent.id.token()));
    let raw = raw.connect(format!("127.0.0.1:{port}")).await.unwrap();
    let purge = raw.request("$JS.API.STREAM.PURGE.IN", "".into()).await;
    assert!(purge.is_err(), "{purge:?}");
    let held = context.get_stream("IN").await.unwrap().cached_info().state.messages;
    assert_eq!(held, 1);
    let held = context.get_stream("OP").await.unwrap().cached_info().state.messages;
    assert_eq!(held, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_the_fate_is_unknown_and_what_cannot_go_is_said_at_once() {
    let mut world = World::new().await;
    let mut agent = Signer::new("agent-1", 10);
    let publisher = world.publisher(&agent).await;
    let message = agent.act();
    let soon = Instant::now() + Duration::from_millis(300);
    let end = publisher.publish_until_receipted(message.clone(), Stream::In, soon).await;
    let digest = Digest(sha256(&message));
    assert!(matches!(end, Err(PublishError::Unknown(unknown)) if unknown == digest), "{end:?}");

    let deadline = Instant::now() + PATIENCE;
    let large = vec![0; SUBMISSION_BYTES_MAX + 1];
    let end = publisher.publish_until_receipted(large, Stream::In, deadline).await;
    assert!(matches!(end, Err(PublishError::TooLarge { .. })), "{end:?}");
    let end = publisher.publish_until_receipted(message, Stream::Own, deadline).await;
    assert!(matches!(end, Err(PublishError::NoStream(Stream::Own))), "{end:?}");
    world.stop_server().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_from_before_is_no_answer_to_a_new_attempt() {
    let mut world = World::new().await;
    let running = world.up().await;
    let mut agent = Signer::new("agent-1", 10);
    let publisher = world.publisher(&agent).await;
    let message = agent.act();
    let send =
        || publisher.publish_until_receipted(message.clone(), Stream::In, crate::world::deadline());
    let refused = crate::world::only(&send().await.unwrap());
    assert_eq!(crate::world::reason(&refused), "unregistered_key");
    let operator = world.publisher(&world.operator).await;
    for message in world.operator.register(&agent) {
        let sent = operator.publish_until_receipted(message, Stream::Op, crate::world::deadline());
        sent.await.unwrap();
    }
    crate::world::receipt(&crate::world::only(&send().await.unwrap()));
    running.stop().await;
}
