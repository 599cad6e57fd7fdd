//! `unregistered_credential`: a credential is not registered, or is claimed and registered to another.

use super::{Flag, Rule, Sorts, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "unregistered_credential",
    check,
    "An action names a credential that the registry does not know, or an agent claims one \
     that is registered to another. A witness of the second is a shared_credential. \
     Register each credential with its agent, scopes and end; one that nobody issued \
     through the registry should not exist.",
).about(Sorts::USE);

fn check(view: &View<'_>) -> Option<Flag> {
    if !view.uses_credential() {
        return None;
    }
    let Some(record) = view.credential.filter(|record| !record.holders.is_empty()) else {
        return Some(Flag::of("unknown"));
    };
    let own = record.holders.iter().any(|holder| Some(holder.agent.as_str()) == view.facts.agent);
    let claims = view.facts.kind != Kind::WitnessObserved;
    (!own && claims).then(|| Flag::of("another"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn credentials_are_registered_to_who_uses_them() {
        let mut world = World::new();
        assert_eq!(world.intent("a", &json!({})), NONE);
        let unknown = json!({ "credential": { "id": "c" } });
        assert_eq!(world.intent("a", &unknown), ["unregistered_credential unknown"]);
        let others = json!({ "credential": { "id": "cred-b" } });
        assert_eq!(world.intent("a", &others), ["unregistered_credential another"]);
    }

    #[test]
    fn an_outcome_with_another_credential_than_its_intent_is_looked_at() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
        let other = json!({ "credential": { "id": "cred-b" } });
        assert_eq!(world.outcome("a", &intent, &other), ["unregistered_credential another"]);
    }
}
