//! The configuration file: what it may say, and what was meant instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ConfigError, SETTINGS};
use crate::routes::{Route, read_routes};

/// The one key that is not a setting but a list of tables.
const ROUTES: &str = "routes";

/// A configuration file, its tables flattened to dotted names.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) values: BTreeMap<String, String>,
    /// Where findings go.
    pub(super) routes: Vec<Route>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut table = text
            .parse::<toml::Table>()
            .map_err(|source| ConfigError::Toml { path: path.to_owned(), source })?;
        let routes = table.remove(ROUTES).map_or(Ok(Vec::new()), |routes| read_routes(&routes));
        let routes =
            routes.map_err(|source| ConfigError::Routes { path: path.to_owned(), source })?;
        let mut file = Self { path: path.to_owned(), values: BTreeMap::new(), routes };
        file.take("", &table)?;
        Ok(file)
    }

    fn take(&mut self, prefix: &str, table: &toml::Table) -> Result<(), ConfigError> {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            let known = SETTINGS.iter().any(|setting| setting.name == key);
            let group = format!("{key}.");
            match value {
                toml::Value::String(text) if known => {
                    self.values.insert(key, text.clone());
                }
                toml::Value::Boolean(value) if known => {
                    self.values.insert(key, value.to_string());
                }
                toml::Value::Array(list) if known => {
                    let not_text =
                        || ConfigError::NotText { path: self.path.clone(), key: key.clone() };
                    let words = list.iter().map(|word| word.as_str().ok_or_else(not_text));
                    let words = words.collect::<Result<Vec<_>, _>>()?.join(",");
                    self.values.insert(key, words);
                }
                toml::Value::Table(inner) if is_group(&group) => self.take(&group, inner)?,
                _ if known => {
                    return Err(ConfigError::NotText { path: self.path.clone(), key });
                }
                _ => {
                    let nearest = nearest(&key);
                    return Err(ConfigError::UnknownKey { path: self.path.clone(), key, nearest });
                }
            }
        }
        Ok(())
    }
}

fn is_group(prefix: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name.starts_with(prefix))
}

fn nearest(key: &str) -> &'static str {
    let names = SETTINGS.iter().map(|setting| setting.name);
    let away = |name: &&str| {
        // A group alone, or a name without its group, is a near miss too.
        let parts = [Some(*name), name.split('.').next(), name.rsplit('.').next()];
        parts.into_iter().flatten().map(|part| distance(key, part)).min()
    };
    names.min_by_key(away).unwrap_or_default()
}

/// Levenshtein's distance, in characters.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut left = above + 1;
        let mut diagonal = above;
        for (slot, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *slot;
            left = replaced.min(*slot + 1).min(left + 1);
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
