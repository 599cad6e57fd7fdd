//! `no_outcome`: an action that may run has no final outcome in time.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use super::engine::words;
use crate::id::Micros;
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_deadline(
    "no_outcome",
    watch,
    judge,
    "No outcome said within 15 minutes of the allow, or of the intent where nothing has \
     to allow it, that the action was confirmed, failed or reverted. The agent died, its \
     events were suppressed, or it keeps silent about what it did: look for a witness of \
     the action, and for gaps in the session's numbers.",
).about(Sorts::MEANT).threshold(900);

/// From the intent where nothing has to allow it; from each allow, of which the last counts.
fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    let allows = match view.facts.kind {
        Kind::ActionIntent => {
            let free = view.gates.is_empty() && !view.needs_approval();
            if free && view.is_by_agent() && !view.memory.is_taken {
                put(since(view, Wait { intent: Some(view.facts.id), ..view.wait(&RULE) }));
            }
            return;
        }
        Kind::GateVerdict => words(view).any(|(_, allows)| allows),
        Kind::ApprovalDecided => view.body.text("approval.decision") == Some("allow"),
        _ => return,
    };
    if allows {
        for (id, intent) in &view.memory.intents {
            put(since(view, Wait { intent: Some(*id), ..view.wait_for(&RULE, intent) }));
        }
    }
}

/// The wait, which counts from this entry on.
fn since<'v>(view: &View<'v>, mut wait: Wait<'v>) -> Wait<'v> {
    wait.numbers.0 = view.facts.at.0;
    wait
}

fn judge(late: &Late<'_>) -> Ruling {
    let Some(intent) = &late.intent else { return Ruling::Clear };
    let is_last = intent.clock == Micros(late.wait.numbers.0);
    if intent.is_over || !is_last || !intent.is_allowed() {
        return Ruling::Clear;
    }
    Ruling::Flagged(Flag::plain())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn dispatched_is_not_the_end() {
        let mut world = World::new();
        for (status, expected) in [("dispatched", vec!["no_outcome"]), ("failed", vec![])] {
            world.intent("a", &json!({}));
            let intent = world.id.clone();
            let told = json!({ "outcome": { "status": status }, "output": null });
            world.outcome("a", &intent, &told);
            assert_eq!(world.due_in(899), NONE);
            assert_eq!(world.due_in(1), expected, "{status}");
        }
    }

    #[test]
    fn a_gated_action_is_due_from_its_last_allow_and_never_after_a_deny() {
        for (second, expected) in [("allow", vec!["no_outcome"]), ("deny", vec![])] {
            let mut world = World::new();
            world.contract("a", "owner", &json!({ "gates": { "do": ["g", "h"] } }));
            world.intent("a", &json!({}));
            let intent = world.id.clone();
            assert_eq!(world.due_in(3600), NONE, "nobody allowed it");
            world.verdict("a", &intent, &[("g", "allow")]);
            assert_eq!(world.due_in(3600), NONE, "one gate is left");
            world.verdict("a", &intent, &[("h", second)]);
            assert_eq!(world.due_in(900), expected);
            if let [finding] = world.found.as_slice() {
                assert_eq!(finding.causes[0].to_string(), intent);
                assert_eq!(finding.correlation.as_deref(), Some("w"));
            }
        }
    }

    #[test]
    fn a_contract_may_give_days_for_it() {
        let (hour, day) = (3600, 86_400);
        for bound in [hour, day, 3 * day] {
            let mut world = World::new();
            for agent in ["a", "b"] {
                world.entry("session.end", agent, json!({ "outcome": { "code": "done" } }));
            }
            world.contract("a", "owner", &json!({ "thresholds": { "no_outcome": bound } }));
            world.intent("a", &json!({}));
            assert_eq!(world.due_in(bound - 1), NONE, "{bound}");
            assert_eq!(world.due_in(1), ["no_outcome"], "{bound}");
            // From a decision that names no agent, too.
            world.intent("a", &json!({ "mode": "approval" }));
            let intent = world.id.clone();
            world.decide("human", &intent, "allow", None);
            assert_eq!(world.due_in(bound - 1), NONE, "{bound}");
            assert_eq!(world.due_in(1), ["no_outcome"], "{bound}");
        }
    }

    #[test]
    fn the_contract_gives_it_by_whichever_of_its_agents_names() {
        let mut world = World::new();
        for agent in ["a", "b"] {
            world.entry("session.end", agent, json!({ "outcome": { "code": "done" } }));
        }
        let names = json!({ "agent": { "id": "a" }, "registry": { "external": ["entra:7"] } });
        world.entry("agent.updated", "op", names);
        world.contract("a", "owner", &json!({ "thresholds": { "no_outcome": 3600 } }));
        let named = json!({ "agent": { "id": "entra:7" }, "signer": "a", "mode": "approval" });
        world.intent("a", &named);
        let intent = world.id.clone();
        world.decide("human", &intent, "allow", None);
        assert_eq!(world.due_in(3599), NONE);
        assert_eq!(world.due_in(1), ["no_outcome"]);
    }

    #[test]
    fn an_approval_starts_the_clock() {
        let mut world = World::new();
        world.intent("a", &json!({ "mode": "approval" }));
        let intent = world.id.clone();
        assert_eq!(world.due_in(3600), NONE);
        world.decide("human", &intent, "allow", None);
        assert_eq!(world.due_in(900), ["no_outcome"]);
        assert_eq!(world.found[0].agent.as_deref(), Some("a"));
    }
}
