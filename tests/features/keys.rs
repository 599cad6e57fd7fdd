//! Keys and signatures: whose event it is, and one fate for each.

use schemas::kind::Stream;
use schemas::reply::Fate;
use schemas::submission;
use serde_json::json;

use super::stage::{OPERATOR, Stage, intent, start};
use crate::signer::{Signer, tenant};

#[test]
fn feature_3_an_agents_own_signature_decides() {
    let mut stage = Stage::new();
    stage.agent("a");
    let (message, stream) = stage.sign("a", start("a", "w", "t"));
    let mut flipped = message.clone();
    // The signature ends the statement, which comes first.
    let signature = submission::open(&message).unwrap().statement().bytes().len() - 1;
    let place = message
        .windows(8)
        .position(|w| w == &submission::open(&message).unwrap().statement().bytes()[..8]);
    flipped[place.unwrap() + signature] ^= 1;
    let reason = |stage: &Stage, message: &[u8]| match &stage.submit("a", message, stream).outcomes
        [0]
    .fate
    {
        Fate::Rejected(reject) => reject.reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&stage, &flipped), "bad_signature");
    let mut stranger = Signer::new("a");
    assert_eq!(reason(&stage, &stranger.event(start("a", "w", "t"))), "unregistered_key");
    stage.agent("b");
    // A's key over a body that says B.
    let mut forged = start("b", "w", "t");
    forged["signer"] = "b".into();
    let (message, _) = stage.sign("a", forged);
    let refused = stage.submit("a", &message, Stream::In);
    let Fate::Rejected(reject) = &refused.outcomes[0].fate else { panic!("{refused:?}") };
    assert_eq!(reject.reason.as_str(), "wrong_signer");
    assert_eq!(stage.find("status:rejected").len(), 3);
}

#[test]
fn feature_3_of_256_bodies_one_altered_is_refused() {
    let mut stage = Stage::new();
    stage.agent("a");
    let mut bodies = Vec::new();
    for _ in 0..256 {
        let (message, _) = stage.sign("a", intent("a", "w", "x", "t"));
        bodies.push(super::stage::body_of(&message));
    }
    let signer = Signer::new("a");
    stage.say(
        OPERATOR,
        json!({
            "kind": "key.enrolled",
            "registry": { "signer": "a", "key": schemas::id::hex(signer.public().as_bytes()) },
        }),
    );
    let items: Vec<_> = bodies.iter().map(|body| (body.clone(), None)).collect();
    let mut message = submission::sign(&signer.key, &signer.id, &tenant(), &items);
    let last = bodies[100].clone();
    let place = message.windows(last.len()).position(|w| w == last).unwrap();
    // A byte of the salt: the body still parses.
    let salt = last.windows(4).position(|w| w == b"salt").unwrap() + 8;
    message[place + salt] ^= 1;
    let reply = stage.submit("a", &message, Stream::In);
    let committed = reply.outcomes.iter().filter(|o| matches!(o.fate, Fate::Committed(_))).count();
    assert_eq!((committed, reply.outcomes.len()), (255, 256));
    let Fate::Rejected(reject) = &reply.outcomes[100].fate else { panic!("accepted") };
    assert_eq!(reject.reason.as_str(), "digest_mismatch");
}

#[test]
fn feature_23_rotation_touches_one_agent_and_what_was_signed_before_stays() {
    let mut stage = Stage::new();
    stage.agent("a");
    stage.agent("b");
    let (old, stream) = stage.sign("a", start("a", "w", "t"));
    let first = stage.submit("a", &old, stream);
    let new = Signer::new("a");
    let replaces = stage.kid("a");
    stage.say(OPERATOR, json!({
        "kind": "key.rotated",
        "registry": {
            "signer": "a", "replaces": replaces, "key": schemas::id::hex(new.public().as_bytes()),
        },
    }));
    let again = stage.submit("a", &old, stream);
    assert!(matches!(again.outcomes[0].fate, Fate::Duplicate(_)), "{again:?}");
    assert_eq!(again.outcomes[0].index, first.outcomes[0].index);
    let (reason, ..) = stage.refused("a", intent("a", "w", "x", "t"));
    assert_eq!(reason, "revoked_key");
    stage.say("b", start("b", "w", "t"));
    let mut new = new;
    let message = new.event(intent("a", "w", "x", "t"));
    let reply = stage.submit("a", &message, Stream::In);
    assert!(matches!(reply.outcomes[0].fate, Fate::Committed(_)), "{reply:?}");
}

#[test]
fn feature_44_each_submission_has_one_fate() {
    let mut stage = Stage::new();
    stage.agent("a");
    stage.agent("b");
    let (message, stream) = stage.sign("a", start("a", "w", "t"));
    let first = stage.submit("a", &message, stream).outcomes[0].clone();
    let again = stage.submit("a", &message, stream).outcomes[0].clone();
    let (Fate::Committed(receipt), Fate::Duplicate(same)) = (&first.fate, &again.fate) else {
        panic!("{first:?} {again:?}");
    };
    assert_eq!((receipt, first.index), (same, again.index));
    let id = first.id.unwrap().to_string();
    let mut other = intent("a", "w", "x", "t");
    other["id"] = id.clone().into();
    let (reason, path, _) = stage.refused("a", other.clone());
    assert_eq!((reason.as_str(), path.as_str()), ("id_conflict", "id"));
    other["agent"] = json!({ "id": "b" });
    other["principals"] = json!([{ "type": "agent", "id": "b" }]);
    let taken = stage.say("b", other);
    assert_eq!(taken.id, id, "another signer may use an id too");
    let bad = vec![0xff; 40];
    let before = stage.get("/status")["size"].as_u64().unwrap();
    for _ in 0..100 {
        let reply = stage.submit("a", &bad, stream);
        assert!(matches!(reply.outcomes[0].fate, Fate::Rejected(_)));
    }
    assert_eq!(
        stage.get("/status")["size"].as_u64().unwrap(),
        before + 1,
        "one leaf for all of them"
    );
}
