//! While the disk is short, events wait at the broker; what operators say does not.

use ingest::Room;
use schemas::kind::{Kind, Stream};
use tokio::sync::watch;

use crate::world::{World, deadline, only, receipt};

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_for_room_on_the_disk_and_registrations_do_not() {
    let mut world = World::new().await;
    let (disk, room) = watch::channel(Room { free: 99, reserve: 100 });
    world.room = room;
    let running = world.up().await;
    let (mut agent, publisher) = world.agent("agent-1", 10).await;
    let message = agent.act();
    publisher.publish(message.clone().into(), Stream::In).await.unwrap();
    // Behind the event, and receipted.
    world.agent("agent-2", 11).await;
    assert_eq!(running.accepted(Kind::ActionIntent), 0);

    disk.send_replace(Room { free: 100, reserve: 100 });
    let reply = publisher.publish_until_receipted(message, Stream::In, deadline()).await.unwrap();
    receipt(&only(&reply));
    assert_eq!(running.accepted(Kind::ActionIntent), 1);
    running.stop().await;
    world.audit();
}
