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
    let mut names = Key::ALL.iter().map(|key| key.as_str()).chain(WINDOW_KEYS.iter().copied());
    let begun = names.clone().find(|key| name.len() > 1 && key.starts_with(name.as_str()));
    begun.or_else(|| names.by_ref().min_by_key(|key| distance(&name, key))).unwrap_or("agent")
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
