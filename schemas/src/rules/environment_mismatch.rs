//! `environment_mismatch`: an environment was attested that the contract does not name, or another one acted in.

use super::{Flag, Rule, Sorts, View};
use crate::mark::NOTHING;

pub(super) static RULE: Rule = Rule::at_entry(
    "environment_mismatch",
    check,
    "A session or an attester names another environment than the contract expects, or an \
     action names another one than its session attested. A process that was started in \
     one environment reaches into another: check its configuration and the network \
     between them before anything else runs.",
).about(Sorts::ATTESTED.or(Sorts::JUDGED)).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let attested = view.facts.attested();
    let expected = view.contract.and_then(|contract| contract.environment.as_deref());
    if let (Some(attested), Some(expected)) = (attested, expected)
        && attested != expected
    {
        return Some(Flag::of("attested"));
    }
    let (declared, acts) = (view.memory.session.attested, view.memory.deed?.environment);
    let is_other = declared != NOTHING && acts != NOTHING && acts != declared;
    (is_other && view.is_judged && view.is_by_agent()).then(|| Flag::of("action"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn environments_are_compared_twice() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "environment": "production" }));
        let attested = |environment: &str| json!({ "attestation": { "environment": environment } });
        assert_eq!(world.start("a", &attested("staging")), ["environment_mismatch attested"]);
        assert_eq!(world.start("a", &attested("production")), NONE);
        assert_eq!(world.intent("a", &json!({ "environment": "production" })), NONE);
        let elsewhere = world.intent("a", &json!({ "environment": "staging" }));
        assert_eq!(elsewhere, ["environment_mismatch action"]);
    }
}
