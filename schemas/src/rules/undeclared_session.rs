//! `undeclared_session`: an agent's session begins with something else than its declaration.

use super::engine::begins;
use super::{Flag, Rule, View};
use crate::kind::Kind;

pub(super) static RULE: Rule = Rule::at_entry(
    "undeclared_session",
    check,
    "The first accepted entry of an agent's session is not session.start, so nothing says \
     which model, task and contract it runs under, or which session came before. Grants given \
     or taken back do not count. Have the runtime declare the session and wait for the receipt \
     before it acts. An agent that leaves the declaration out may hide that it was restarted.",
);

fn check(view: &View<'_>) -> Option<Flag> {
    let counts = view.facts.session.is_some() && begins(view.facts.kind);
    let first = counts && !view.memory.session.begun;
    // Whatever agent it names, or none: the session is the signer's.
    let undeclared = view.facts.by_agent && view.facts.kind != Kind::SessionStart;
    (first && undeclared).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn a_session_declares_itself_first() {
        let mut world = World::new();
        assert_eq!(world.intent("a", &json!({})), NONE, "declared");
        let fresh = json!({ "session": "0c".repeat(16) });
        assert_eq!(world.intent("a", &fresh), ["undeclared_session"]);
        assert_eq!(world.intent("a", &fresh), NONE, "the first alone");
        let verdict = world.verdict("a", &world.id.clone(), &[("g", "allow")]);
        assert_eq!(verdict, NONE, "a gate is no agent");
    }

    #[test]
    fn grants_begin_no_session() {
        let id = "019d6b2c-ee80-7001-8002-030405060708";
        for (kind, grant) in [
            ("delegation.granted", json!({ "id": id, "to": "b" })),
            ("delegation.revoked", json!({ "id": id })),
        ] {
            let mut world = World::new();
            let fresh = json!({ "session": "0c".repeat(16) });
            let found = world.entry(kind, "a", with(json!({ "grant": grant }), &fresh));
            assert!(!found.contains(&"undeclared_session".to_owned()), "{kind}");
            assert_eq!(world.intent("a", &fresh), ["undeclared_session"], "after {kind}");
        }
    }

    #[test]
    fn an_agent_that_signs_without_naming_itself_declares_nothing() {
        let mut world = World::new();
        let unnamed = json!({
            "signer": "a", "session": "0c".repeat(16), "gap": { "from": 90, "to": 91 },
        });
        assert_eq!(world.entry("gap.declared", "a", unnamed), ["undeclared_session"]);
        assert_eq!(world.found[0].agent.as_deref(), Some("a"), "it is the agent's finding");
        let another = json!({
            "signer": "a", "agent": { "id": "b" }, "session": "0d".repeat(16),
            "outcome": { "code": "done" },
        });
        let found = world.entry("session.end", "a", another);
        assert_eq!(found, ["principal_mismatch signer", "undeclared_session"]);
    }
}
