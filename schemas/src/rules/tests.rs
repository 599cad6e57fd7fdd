//! The rules as a whole: what leads to which findings, and what gets round none.

mod evasion;
mod examples;
pub(super) mod testing;

use super::engine::NAME_BYTES_MAX;
use super::{RULES, rule};

#[test]
fn every_rule_is_listed_once_and_explained() {
    assert_eq!(RULES.len(), 44);
    assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
    for known in RULES {
        assert_eq!(rule(known.name).map(|rule| rule.name), Some(known.name));
        assert!(known.text.len() > 100 && known.name.len() <= NAME_BYTES_MAX, "{}", known.name);
    }
    let late = RULES.iter().filter(|rule| rule.is_late()).map(|rule| rule.name);
    let expected = [
        "grant_late",
        "no_outcome",
        "review_overdue",
        "seq_gap",
        "session_unended",
        "unclaimed_action",
        "unwitnessed",
    ];
    assert_eq!(late.collect::<Vec<_>>(), expected);
    assert!(rule("nothing").is_none());
}
