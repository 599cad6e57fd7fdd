//! A delegation grant: what a delegator lets another do in its name, and whether one lies within another.

use crate::deterministic::Item;
use crate::id::{EventId, Micros};

/// What a grant says. Each bound that is absent binds nothing; an empty list allows nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Its id.
    pub id: EventId,
    /// Who may act under it.
    pub to: String,
    /// The grant that its delegator acts under.
    pub parent: Option<EventId>,
    /// Scopes.
    pub scope: Option<Vec<String>>,
    /// Systems.
    pub systems: Option<Vec<String>>,
    /// Patterns of targets.
    pub targets: Option<Vec<String>>,
    /// Data classes.
    pub data_classes: Option<Vec<String>>,
    /// The environment.
    pub environment: Option<String>,
    /// What for.
    pub task: Option<String>,
    /// It ends at this time.
    pub expires: Option<Micros>,
}

/// A bound of a grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bound {
    /// Its scopes.
    Scope,
    /// Its systems.
    System,
    /// Its targets.
    Target,
    /// Its data classes.
    DataClass,
    /// Its environment.
    Environment,
    /// Its end.
    Expiry,
}

impl Bound {
    const ALL: [Self; 6] =
        [Self::Scope, Self::System, Self::Target, Self::DataClass, Self::Environment, Self::Expiry];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::System => "system",
            Self::Target => "target",
            Self::DataClass => "data_class",
            Self::Environment => "environment",
            Self::Expiry => "expiry",
        }
    }

    /// The bound with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bound| bound.as_str() == text)
    }
}

/// What an action uses.
#[derive(Clone, Default, Debug)]
pub struct Use<'a> {
    /// Scopes.
    pub scope: Vec<&'a str>,
    /// The system.
    pub system: Option<&'a str>,
    /// The target.
    pub target: Option<&'a str>,
    /// The environment.
    pub environment: Option<&'a str>,
    /// Data classes.
    pub data_classes: Vec<&'a str>,
}

impl Grant {
    /// Reads `grant` of a `delegation.granted` whose shape was checked.
    #[must_use]
    pub fn read(item: &Item<'_>) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(Item::text).map(str::to_owned);
        let id = |name: &str| EventId::from_slice(item.get(name)?.bytes()?);
        let list = |name: &str| {
            let items = item.get(name)?.array()?;
            Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect())
        };
        Some(Self {
            id: id("id")?,
            to: text("to")?,
            parent: id("parent"),
            scope: list("scope"),
            systems: list("systems"),
            targets: list("targets"),
            data_classes: list("data_classes"),
            environment: text("environment"),
            task: text("task"),
            expires: item.get("expires").and_then(Item::uint).map(Micros),
        })
    }

    /// The bounds of `parent` that it goes beyond.
    #[must_use]
    pub fn widens(&self, parent: &Self) -> Vec<Bound> {
        let mut beyond = Vec::new();
        let mut check = |bound, within: bool| {
            if !within {
                beyond.push(bound);
            }
        };
        check(Bound::Scope, list_within(&self.scope, &parent.scope));
        check(Bound::System, list_within(&self.systems, &parent.systems));
        check(Bound::Target, list_within(&self.targets, &parent.targets));
        check(Bound::DataClass, list_within(&self.data_classes, &parent.data_classes));
        check(
            Bound::Environment,
            parent.environment.is_none() || self.environment == parent.environment,
        );
        check(
            Bound::Expiry,
            parent.expires.is_none_or(|end| self.expires.is_some_and(|own| own <= end)),
        );
        beyond
    }

    /// The bounds that a use goes beyond.
    #[must_use]
    pub fn exceeded(&self, used: &Use<'_>) -> Vec<Bound> {
        let allows = |list: &Option<Vec<String>>, name: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|pattern| covers(pattern, name)))
        };
        let mut beyond = Vec::new();
        let mut check = |bound, within: bool| {
            if !within {
                beyond.push(bound);
            }
        };
        check(Bound::Scope, used.scope.iter().all(|scope| allows(&self.scope, scope)));
        check(Bound::System, used.system.is_none_or(|system| allows(&self.systems, system)));
        check(Bound::Target, used.target.is_none_or(|target| allows(&self.targets, target)));
        let classes = &used.data_classes;
        check(Bound::DataClass, classes.iter().all(|class| allows(&self.data_classes, class)));
        let environment = match (&self.environment, used.environment) {
            (Some(own), Some(used)) => own == used,
            _ => true,
        };
        check(Bound::Environment, environment);
        beyond
    }
}

