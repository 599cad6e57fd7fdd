//! The key that a misspelt one stands for.

use super::when::WINDOW_KEYS;
use crate::terms::Key;

/// Names that people know from elsewhere, or from the bodies' fields.
const ALIASES: &[(&str, &str)] = &[
    ("authz", "grant"),
    ("before", "until"),
    ("chain", "corr"),
    ("correlation", "corr"),
    ("credential", "cred"),
    ("data_class", "data"),
    ("day", "on"),
    ("decision", "verdict"),
    ("environment", "env"),
    ("event", "id"),
    ("from", "since"),
    ("human", "user"),
    ("kid", "key"),
    ("on_behalf_of", "user"),
    ("parent_session", "parent"),
    ("rule", "finding"),
    ("to", "until"),
    ("type", "kind"),
    ("workflow", "corr"),
];

/// The key meant by `name`: another word for it, one that it begins, or the one that differs least.
pub(super) fn nearest(name: &str) -> &'static str {
    let name = name.to_lowercase();
    if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return key;
    }
    let names = Key::ALL.iter().map(|key| key.as_str()).chain(WINDOW_KEYS.iter().copied());
    let begun = names.clone().find(|key| name.len() > 1 && key.starts_with(name.as_str()));
    begun.unwrap_or_else(|| least(&name, names))
}

/// The word meant by `text`: one that holds it, or the one that differs least.
pub(super) fn closest(text: &str, words: &[&'static str]) -> &'static str {
    let text = text.to_lowercase();
    let words = words.iter().copied();
    let holding = words.clone().find(|word| text.len() > 1 && word.contains(text.as_str()));
    holding.unwrap_or_else(|| least(&text, words))
}

fn least(text: &str, words: impl Iterator<Item = &'static str>) -> &'static str {
    words.min_by_key(|word| distance(text, word)).unwrap_or_default()
}

/// Levenshtein distance in characters; both texts are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(x != y);
            diagonal = *cell;
            *cell = change.min(left + 1).min(*cell + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
