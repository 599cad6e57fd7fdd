//! `id_reused`: another signer used the same event id before.

use super::{Flag, Rule, View};

pub(super) static RULE: Rule = Rule::at_entry(
    "id_reused",
    check,
    "An event with this id by another signer was accepted earlier. Ids are random, so \
     this is a copied event, a broken generator, or an attempt to be taken for the other \
     one. Entries that cite the id mean the earlier event; nothing of the later one is \
     joined to it.",
);

fn check(view: &View<'_>) -> Option<Flag> {
    view.memory.is_taken.then(Flag::plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    #[test]
    fn an_id_belongs_to_who_used_it_first() {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let id = world.id.clone();
        assert_eq!(world.intent("b", &json!({})), NONE, "distinct");
        assert_eq!(world.intent("b", &json!({ "id": id })), ["id_reused"]);
    }
}
