//! One hostile message does not stop the others, and ends like any other.

use std::time::Duration;

use schemas::kind::{Kind, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{World, deadline, only, receipt, soon};

/// Publishes what no client library would.
struct Raw(TcpStream);

impl Raw {
    async fn connect(port: u16) -> Self {
        let mut raw = Self(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        raw.0
            .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n")
            .await
            .unwrap();
        raw.flush().await;
        raw
    }

    async fn publish(&mut self, subject: &[u8], headers: Option<&[u8]>, payload: &[u8]) {
        let head = match headers {
            None => format!(" {}\r\n", payload.len()),
            Some(headers) => format!(" {} {}\r\n", headers.len(), headers.len() + payload.len()),
        };
        let verb: &[u8] = if headers.is_some() { b"HPUB " } else { b"PUB " };
        let parts = [verb, subject, head.as_bytes(), headers.unwrap_or_default(), payload, b"\r\n"];
        self.0.write_all(&parts.concat()).await.unwrap();
    }

    /// Returns when the server has read everything.
    async fn flush(&mut self) {
        self.0.write_all(b"PING\r\n").await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"PONG\r\n") {
            let mut bytes = [0; 4096];
            let read = soon(self.0.read(&mut bytes)).await.unwrap();
            text.extend(&bytes[..read]);
            assert!(read > 0 && !text.windows(4).any(|part| part == b"-ERR"), "{text:?}");
        }
    }
}

const HEADERS: &[&[u8]] = &[
    b"NATS/1.0\r\nx: a\rb\r\n\r\n",
    b"NATS/1.0\r\nx: \xff\r\n\r\n",
    b"garbage",
    b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
    b"NATS/1.0 100\r\n\r\n",
    b"NATS/1.0\r\nNats-Rollup: all\r\n\r\n",
    b"NATS/1.0\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
];
const TOKENS: &[&[u8]] = &[b"*", b">", b"\xff\xfe", b"a\x01b", b"\xe2\x80\xae"];

#[tokio::test(flavor = "multi_thread")]
async fn odd_headers_and_subjects_stop_nobody() {
    let mut world = World::new().await;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let mut raw = Raw::connect(world.port).await;
    let own = format!("sworn.v1.test.in.{}", agent.id.token());
    let mut accepted = 0;
    // One after the other while submissions come in, then all at once as a backlog.
    for headers in HEADERS {
        raw.publish(own.as_bytes(), Some(headers), &agent.act()).await;
        raw.flush().await;
        let reply = publisher.publish_until_receipted(agent.act(), Stream::In, deadline());
        receipt(&only(&reply.await.unwrap()));
        accepted += 1;
    }
    let size = running.ledger.head().size.0;
    running.stop().await;
    for headers in HEADERS {
        raw.publish(own.as_bytes(), Some(headers), &agent.act()).await;
        raw.publish(own.as_bytes(), None, &agent.act()).await;
        accepted += 1;
    }
    for token in TOKENS {
        let subject = [b"sworn.v1.test.in.", *token].concat();
        raw.publish(&subject, None, &agent.act()).await;
    }
    raw.flush().await;
    let running = world.up().await;
    let reply = publisher.publish_until_receipted(agent.act(), Stream::In, deadline());
    receipt(&only(&reply.await.unwrap()));
    accepted += 1;

    // Nothing stays behind at the broker.
    let intruder = world.intruder().await;
    let mut stream = intruder.get_stream("SWORN_test_IN").await.unwrap();
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    soon(async {
        while stream.info().await.unwrap().state.messages > 0 {
            looks.tick().await;
        }
    })
    .await;
    // All odd headers but the one that the server itself refuses: it would remove other messages.
    let odd = 2 * (HEADERS.len() - 1);
    assert_eq!(running.accepted(Kind::ActionIntent), accepted + odd);
    let entries = running.ledger.entries(size..u64::MAX).unwrap();
    let refused = entries.iter().filter(|entry| entry.leaf.status.as_str() == "wrong_subject");
    assert_eq!(refused.count(), TOKENS.len());
    running.stop().await;
    world.audit();
}
