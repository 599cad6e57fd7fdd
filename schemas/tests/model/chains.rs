//! What should be found of a principal chain, hop by hop.

use std::collections::BTreeSet;

use super::reference::{Given, Reference};
use super::step::{Action, GrantSpec, Hop};

/// A hop: the entry that gave its grant, and what is wrong, as `rule` or `rule:detail`.
pub(crate) type Found = (Option<u64>, BTreeSet<String>);

impl Reference {
    pub(crate) fn chain(&self, action: &Action, now: u64) -> Vec<Found> {
        let hops = &action.chain;
        let mut found: Vec<Found> = Vec::new();
        for (place, hop) in hops.iter().enumerate() {
            let mut here = match place {
                0 => self.root(hop, hops.len() > 1, now),
                place => self.hop(&hops[place - 1], hop, now),
            };
            if place == hops.len() - 1 {
                if hop.id != action.agent {
                    here.1.insert("principal_mismatch".to_owned());
                }
                if let Some(given) = hop.grant.and_then(|id| self.given(id)) {
                    let beyond = exceeded(&given.grant, action);
                    here.1.extend(beyond.into_iter().map(|bound| format!("out_of_scope:{bound}")));
                }
            }
            found.push(here);
        }
        found
    }

    fn root(&self, hop: &Hop, delegates: bool, now: u64) -> Found {
        let mut faults = BTreeSet::new();
        if !self.is_known(&hop.id) {
            faults.insert("root_unregistered".to_owned());
        }
        if (hop.human || self.has_role(&hop.id, "human")) && !hop.evidence {
            faults.insert("intent_unproven".to_owned());
        }
        if delegates && !self.is_active(&hop.id) {
            faults.insert("grantor_inactive".to_owned());
        }
        let Some(id) = hop.grant else { return (None, faults) };
        if let Some(why) = self.ungranted(id, now) {
            faults.insert(format!("grant_missing:{why}"));
        }
        let given = self.given(id);
        if given.is_some() {
            faults.insert("principal_mismatch".to_owned());
        }
        (given.map(|given| given.at), faults)
    }

    /// Why nobody may act under a grant.
    fn ungranted(&self, id: u64, now: u64) -> Option<&'static str> {
        let (lineage, whole) = self.lineage(id);
        let ends = |given: &&Given| match (given.revoked, given.grant.expires) {
            (Some(_), _) => Some("revoked"),
            (None, Some(end)) if now >= end => Some("expired"),
            _ => None,
        };
        let broken = if whole { None } else { Some("unknown") };
        lineage.iter().find_map(ends).or(broken)
    }

    fn hop(&self, before: &Hop, hop: &Hop, now: u64) -> Found {
        let mut faults = BTreeSet::new();
        let Some(id) = hop.grant else {
            return (None, BTreeSet::from(["grant_missing:unnamed".to_owned()]));
        };
        let (lineage, _) = self.lineage(id);
        let Some(given) = lineage.first() else {
            return (None, BTreeSet::from(["grant_missing:unknown".to_owned()]));
        };
        if let Some(why) = self.ungranted(id, now) {
            faults.insert(format!("grant_missing:{why}"));
        }
        if lineage.iter().any(|given| !self.is_active(&given.by)) {
            faults.insert("grantor_inactive".to_owned());
        }
        let follows = given.grant.parent == before.grant;
        if given.by != before.id || given.grant.to != hop.id || !follows {
            faults.insert("principal_mismatch".to_owned());
        }
        let widened = self.widened(given);
        faults.extend(widened.into_iter().map(|bound| format!("scope_widened:{bound}")));
        (Some(given.at), faults)
    }

    /// Bounds in which a grant is not within the one that it rests on.
    pub(crate) fn widened(&self, given: &Given) -> Vec<&'static str> {
        let parent = given.grant.parent.and_then(|id| self.given(id));
        let Some(parent) = parent.filter(|parent| parent.at < given.at) else { return Vec::new() };
        let (own, of) = (&given.grant, &parent.grant);
        let narrower = [
            ("scope", within(&own.scope, &of.scope)),
            ("system", within(&own.systems, &of.systems)),
            ("target", within(&own.targets, &of.targets)),
            ("data_class", within(&own.data_classes, &of.data_classes)),
            ("environment", of.environment.is_none() || of.environment == own.environment),
            (
                "expiry",
                match (own.expires, of.expires) {
                    (_, None) => true,
                    (None, Some(_)) => false,
                    (Some(own), Some(of)) => own <= of,
                },
            ),
        ];
        narrower.into_iter().filter(|(_, fits)| !fits).map(|(bound, _)| bound).collect()
    }
}

/// Bounds of the grant in which the action is not within it.
fn exceeded(grant: &GrantSpec, action: &Action) -> Vec<&'static str> {
    let allows = |list: &Option<Vec<&str>>, used: &[&str]| {
        let Some(list) = list else { return true };
        used.iter().all(|used| list.iter().any(|pattern| stands_for(pattern, used)))
    };
    let environment = grant.environment.is_none()
        || action.environment.is_none()
        || grant.environment == action.environment;
    let fits = [
        ("scope", allows(&grant.scope, &action.scope)),
        ("system", allows(&grant.systems, &[action.system])),
        ("target", allows(&grant.targets, &[action.target])),
        ("data_class", allows(&grant.data_classes, &action.data_classes)),
        ("environment", environment),
    ];
    fits.into_iter().filter(|(_, fits)| !fits).map(|(bound, _)| bound).collect()
}

fn within(own: &Option<Vec<&str>>, of: &Option<Vec<&str>>) -> bool {
    match (own, of) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(of)) => own.iter().all(|own| of.iter().any(|of| stands_for(of, own))),
    }
}

/// Whether whatever `name` stands for, `pattern` stands for too: `*` at the end is anything.
fn stands_for(pattern: &str, name: &str) -> bool {
    let Some(prefix) = pattern.strip_suffix('*') else { return pattern == name };
    let name = name.strip_suffix('*').unwrap_or(name);
    name.len() >= prefix.len() && name[..prefix.len()] == *prefix
}
