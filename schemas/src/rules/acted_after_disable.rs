//! `acted_after_disable`: a witness saw a stopped agent, or a credential of one, act at or after it was stopped.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "acted_after_disable",
    check,
    "A service saw an action of an agent that was disabled, suspended or retired, or with \
     a credential of one, and says that it happened at or after the ledger took the stop. \
     The kill switch stops what the agent records, not what it still can do: revoke its \
     credentials at the system that was reached, find out what else they reached, and \
     treat the agent as compromised until its process is known to be gone.",
).about(Sorts::WITNESS);

fn check(view: &View<'_>) -> Option<Flag> {
    let (at, stop) = view.memory.stopped?;
    let after = view.facts.kind == Kind::WitnessObserved && view.facts.time >= at;
    after.then(|| Flag::plain().citing(stop))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn what_happens_after_the_stop_is_flagged() {
        for (own, expected) in [
            ("2026-04-08T03:53:00Z", vec!["acted_after_disable"]),
            ("2026-04-08T03:52:00Z", vec!["acted_after_disable"]),
            ("2026-04-08T03:51:00Z", vec!["late_witness"]),
        ] {
            let mut world = World::new();
            world.at("2026-04-08T03:52:00Z").entry("agent.disabled", "op", json!({ "agent": { "id": "a" } }));
            let stop = world.id.clone();
            world.at("2026-04-08T03:53:00Z");
            assert_eq!(world.witness("a", "r", &json!({ "time": own })), expected);
            assert_eq!(world.found[0].causes[1].to_string(), stop);
            assert_eq!(world.witness("b", "s", &json!({})), NONE);
        }
    }

    #[test]
    fn an_agent_that_is_stopped_later_covers_no_credential_of_another() {
        let mut world = World::new();
        world.entry("agent.disabled", "op", json!({ "agent": { "id": "a" } }));
        let stop = world.id.clone();
        world.at("2026-04-08T03:10:00Z");
        world.entry("agent.disabled", "op", json!({ "agent": { "id": "b" } }));
        let seen = json!({ "credential": { "id": "cred-a" }, "time": "2026-04-08T03:05:00Z" });
        let found = world.witness("b", "r", &seen);
        assert_eq!(found, ["acted_after_disable", "shared_credential a"]);
        assert_eq!(world.found[0].causes[1].to_string(), stop);
    }

    #[test]
    fn its_credential_counts_in_any_hands_and_not_once_it_may_act_again() {
        let mut world = World::new();
        world.entry("agent.suspended", "op", json!({ "agent": { "id": "a" } }));
        let used = world.witness("b", "r", &json!({ "credential": { "id": "cred-a" } }));
        assert_eq!(used, ["acted_after_disable", "shared_credential a"]);
        world.entry("agent.enabled", "op", json!({ "agent": { "id": "a" } }));
        assert_eq!(world.witness("a", "s", &json!({})), NONE);
    }
}
