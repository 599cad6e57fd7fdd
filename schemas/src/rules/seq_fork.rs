//! `seq_fork`: a signer's number was used before, for another body.

use super::{Flag, Rule, Sorts, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "seq_fork",
    check,
    "The signer's session already has an entry with this number, and bytes that are the \
     same would have been a duplicate. Two processes sign with one key and session: a \
     restored snapshot, or a cloned key. Rotate the key, and tell the two histories apart \
     by their links.",
).about(Sorts::DISORDER);

fn check(view: &View<'_>) -> Option<Flag> {
    view.memory.step.reused.then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn two_sixes_are_a_fork() {
        let mut world = World::new();
        let six = json!({ "seq": { "n": 6, "prev": "01".repeat(32) } });
        let mut first = World::new();
        assert_eq!(first.intent("a", &six), NONE);
        for _ in 0..5 {
            assert_eq!(world.intent("a", &json!({})), NONE);
        }
        assert_eq!(world.intent("a", &six), ["seq_fork"]);
        assert_eq!(world.intent("b", &json!({})), NONE);
    }
}
