//! `cap_exceeded`: an action ran more often in its hour or day than the contract allows.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "cap_exceeded",
    check,
    "Intents, outcomes and witnesses of a capped action are counted apart, by the hour or \
     by the contract's local day, and the largest of the three is beyond the cap. An \
     outcome that tells of the same execution again does not count twice. See whether the \
     gate that should have stopped it knows the cap; if witnesses lead, the agent does \
     more than it says.",
).about(Sorts::ACTION).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let mut caps = view.memory.caps.iter();
    let over = caps.find(|cap| cap.is_raised && cap.reached > cap.max)?;
    Some(Flag::named(&format!("{} of {}", over.reached, over.max)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn capped(max: u64) -> World {
        let mut world = World::new();
        let caps = json!({ "limits": { "caps": [{ "action": "do", "per": "day", "max": max }] } });
        world.contract("a", "owner", &caps);
        world
    }

    #[test]
    fn the_fifty_first_is_flagged() {
        let mut world = capped(50);
        for _ in 0..50 {
            assert_eq!(world.intent("a", &json!({})), NONE);
            let intent = world.id.clone();
            let sent = json!({ "outcome": { "status": "dispatched" }, "output": null });
            assert_eq!(world.outcome("a", &intent, &sent), NONE);
            assert_eq!(world.outcome("a", &intent, &json!({})), NONE, "one execution, told twice");
        }
        assert_eq!(world.intent("a", &json!({})), ["cap_exceeded 51 of 50"]);
        let intent = world.id.clone();
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE, "told at the intent");
        world.now = time("2026-04-09T00:00:00Z");
        assert_eq!(world.intent("a", &json!({ "time": world.now.0 })), NONE, "another day");
    }

    #[test]
    fn witnesses_and_outcomes_count_without_intents() {
        let mut world = capped(2);
        for n in 0..3 {
            let expected = if n == 2 { vec!["cap_exceeded 3 of 2"] } else { vec![] };
            let reference = format!("r{n}");
            assert_eq!(world.witness("a", &reference, &json!({})), expected);
            assert_eq!(world.witness("a", &reference, &json!({})), NONE, "the same call again");
        }
    }

    #[test]
    fn who_signs_in_anothers_name_uses_up_none_of_its_caps() {
        let mut world = capped(2);
        let forged = json!({
            "signer": "b", "agent": { "id": "a" }, "credential": { "id": "cred-a" },
            "principals": [{ "type": "agent", "id": "a" }],
        });
        for _ in 0..5 {
            assert_eq!(world.intent("b", &forged), ["principal_mismatch signer"]);
        }
        for _ in 0..2 {
            assert_eq!(world.intent("a", &json!({})), NONE);
        }
        assert_eq!(world.intent("a", &json!({})), ["cap_exceeded 3 of 2"]);
    }

    #[test]
    fn an_action_is_capped_however_it_is_spelled() {
        for cap in ["voice.call", "Voice:*"] {
            let mut world = World::new();
            let caps = json!([{ "action": cap, "per": "day", "max": 3 }]);
            world.contract("a", "owner", &json!({ "limits": { "caps": caps } }));
            for name in ["voice.call", "Voice.Call", "voice:call"] {
                let call = json!({ "action": action(name, "read", "sys:x/y") });
                assert_eq!(world.intent("a", &call), NONE, "{cap}: {name}");
            }
            let call = json!({ "action": action("VOICE.call", "read", "sys:x/y") });
            assert_eq!(world.intent("a", &call), ["cap_exceeded 4 of 3"], "{cap}");
            let other = json!({ "action": action("invoice.call", "read", "sys:x/y") });
            assert_eq!(world.intent("a", &other), NONE, "{cap}");
        }
    }

    #[test]
    fn two_caps_on_the_same_count_it_once() {
        let mut world = World::new();
        let cap = |max: u64| json!({ "action": "do", "per": "day", "max": max });
        world.contract("a", "owner", &json!({ "limits": { "caps": [cap(3), cap(2)] } }));
        for expected in [vec![], vec![], vec!["cap_exceeded 3 of 2"], vec!["cap_exceeded 4 of 3"]] {
            assert_eq!(world.intent("a", &json!({})), expected);
        }
    }

    #[test]
    fn a_day_is_the_contracts_own() {
        let mut world = World::new();
        let zone = json!([{ "action": "DO", "from": "00:00", "to": "24:00", "zone": "America/New_York" }]);
        let limits = json!({ "caps": [{ "action": "do", "per": "day", "max": 1 }] });
        world.contract("a", "owner", &json!({ "hours": zone, "limits": limits }));
        for (at, expected) in [
            ("2026-04-08T03:10:00Z", vec![]),
            ("2026-04-08T03:59:00Z", vec!["cap_exceeded 2 of 1"]),
            ("2026-04-08T04:00:00Z", vec![]),
        ] {
            world.now = time(at);
            assert_eq!(world.intent("a", &json!({})), expected, "{at}");
        }
    }
}
