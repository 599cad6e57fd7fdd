//! `seq_gap`: numbers or links of a signer's own chain are missing, and nobody declared them lost.

use super::{Flag, Late, Rule, Ruling, Sorts, View, Wait};
use super::engine::{link, session_key};
use crate::id::{BodyDigest, SessionId};
use crate::kind::Kind;

const NUMBERS: u8 = 0;
const UNTRACKED: u8 = 1;
const LINK: u8 = 2;
const PREVIOUS: u8 = 3;
const REFUSED: u8 = 4;

pub(super) static RULE: Rule = Rule::at_deadline(
    "seq_gap",
    watch,
    judge,
    "Five minutes after an entry, numbers before it in the signer's session have not \
     come, or the link to the body before it does not fit, or the end of the session that \
     it names as its last is not here; and no gap.declared says that they are lost. \
     Events were suppressed on their way, or the signer hides some. Ask for the \
     publisher's spool, and for the broker's record of that signer.",
).about(Sorts::DISORDER.or(Sorts::START)).threshold(300);

fn watch<'v>(view: &View<'v>, put: &mut dyn FnMut(Wait<'v>)) {
    let memory = view.memory;
    if let Some((from, to, is_kept)) = memory.step.gap {
        let mut wait = view.wait_of_signer(&RULE);
        wait.tag = if is_kept { NUMBERS } else { UNTRACKED };
        (wait.session, wait.numbers) = (memory.session_key, (from, to));
        put(wait);
    }
    // What is missing before a refused entry flags the next one.
    if let Some(numbers) = memory.session.untold_numbers() {
        let mut wait = view.wait_of_signer(&RULE);
        wait.tag = REFUSED;
        (wait.session, wait.numbers) = (memory.session_key, numbers);
        put(wait);
    }
    if memory.step.broken {
        let mut wait = view.wait_of_signer(&RULE);
        wait.tag = LINK;
        put(wait);
    }
    if view.facts.kind == Kind::SessionStart {
        previous(view).into_iter().for_each(put);
    }
}

/// What a session says of the signer's last one.
fn previous<'v>(view: &View<'v>) -> Option<Wait<'v>> {
    let field = |path: &str| view.body.field(path);
    let session = SessionId::from_slice(field("previous.session")?.bytes()?)?;
    let digest = BodyDigest::from_slice(field("previous.digest")?.bytes()?)?;
    let mut wait = view.wait_of_signer(&RULE);
    wait.tag = PREVIOUS;
    wait.session = Some(session_key(session, &view.facts.by));
    wait.numbers.0 = view.body.uint("previous.n")?;
    wait.mark = Some(link(&digest));
    Some(wait)
}

fn judge(late: &Late<'_>) -> Ruling {
    let (from, to) = late.wait.numbers;
    match late.wait.tag {
        LINK => Ruling::Flagged(Flag::of("prev")),
        UNTRACKED => Ruling::Flagged(numbers(from, to)),
        PREVIOUS => {
            let known = late.session.as_ref().is_some_and(|session| {
                let same = session.high == from && Some(session.digest) == late.wait.mark;
                session.high > from || same
            });
            if known { Ruling::Clear } else { Ruling::Flagged(Flag::of("previous")) }
        }
        _ => match late.session.as_ref().and_then(|session| session.missing(from, to)) {
            Some((from, to)) => Ruling::Flagged(numbers(from, to)),
            None => Ruling::Clear,
        },
    }
}

