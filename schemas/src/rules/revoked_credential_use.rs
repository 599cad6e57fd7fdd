//! `revoked_credential_use`: a credential was used after it was revoked.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "revoked_credential_use",
    check,
    "The registry says that the credential was revoked before this index, and an action \
     names it still. Either the agent holds on to a value that no longer works, or the \
     system that takes it was never told: revoke it there, and look for witnesses of what \
     it opened since.",
).about(Sorts::USE);

fn check(view: &View<'_>) -> Option<Flag> {
    let record = view.credential?;
    let own = record.holders.iter().find(|holder| Some(holder.agent.as_str()) == view.facts.agent);
    let revoked = match own {
        Some(own) => own.revoked.is_some(),
        None => !record.holders.is_empty() && record.in_force().next().is_none(),
    };
    revoked.then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn used_49_revoked_50_used_51() {
        let mut world = World::new();
        assert_eq!(world.intent("a", &json!({})), NONE, "49");
        let revoked = json!({ "credential": { "id": "cred-a" }, "agent": { "id": "a" } });
        world.entry("credential.revoked", "op", revoked);
        assert_eq!(world.intent("a", &json!({})), ["revoked_credential_use"], "51");
        let intent = world.id.clone();
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE, "told at the intent");
    }
}
