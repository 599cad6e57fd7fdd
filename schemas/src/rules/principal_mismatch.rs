//! `principal_mismatch`: the principal chain is not that of the grants, or not that of who signs.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "principal_mismatch",
    check,
    "The chain names other people or agents than the grants that it cites, ends with \
     another agent than the one that acts, or the action, or what an agent says of its own \
     session, is signed by another agent than the one it is said to be of. Somebody claims \
     an authority that was given to another: believe the grants and the signature, and look \
     at what else the signer recorded.",
).about(Sorts::FAULTY.or(Sorts::FOREIGN));

fn check(view: &View<'_>) -> Option<Flag> {
    if is_of_itself(view) && view.facts.agent.is_some_and(|agent| agent != view.facts.signer) {
        return Some(Flag::of("signer"));
    }
    view.faults("principal_mismatch").next().map(|_| Flag::plain())
}

/// Whether nobody but the agent that it names may say it. A runtime ends the sessions of its agents.
fn is_of_itself(view: &View<'_>) -> bool {
    match view.facts.kind {
        Kind::ActionIntent | Kind::ActionOutcome => true,
        Kind::SessionEnd | Kind::EpochOpened | Kind::ScopeRequested | Kind::GapDeclared => {
            view.facts.by_agent
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    const GRANT: &str = "019d6b2c-ee80-7001-8002-030405060708";

    fn chain(first: &str) -> serde_json::Value {
        json!({ "principals": [
            { "type": "human", "id": first, "evidence": "09".repeat(32) },
            { "type": "agent", "id": "a", "grant_id": GRANT },
        ] })
    }

    fn granted(more: &serde_json::Value) -> World {
        let mut world = World::new();
        let grant = with(json!({ "id": GRANT, "to": "a" }), more);
        assert_eq!(world.entry("delegation.granted", "human", json!({ "grant": grant })), NONE);
        world
    }

    #[test]
    fn grants_say_who_gave_and_to_whom() {
        let mut world = granted(&json!({}));
        world.principal("other", &["human"]);
        assert_eq!(world.intent("a", &chain("human")), NONE, "equal");
        assert_eq!(world.intent("a", &chain("other")), ["principal_mismatch"]);
    }

    #[test]
    fn who_leaves_out_who_gave_the_first_grant_is_told() {
        let mut world = granted(&json!({}));
        let below = "019d6b2c-ee80-7001-8002-030405060709";
        let grant = json!({ "id": below, "to": "b", "parent": GRANT });
        assert_eq!(world.entry("delegation.granted", "a", json!({ "grant": grant })), NONE);
        let cut = json!({ "principals": [
            { "type": "agent", "id": "a", "grant_id": GRANT },
            { "type": "agent", "id": "b", "grant_id": below },
        ] });
        assert_eq!(world.intent("b", &cut), ["principal_mismatch"]);
        let alone = json!({ "principals": [{ "type": "agent", "id": "a", "grant_id": GRANT }] });
        assert_eq!(world.intent("a", &alone), ["principal_mismatch"]);
        world.entry("delegation.revoked", "human", json!({ "grant": { "id": GRANT } }));
        assert_eq!(world.intent("a", &alone), ["grant_missing revoked", "principal_mismatch"]);
    }

    #[test]
    fn an_agent_may_end_the_chain_under_another_of_its_names() {
        let mut world = World::new();
        let update = json!({ "agent": { "id": "a" }, "registry": { "external": ["entra:7"] } });
        assert_eq!(world.entry("agent.updated", "operator", update), NONE);
        let called = |name: &str| json!({ "agent": { "id": name }, "signer": "a" });
        assert_eq!(world.intent("a", &called("entra:7")), NONE);
        let found = world.intent("a", &called("entra:8"));
        assert!(found.iter().any(|name| name == "principal_mismatch signer"), "{found:?}");
    }

    #[test]
    fn nobody_acts_in_anothers_name() {
        let mut world = World::new();
        let forged = json!({ "agent": { "id": "b" }, "signer": "a", "principals": [{ "type": "agent", "id": "b" }] });
        let found = world.intent("a", &with(forged.clone(), &json!({ "credential": { "id": "cred-b" } })));
        assert_eq!(found, ["principal_mismatch signer"]);
        let mut end = json!({ "agent": { "id": "b" }, "signer": "a", "outcome": { "code": "done" } });
        assert_eq!(world.entry("session.end", "a", end.clone()), ["principal_mismatch signer"]);
        world.principal("runtime", &["runtime"]);
        end["signer"] = json!("runtime");
        assert_eq!(world.entry("session.end", "runtime", end), NONE, "it runs agents");
    }
}
