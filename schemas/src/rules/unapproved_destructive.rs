//! `unapproved_destructive`: something dangerous ran, and no human had allowed it.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "unapproved_destructive",
    check,
    "A destructive or payment action, or a write in production, was dispatched, confirmed \
     or seen, and no approval by a human that still held came before it. What it is, is \
     what the intent, the outcome, the witness or the contract's actions say, whichever \
     is worst. Undo it if it can be undone; then put a gate before that action that asks.",
).about(Sorts::EXECUTION);

fn check(view: &View<'_>) -> Option<Flag> {
    if !view.facts.is_execution() || !view.is_dangerous() {
        return None;
    }
    let weighed = view.intent().is_some_and(|intent| intent.is_weighed) || view.memory.is_repeat;
    let allowed = view.intent().is_some_and(|intent| intent.by_human > view.facts.at);
    (!allowed && (view.is_fresh() || !weighed)).then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn deleted() -> serde_json::Value {
        json!({ "action": action("DELETE", "destructive", "sys:x/y") })
    }

    #[test]
    fn a_human_allows_it_first() {
        for (approver, expires, expected) in [
            (None, None, vec!["unapproved_destructive"]),
            (Some("human"), None, vec![]),
            (Some("human"), Some("2026-04-08T03:01:00Z"), vec!["unapproved_destructive"]),
            (Some("gate"), None, vec!["unapproved_destructive"]),
        ] {
            let mut world = World::new();
            assert_eq!(world.intent("a", &deleted()), NONE);
            let intent = world.id.clone();
            if let Some(approver) = approver {
                world.decide(approver, &intent, "allow", expires);
            }
            world.now = time("2026-04-08T03:05:00Z");
            let sent = json!({ "outcome": { "status": "dispatched" }, "output": null });
            assert_eq!(world.outcome("a", &intent, &with(deleted(), &sent)), expected);
            assert_eq!(world.outcome("a", &intent, &deleted()), NONE, "the same run");
        }
    }

    #[test]
    fn what_a_service_allows_besides_takes_nothing_back() {
        for (second, expected) in
            [("allow", vec![]), ("deny", vec!["ran_after_deny", "unapproved_destructive"])]
        {
            let mut world = World::new();
            world.intent("a", &deleted());
            let intent = world.id.clone();
            world.decide("human", &intent, "allow", Some("2026-04-08T03:10:00Z"));
            world.decide("gate", &intent, second, None);
            assert_eq!(world.outcome("a", &intent, &deleted()), expected, "{second}");
            world.now = time("2026-04-08T03:10:00Z");
            let again = world.outcome("a", &intent, &deleted());
            assert!(again.contains(&"unapproved_destructive".to_owned()), "it has ended");
        }
    }

    #[test]
    fn a_person_logged_in_at_a_service_is_human() {
        let mut world = World::new();
        world.principal("api", &["api", "approver"]);
        for (subject, expected) in [
            (json!({ "sub": "7", "issuer": "https://login.example.com" }), vec![]),
            (serde_json::Value::Null, vec!["unapproved_destructive"]),
        ] {
            world.intent("a", &deleted());
            let intent = world.id.clone();
            let decided = json!({
                "causes": [intent], "approval": { "request": intent, "decision": "allow" },
                "on_behalf_of": "jane@example.com",
            });
            world.entry("approval.decided", "api", with(decided, &json!({ "subject": subject })));
            assert_eq!(world.outcome("a", &intent, &deleted()), expected);
        }
    }

    #[test]
    fn writing_in_production_and_paying_are_dangerous() {
        for (class, environment, expected) in [
            ("write", "production", true),
            ("write", "Production", true),
            ("write", "PROD", true),
            ("write", "staging", false),
            ("payment", "staging", true),
            ("communication", "production", false),
            ("read", "production", false),
        ] {
            let mut world = World::new();
            let act = json!({ "action": action("do", class, "sys:x/y") });
            world.intent("a", &with(act.clone(), &json!({ "environment": environment })));
            let intent = world.id.clone();
            let found = world.outcome("a", &intent, &act);
            assert_eq!(found.len(), usize::from(expected), "{class} {environment}");
        }
    }
}
