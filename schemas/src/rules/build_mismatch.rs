//! `build_mismatch`: an agent attested another build than its contract names.

use super::{Flag, Rule, Sorts, View};
use crate::id::Digest;

pub(super) static RULE: Rule = Rule::at_entry(
    "build_mismatch",
    check,
    "A session, or an attester, presents a build of the agent that is not the one its \
     contract names. Either a release was not entered in the contract, or something else \
     runs under the agent's name. Compare the attested digest with what the build system \
     released; if it is unknown there, suspend the agent.",
).about(Sorts::ATTESTED).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let expected = view.contract?.build?;
    let attested = view.facts.attestation?.get("build")?.bytes()?;
    (Digest::from_slice(attested) != Some(expected)).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn builds_are_compared() {
        let (expected, other) = ("01".repeat(32), "02".repeat(32));
        for (build, found) in [(&expected, vec![]), (&other, vec!["build_mismatch"])] {
            let mut world = World::new();
            world.contract("a", "owner", &json!({ "build": expected }));
            let attestation = json!({ "attestation": { "build": build } });
            assert_eq!(world.start("a", &attestation), found);
            let presented = json!({ "agent": { "id": "a" }, "attestation": { "build": build } });
            assert_eq!(world.entry("attestation.presented", "proxy", presented), found);
        }
    }
}
