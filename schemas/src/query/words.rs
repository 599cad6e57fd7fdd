//! Keys whose values are a closed list: what is not on it would find nothing, as if there were nothing.

use super::nearest::closest;
use crate::fields::{CLASSES, DECISIONS, MODES, OUTCOMES, SOURCE_TYPES, TRIGGER_TYPES};
use crate::kind::Kind;
use crate::rules::RULES;
use crate::terms::Key;

/// The status of entries that are in force.
pub(super) const ACCEPTED: &str = "accepted";
/// Of those that are not.
pub(super) const REJECTED: &str = "rejected";
/// Longest list that is shown as a whole.
const SHOWN_MAX: usize = 8;

/// What a value of the key must be, or begin with.
enum Words {
    /// Anything.
    Free,
    /// One of these.
    One(Vec<&'static str>),
    /// One of these, a slash, and anything.
    Typed(&'static [&'static str]),
}

fn words(key: Key) -> Words {
    match key {
        Key::Kind => Words::One(Kind::ALL.iter().map(|kind| kind.as_str()).collect()),
        Key::Finding => Words::One(RULES.iter().map(|rule| rule.name).collect()),
        Key::Class => Words::One(CLASSES.to_vec()),
        Key::Mode => Words::One(MODES.to_vec()),
        Key::Verdict => Words::One(DECISIONS.to_vec()),
        // Besides what an outcome says: the deny of a gate.
        Key::Outcome => Words::One([OUTCOMES, &["denied"]].concat()),
        Key::Status => Words::One(vec![ACCEPTED, REJECTED]),
        Key::Trigger => Words::Typed(TRIGGER_TYPES),
        Key::Source => Words::Typed(SOURCE_TYPES),
        _ => Words::Free,
    }
}

/// What to write instead of a value, or of the beginning of one, that no entry could carry.
pub(super) fn instead(key: Key, value: &str, is_prefix: bool) -> Option<String> {
    let begins = |word: &&str| word.starts_with(value);
    match words(key) {
        Words::Free => None,
        Words::One(words) if is_prefix && words.iter().any(begins) => None,
        Words::One(words) if !is_prefix && words.contains(&value) => None,
        Words::One(words) => Some(match words.len() {
            0..=SHOWN_MAX => format!("one of {}", words.join(", ")),
            _ => closest(value, &words).to_owned(),
        }),
        Words::Typed(types) => {
            let is_typed = value.split_once('/').is_some_and(|(kind, _)| types.contains(&kind));
            let fits = is_typed || (is_prefix && types.iter().any(begins));
            (!fits).then(|| format!("one of {}, with / and a reference", types.join(", ")))
        }
    }
}
