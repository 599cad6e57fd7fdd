//! `grant_late`: a grant was recorded after its use.

use super::engine::unpack_uses;
use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};

pub(super) static RULE: Rule = Rule::at_deadline(
    "grant_late",
    watch,
    judge,
    "An action named a grant that was not in the ledger yet; the grant came later, \
     perhaps made up afterwards. The action stays unauthorized as of its index, and its \
     grant_missing stays too. See that delegators record a grant before they pass it on; \
     if only the transport reordered the two, publish delegations and wait for the \
     receipt.",
).about(Sorts::GRANT);

/// The uses were remembered; the grant itself is the deadline.
fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    for cited in unpack_uses(&view.memory.uses) {
        let mut wait = Wait::new(view.facts.at, cited);
        wait.also = Some(view.facts.id);
        // One use may have waited for several grants that come together; the last tag is taken.
        wait.tag = u8::try_from(view.facts.index.0 % u64::from(u8::MAX)).unwrap_or_default();
        put(wait);
    }
}

fn judge(_: &Late<'_>) -> Ruling {
    Ruling::Flagged(Flag::plain())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::limits::GRANT_USES_MAX;
    use crate::rules::tests::testing::*;

    #[test]
    fn use_then_grant() {
        let mut world = World::new();
        let id = "019d6b2c-ee80-7001-8002-030405060708";
        let chain = json!([
            { "type": "human", "id": "human", "evidence": "09".repeat(32) },
            { "type": "agent", "id": "a", "grant_id": id },
        ]);
        let used = json!({ "principals": chain });
        assert_eq!(world.intent("a", &used), ["grant_missing unknown"]);
        let intent = world.id.clone();
        let grant = json!({ "grant": { "id": id, "to": "a" } });
        assert_eq!(world.entry("delegation.granted", "human", grant), NONE);
        let granted = world.id.clone();
        assert_eq!(world.intent("a", &used), NONE, "39, 40");
        assert_eq!(world.due_in(0), ["grant_late"]);
        let causes: Vec<_> = world.found[0].causes.iter().map(ToString::to_string).collect();
        assert_eq!(causes, [intent, granted]);
        assert_eq!(world.found[0].agent.as_deref(), Some("a"));
    }

    #[test]
    fn so_many_uses_wait_for_a_grant_and_no_more() {
        let mut world = World::new();
        let id = "019d6b2c-ee80-7001-8002-030405060708";
        let chain = json!([
            { "type": "human", "id": "human", "evidence": "09".repeat(32) },
            { "type": "agent", "id": "a", "grant_id": id },
        ]);
        for _ in 0..=GRANT_USES_MAX {
            let used = world.intent("a", &json!({ "principals": chain }));
            assert_eq!(used, ["grant_missing unknown"]);
        }
        let grant = json!({ "grant": { "id": id, "to": "a" } });
        assert_eq!(world.entry("delegation.granted", "human", grant), NONE);
        assert_eq!(world.due_in(0), ["grant_late"; GRANT_USES_MAX]);
        assert_eq!(world.due_in(60), NONE);
    }

    #[test]
    fn each_grant_that_came_late_is_told() {
        let mut world = World::new();
        let [first, second] =
            ["019d6b2c-ee80-7001-8002-030405060708", "019d6b2c-ee80-7001-8002-030405060709"];
        let chain = json!([
            { "type": "human", "id": "human", "evidence": "09".repeat(32) },
            { "type": "agent", "id": "b", "grant_id": first },
            { "type": "agent", "id": "a", "grant_id": second },
        ]);
        assert_eq!(world.intent("a", &json!({ "principals": chain })), ["grant_missing unknown"]);
        let mut given = Vec::new();
        for (by, grant) in [
            ("human", json!({ "id": first, "to": "b" })),
            ("b", json!({ "id": second, "to": "a", "parent": first })),
        ] {
            assert_eq!(world.entry("delegation.granted", by, json!({ "grant": grant })), NONE);
            given.push(world.id.clone());
        }
        assert_eq!(world.due_in(0), ["grant_late"; 2]);
        let mut cited: Vec<_> = world.found.iter().map(|found| found.causes[1].to_string()).collect();
        cited.sort();
        given.sort();
        assert_eq!(cited, given);
    }
}
