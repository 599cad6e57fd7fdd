//! `session_unended`: a declared session is silent for a day and never ended.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use crate::kind::Kind;
use crate::id::Micros;

pub(super) static RULE: Rule = Rule::at_deadline(
    "session_unended",
    watch,
    judge,
    "A session was declared, has no session.end, and nothing of it came for 24 hours. The \
     process died, was killed, or its last events were suppressed. If it restarted, its \
     next session names the last number of this one: a seq_gap then tells what is \
     missing.",
).about(Sorts::START).threshold(86_400);

fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    let session = view.memory.session_key;
    if view.facts.kind == Kind::SessionStart && session.is_some() {
        let mut wait = view.wait_of_signer(&RULE);
        wait.session = session;
        wait.numbers.0 = wait.at.0.saturating_sub(view.facts.at.0);
        put(wait);
    }
}

fn judge(late: &Late<'_>) -> Ruling {
    let Some(session) = late.session.as_ref().filter(|session| !session.ended) else {
        return Ruling::Clear;
    };
    let due = Micros(session.last.0.saturating_add(late.wait.numbers.0));
    if due > late.now { Ruling::Later(due) } else { Ruling::Flagged(Flag::plain()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn silence_is_told_and_an_end_is_not() {
        let mut world = World::new();
        world.now = time("2026-04-08T10:00:00Z");
        world.entry("session.end", "b", json!({ "outcome": { "code": "done" } }));
        world.intent("a", &json!({ "mode": "approval" }));
        assert_eq!(world.due("2026-04-09T09:59:59Z"), NONE);
        assert_eq!(world.due("2026-04-09T10:00:00Z"), ["session_unended"]);
        assert_eq!(world.found[0].agent.as_deref(), Some("a"));
        assert_eq!(world.due("2026-04-19T10:00:00Z"), NONE);
    }
}
