//! `review_overdue`: the date by which a contract is to be reviewed has passed.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use crate::kind::Kind;
use crate::contract::Contract;

pub(super) static RULE: Rule = Rule::at_deadline(
    "review_overdue",
    watch,
    judge,
    "The contract's review_by passed, at 00:00 UTC, and its owner has neither reviewed it \
     nor registered another. Permissions that nobody looks at outlive their reason: the \
     owner reviews the contract, narrows it, or withdraws it.",
).about(Sorts::CONTRACT).by_contract();

fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    if view.facts.kind != Kind::ContractRegistered {
        return;
    }
    let contract = view.body.field("registry").and_then(|registry| Contract::kept(registry).ok());
    if let Some(review_by) = contract.and_then(|contract| contract.review_by) {
        let mut wait = view.wait_until(review_by);
        wait.numbers.0 = view.facts.index.0;
        put(wait);
    }
}

fn judge(late: &Late<'_>) -> Ruling {
    let record = late.wait.cited.agent().and_then(|agent| late.registry.contract(agent));
    let stands = record.is_some_and(|record| {
        let same = record.registered.0 == late.wait.numbers.0;
        same && record.is_unreviewed(late.now)
    });
    if stands { Ruling::Flagged(Flag::plain()) } else { Ruling::Clear }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn the_date_passes_once() {
        let review = json!({ "review_by": "2026-04-10" });
        let mut world = World::new();
        world.contract("a", "owner", &review);
        world.entry("session.end", "a", json!({ "outcome": { "code": "done" } }));
        world.entry("session.end", "b", json!({ "outcome": { "code": "done" } }));
        assert_eq!(world.due("2026-04-09T23:59:59Z"), NONE);
        assert_eq!(world.due("2026-04-10T00:00:00Z"), ["review_overdue"]);
        assert_eq!(world.found[0].agent.as_deref(), Some("a"));
        assert_eq!(world.due("2026-05-10T00:00:00Z"), NONE);
    }

    #[test]
    fn a_review_or_another_contract_settles_it() {
        for settles in ["contract.reviewed", "contract.withdrawn", "contract.registered"] {
            let mut world = World::new();
            world.contract("a", "owner", &json!({ "review_by": "2026-04-09" }));
            let settled = json!({ "agent": { "id": "a" }, "contract": "07".repeat(32) });
            match settles {
                "contract.registered" => drop(world.contract("a", "owner", &json!({}))),
                kind => drop(world.entry(kind, "owner", settled)),
            }
            assert_eq!(world.due("2026-04-09T00:00:00Z"), NONE, "{settles}");
        }
    }
}