fn numbers(from: u64, to: u64) -> Flag {
    match from == to {
        true => Flag::named(&from.to_string()),
        false => Flag::named(&format!("{from}-{to}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn numbered(n: u64) -> serde_json::Value {
        json!({ "seq": { "n": n, "prev": "01".repeat(32) } })
    }

    #[test]
    fn numbers_that_come_late_or_are_declared_are_no_gap() {
        let mut world = World::new();
        for n in 2..=5 {
            assert_eq!(world.witness("a", &format!("r{n}"), &json!({})), NONE);
        }
        assert_eq!(world.witness("a", "r6", &numbered(7)), NONE);
        world.rows.rows.retain(|key, _| !String::from_utf8_lossy(key).contains("unclaimed"));
        let mut filled = World::new();
        std::mem::swap(&mut filled, &mut world);
        assert_eq!(filled.due_in(299), NONE);
        assert_eq!(filled.due_in(1), ["seq_gap 5-6"], "the first witness had number 1");
    }

    #[test]
    fn a_gap_is_declared_lost() {
        for (declares, expected) in [((7, 9), vec![]), ((7, 8), vec!["seq_gap 9"])] {
            let mut world = World::new();
            let jump = json!({ "seq": { "n": 10, "prev": "01".repeat(32) } });
            let (from, to) = declares;
            let gap = with(jump, &json!({ "gap": { "from": from, "to": to } }));
            for _ in 2..=6 {
                world.entry("gap.declared", "gate", json!({ "gap": { "from": 90, "to": 91 } }));
            }
            world.entry("gap.declared", "gate", json!({ "gap": { "from": 90, "to": 91 } }));
            assert_eq!(world.entry("gap.declared", "gate", gap), NONE);
            assert_eq!(world.due_in(300), expected);
        }
    }

    #[test]
    fn no_contract_delays_what_is_told_of_who_sees_its_agent() {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "thresholds": { "seq_gap": 86_400 } }));
        world.intent("a", &json!({ "mode": "approval" }));
        let seen = json!({ "causes": [world.id.clone()] });
        assert_eq!(world.witness("a", "r", &with(seen, &numbered(3))), ["approval_missing"]);
        assert_eq!(world.due_in(300), ["seq_gap 1-2"]);
        world.intent("a", &with(json!({ "mode": "approval" }), &numbered(9)));
        assert_eq!(world.due_in(300), NONE, "its own bound");
    }

    #[test]
    fn a_refused_entry_fills_its_number() {
        let mut world = World::new();
        world.refused("action.intent", "gate", intent_of("a"));
        assert_eq!(world.verdict("a", &world.id.clone(), &[("g", "allow")]), NONE);
        assert_eq!(world.due_in(300), NONE);
    }

    #[test]
    fn numbers_before_a_refused_entry_are_missed_with_the_next_one() {
        let lost = |from: u64, to: u64| json!({ "gap": { "from": from, "to": to } });
        let jump = |n: u64| with(lost(90, 91), &numbered(n));
        for (declares, expected) in [
            ((90, 91), vec!["seq_gap 2-4"]),
            ((2, 3), vec!["seq_gap 4"]),
            ((2, 4), vec!["seq_gap 6-8"]),
            ((2, 8), vec![]),
        ] {
            let mut world = World::new();
            world.entry("gap.declared", "gate", lost(90, 91));
            world.refused("gap.declared", "gate", jump(5));
            world.refused("gap.declared", "gate", jump(9));
            let (from, to) = declares;
            assert_eq!(world.entry("gap.declared", "gate", lost(from, to)), NONE);
            assert_eq!(world.due_in(300), expected);
            world.entry("gap.declared", "gate", lost(90, 91));
            assert_eq!(world.due_in(300), NONE, "told once");
        }
    }

    #[test]
    fn what_refused_entries_fill_or_split_is_told_once() {
        let lost = json!({ "gap": { "from": 90, "to": 91 } });
        let jump = |n: u64| with(lost.clone(), &numbered(n));
        for (high, refused, then, expected) in [
            (3, [5, 4], 8, vec!["seq_gap 2", "seq_gap 6-7"]),
            (9, [11, 5], 20, vec!["seq_gap 2-4", "seq_gap 12-19", "seq_gap 10"]),
        ] {
            let mut world = World::new();
            world.entry("gap.declared", "gate", lost.clone());
            world.entry("gap.declared", "gate", jump(high));
            for n in refused {
                world.refused("gap.declared", "gate", jump(n));
            }
            assert_eq!(world.entry("gap.declared", "gate", jump(then)), NONE);
            assert_eq!(world.due_in(300), expected);
        }
    }

    fn intent_of(agent: &str) -> serde_json::Value {
        json!({
            "agent": { "id": agent }, "correlation": "w", "action": action("do", "read", "x"),
            "mode": "self", "credential": { "id": "c" }, "scope": [], "environment": "test",
            "principals": [{ "type": "agent", "id": agent }], "prompt": "none", "input": "none",
        })
    }

    #[test]
    fn a_link_that_does_not_fit_is_told() {
        let mut world = World::new();
        let forged = json!({ "seq": { "n": 2, "prev": "01".repeat(32) } });
        world.entry("session.end", "a", with(forged, &json!({ "outcome": { "code": "done" } })));
        assert_eq!(world.due_in(300), ["seq_gap prev"]);
    }

    #[test]
    fn a_session_names_the_end_of_the_last() {
        for (n, digest, expected) in [
            (1, None, vec![]),
            (3, None, vec!["seq_gap previous"]),
            (1, Some("02".repeat(32)), vec!["seq_gap previous"]),
        ] {
            let mut world = World::new();
            let held = world.last_digest("a");
            let previous = json!({
                "session": session("a"), "n": n, "digest": digest.unwrap_or(held),
            });
            let next = json!({ "session": "0b".repeat(16), "previous": previous });
            assert_eq!(world.start("a", &next), NONE);
            assert_eq!(world.due_in(300), expected, "{n}");
        }
    }
}
