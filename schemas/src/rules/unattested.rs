//! `unattested`: a session attests nothing though the contract names what to attest.

use super::{Flag, Rule, Sorts, View};
use crate::contract::Contract;

pub(super) static RULE: Rule = Rule::at_entry(
    "unattested",
    check,
    "The contract names a build or an environment, and the session says none, or leaves \
     it out. Nothing shows that the code under this key is the agent that was reviewed. \
     Start it where its runtime can attest, or take the expectation out of the contract.",
).about(Sorts::START).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let contract: &Contract = view.contract.filter(|_| view.starts() && view.is_by_agent())?;
    let lacks = |path: &str| view.body.field(path).is_none();
    let ways = [
        ("build", contract.build.is_some() && lacks("attestation.build")),
        ("environment", contract.environment.is_some() && lacks("attestation.environment")),
    ];
    Flag::each(ways.into_iter().filter(|(_, lacks)| *lacks).map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn what_is_expected_is_attested() {
        let mut world = World::new();
        assert_eq!(world.start("a", &json!({})), NONE, "nothing is expected");
        let build = "01".repeat(32);
        world.contract("a", "owner", &json!({ "build": build, "environment": "test" }));
        assert_eq!(world.start("a", &json!({})), ["unattested build,environment"]);
        let half = json!({ "attestation": { "build": build } });
        assert_eq!(world.start("a", &half), ["unattested environment"]);
        let attested = json!({ "attestation": { "build": build, "environment": "test" } });
        assert_eq!(world.start("a", &attested), NONE);
    }
}
