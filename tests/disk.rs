//! A disk with too little room: events wait, what operators say does not, readers are answered, and nothing is lost.

use schemas::kind::Stream;
use serde_json::Value;

use crate::harness::{PATIENCE, World, until};
use crate::signer::intent;

/// In MiB: more than any disk has free.
const SHORT: u32 = 1 << 30;

fn events(world: &World) -> usize {
    let page = world.get("/api/v1/entries?q=kind%3Aaction.intent%20since%3A0");
    page["items"].as_array().unwrap().len()
}

fn code(mut response: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let problem: Value = response.body_mut().read_json().unwrap();
    (response.status().as_u16(), problem["code"].clone())
}

#[test]
fn events_wait_until_the_disk_has_room() {
    let mut world = World::new();
    let mut agent = world.agent("agent-1");
    world.stop();
    world.reserve_mib = SHORT;
    world.serve_readers();
    // Behind the event, and receipted.
    let publisher = world.connect(&agent.id);
    let event = agent.event(intent("agent-1", "w"));
    world.runtime.block_on(publisher.publish(event.into(), Stream::In)).unwrap();
    world.agent("agent-2");
    assert_eq!(events(&world), 0);

    let ask: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let unready = ask.get(world.url("/readyz")).call().unwrap();
    assert_eq!(code(unready), (503, "disk-short".into()));
    let submissions = world.url("/api/v1/submissions");
    let send = |message: &[u8]| ask.post(&submissions).send(message).unwrap();
    let second = agent.event(intent("agent-1", "w"));
    assert_eq!(code(send(&second)), (503, "disk-short".into()));
    let disable = world.operator.event(serde_json::json!({
        "kind": "agent.disabled", "agent": {"id": "agent-2"},
    }));
    assert_eq!(send(&disable).status().as_u16(), 200);
    assert!(world.log().contains("the disk is short"), "{}", world.log());
    world.stop();

    world.reserve_mib = 0;
    world.serve();
    let ready = world.get("/readyz");
    assert!(ready["age_s"].as_u64().unwrap() <= PATIENCE.as_secs(), "{ready}");
    until("the event that waited", || (events(&world) == 1).then_some(()));
    assert_eq!(send(&second).status().as_u16(), 200);
    assert_eq!(events(&world), 2);
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
