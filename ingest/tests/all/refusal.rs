//! A broker that would lose or withhold messages is refused by name.

use std::os::unix::fs::PermissionsExt as _;

use ingest::{IngestError, Refusal, ServerError, Version};
use serde_json::{Value, json};

use crate::world::{World, soon};

#[test]
fn an_old_server_is_refused_naming_found_and_needed() {
    let directory = tempfile::tempdir().unwrap();
    let fake = directory.path().join("nats-server");
    let check = |output: &str| {
        std::fs::write(&fake, format!("#!/bin/sh\necho '{output}'\n")).unwrap();
        std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
        ingest::find(Some(&fake))
    };
    let old = check("nats-server: v2.9.10").unwrap_err();
    let text = old.to_string();
    assert!(text.contains("2.9") && text.contains("2.12"), "{text}");
    let ServerError::TooOld { found, .. } = old else { panic!("{old}") };
    assert_eq!(found, Version { major: 2, minor: 9 });
    assert!(matches!(check("something else 3.0"), Err(ServerError::Other(_))));
    assert_eq!(check("nats-server: v2.12.0").unwrap(), fake);
}

async fn refusal(world: &mut World) -> Refusal {
    match soon(world.run().task).await.unwrap() {
        Err(IngestError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_settings_is_refused_by_name() {
    let mut world = World::new().await;
    world.up().await.stop().await;
    let intruder = world.intruder().await;
    let shown: Value = intruder.request("STREAM.INFO.SWORN_test_IN", &json!({})).await.unwrap();
    let config = &shown["config"];
    for (setting, value) in [
        ("max_bytes", json!(1 << 20)),
        ("duplicate_window", json!(120_000_000_000_u64)),
        ("allow_rollup_hdrs", json!(true)),
        ("allow_msg_ttl", json!(true)),
        ("subjects", json!(["sworn.v1.test.in.*", "other"])),
        ("retention", json!("limits")),
        ("discard", json!("old")),
        ("storage", json!("memory")),
        ("deny_purge", json!(true)),
        ("persist_mode", json!("async")),
    ] {
        let _: Value = intruder.request("STREAM.DELETE.SWORN_test_IN", &json!({})).await.unwrap();
        let mut other = config.clone();
        other[setting] = value.clone();
        let made: Value = intruder.request("STREAM.CREATE.SWORN_test_IN", &other).await.unwrap();
        assert_eq!(made["config"][setting], value, "{made}");
        let refused = refusal(&mut world).await;
        let Refusal::Setting { place, setting: named, found, .. } = &refused else {
            panic!("{refused}")
        };
        assert_eq!((place.as_str(), named.as_str()), ("SWORN_test_IN", setting), "{refused}");
        assert_eq!(*found, value.to_string());
    }
    let _: Value = intruder.request("STREAM.DELETE.SWORN_test_IN", &json!({})).await.unwrap();
    world.up().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_consumer_of_our_stream_is_refused() {
    let mut world = World::new().await;
    world.up().await.stop().await;
    let intruder = world.intruder().await;
    let stream = intruder.get_stream("SWORN_test_IN").await.unwrap();
    let names: Vec<_> =
        futures_util::TryStreamExt::try_collect(stream.consumer_names()).await.unwrap();
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
    let thief = json!({
        "stream_name": "SWORN_test_IN", "action": "create",
        "config": { "name": "thief", "durable_name": "thief", "ack_policy": "explicit" },
    });
    let request = "CONSUMER.CREATE.SWORN_test_IN.thief";
    let made: Value = intruder.request(request, &thief).await.unwrap();
    assert_eq!(made["name"], "thief", "{made}");
    let stream = "SWORN_test_IN".to_owned();
    let expected = Refusal::ForeignConsumer { stream, consumer: "thief".to_owned() };
    assert_eq!(refusal(&mut world).await, expected);
}