/// Whether everything that `pattern` stands for, itself a pattern perhaps, lies within `of`. A trailing `*` stands for
/// any end.
#[must_use]
pub fn covers(of: &str, pattern: &str) -> bool {
    match of.strip_suffix('*') {
        Some(prefix) => pattern.strip_suffix('*').unwrap_or(pattern).starts_with(prefix),
        None => of == pattern,
    }
}

fn list_within(own: &Option<Vec<String>>, parent: &Option<Vec<String>>) -> bool {
    match (own, parent) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(parent)) => {
            own.iter().all(|pattern| parent.iter().any(|of| covers(of, pattern)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            id: EventId([7; 16]),
            to: "a".to_owned(),
            parent: None,
            scope: None,
            systems: None,
            targets: None,
            data_classes: None,
            environment: None,
            task: None,
            expires: None,
        }
    }

    fn list(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_child_lies_within_its_parent_bound_by_bound() {
        let parent = Grant {
            scope: list(&["repo:read"]),
            targets: list(&["postgres:staging/*"]),
            environment: Some("staging".to_owned()),
            expires: Some(Micros(10)),
            ..grant()
        };
        let child = Grant { targets: list(&["postgres:staging/sessions"]), ..parent.clone() };
        assert_eq!(child.widens(&parent), []);
        assert_eq!(child.widens(&grant()), [], "what binds nothing cannot be widened");
        let delete = Grant { scope: list(&["repo:delete"]), ..parent.clone() };
        assert_eq!(delete.widens(&parent), [Bound::Scope]);
        let wide = Grant { targets: list(&["postgres:*"]), ..parent.clone() };
        assert_eq!(wide.widens(&parent), [Bound::Target]);
        let long = Grant { expires: Some(Micros(11)), ..parent.clone() };
        assert_eq!(long.widens(&parent), [Bound::Expiry]);
        let all = [Bound::Scope, Bound::Target, Bound::Environment, Bound::Expiry];
        assert_eq!(grant().widens(&parent), all);
    }

    #[test]
    fn a_use_is_held_against_each_bound() {
        let grant = Grant {
            scope: list(&["db:migrate"]),
            systems: list(&["postgres"]),
            targets: list(&["postgres:staging/*"]),
            data_classes: list(&[]),
            environment: Some("staging".to_owned()),
            ..grant()
        };
        let within = Use {
            scope: vec!["db:migrate"],
            system: Some("postgres"),
            target: Some("postgres:staging/sessions"),
            environment: Some("staging"),
            data_classes: Vec::new(),
        };
        assert_eq!(grant.exceeded(&within), []);
        let beyond = Use {
            scope: vec!["db:migrate", "db:drop"],
            system: Some("mysql"),
            target: Some("postgres:prod/sessions"),
            environment: Some("production"),
            data_classes: vec!["personal"],
        };
        let all =
            [Bound::Scope, Bound::System, Bound::Target, Bound::DataClass, Bound::Environment];
        assert_eq!(grant.exceeded(&beyond), all);
        assert_eq!(grant.exceeded(&Use::default()), [], "what is not said is not beyond");
    }

    #[test]
    fn patterns_cover_patterns() {
        for (of, pattern, expected) in [
            ("a/*", "a/b", true),
            ("a/*", "a/*", true),
            ("a/*", "a/b*", true),
            ("a/*", "a*", false),
            ("*", "anything", true),
            ("a", "a", true),
            ("a", "a*", false),
            ("a", "ab", false),
        ] {
            assert_eq!(covers(of, pattern), expected, "{of} {pattern}");
        }
    }

    #[test]
    fn names_lead_back() {
        for bound in Bound::ALL {
            assert_eq!(Bound::parse(bound.as_str()), Some(bound));
        }
    }
}
