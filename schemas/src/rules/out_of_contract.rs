//! `out_of_contract`: an action is not what the contract permits, or there is no contract.

use super::{Flag, Rule, Sorts, View};
use super::engine::{offset_s, target, zone};
use crate::contract::{Contract, DESTINATION, Hours, permits, same_name};
use crate::grant::covers;

pub(super) static RULE: Rule = Rule::at_entry(
    "out_of_contract",
    check,
    "The operation, system, target, domain, hour, environment or data class of the action \
     lies outside the contract in force, or the agent has none. An operation is what the \
     contract's actions say of the action and each scope that it uses; where there is \
     neither, the action's own name. Stop the agent if it should not have been able to; \
     else its owner changes the contract, and the change stays on record.",
).about(Sorts::JUDGED).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    view.facts.action.filter(|_| view.is_judged)?;
    let Some(contract) = view.contract else { return Some(Flag::of("none")) };
    let ways = [
        ("operation", operation(view, contract)),
        ("system", system(view, contract)),
        ("target", unlisted(contract.allowed.targets.as_ref(), view.facts.action.and_then(|a| a.target))),
        ("domain", domain(view, contract)),
        ("hours", hours(view, contract)),
        ("environment", unlisted(contract.allowed.environments.as_ref(), view.facts.environment)),
        ("data_class", data_class(view, contract)),
    ];
    Flag::each(ways.into_iter().filter(|(_, beyond)| *beyond).map(|(name, _)| name))
}

/// The system that an action is on: the contract knows best.
fn system_of<'v>(view: &View<'v>) -> Option<&'v str> {
    let known = view.mapped.and_then(|mapped| mapped.system.as_deref());
    known.or_else(|| view.facts.action?.system)
}

fn system(view: &View<'_>, contract: &Contract) -> bool {
    system_of(view).is_some_and(|system| !contract.allowed.permissions.contains_key(system))
}

/// What the contract says that the action needs, and each scope that it uses; else its name.
fn operation(view: &View<'_>, contract: &Contract) -> bool {
    let Some(permitted) = system_of(view).and_then(|system| contract.allowed.permissions.get(system)) else {
        return false;
    };
    let permits = |used: &str| permitted.iter().any(|operation| permits(operation, used));
    let needed = view.mapped.and_then(|mapped| mapped.scope.as_deref());
    let mut used = view.scopes().chain(needed).peekable();
    match used.peek() {
        Some(_) => !used.all(permits),
        // What came of an intent need not say again what that said.
        None if view.intent().is_some() => false,
        None => view.facts.action.is_some_and(|action| !permits(action.name)),
    }
}

fn unlisted(list: Option<&Vec<String>>, name: Option<&str>) -> bool {
    let (Some(list), Some(name)) = (list, name) else { return false };
    !list.iter().any(|pattern| covers(pattern, name))
}

fn domain(view: &View<'_>, contract: &Contract) -> bool {
    let target = view.facts.action.and_then(|action| action.target);
    let (Some(domains), Some(target)) = (&contract.allowed.domains, target) else { return false };
    target::domains(target).any(|domain| !target::is_allowed(domains, domain))
}

/// Outside of all hours of the action; a zone that cannot be told allows it.
fn hours(view: &View<'_>, contract: &Contract) -> bool {
    let Some(action) = view.facts.action else { return false };
    let mut own = contract.allowed.hours.iter().filter(|hours| same_name(&hours.action, action.name)).peekable();
    let is_outside = |hours: &Hours| {
        let zone = match hours.zone.as_str() {
            DESTINATION => action.target.and_then(zone::of),
            zone => Some(zone),
        };
        zone.and_then(|zone| minute(view, zone)).is_some_and(|minute| {
            !(u64::from(hours.from)..u64::from(hours.to)).contains(&minute)
        })
    };
    own.peek().is_some() && own.all(is_outside)
}

/// Minute of the local day at which the ledger took it.
fn minute(view: &View<'_>, zone: &str) -> Option<u64> {
    let utc_s = i64::try_from(view.facts.at.0 / 1_000_000).ok()?;
    let local_s = utc_s.checked_add(offset_s(zone, view.facts.at)?)?;
    u64::try_from(local_s.rem_euclid(86_400) / 60).ok()
}

fn data_class(view: &View<'_>, contract: &Contract) -> bool {
    let Some(listed) = &contract.allowed.data_classes else { return false };
    view.list("data_class").any(|class| unlisted(Some(listed), Some(class)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn world(more: &serde_json::Value) -> World {
        let mut world = World::new();
        let agent = json!({
            "name": "a", "owner": "owner", "execution_mode": "autonomous",
            "permissions": { "sys": ["repo:read", "do", "pull_request:comment"], "voice": ["call"] },
        });
        world.contract("a", "owner", &with(json!({ "agent": agent }), more));
        world
    }

    #[test]
    fn operations_lie_within_the_permissions() {
        for (name, scope, expected) in [
            ("repo.push", json!(["repo:push"]), vec!["out_of_contract operation"]),
            ("repo.read", json!(["repo:read"]), vec![]),
            ("repo.push", json!(["repo:read", "repo:push"]), vec!["out_of_contract operation"]),
            ("do", json!([]), vec![]),
            ("pull_request.comment", json!([]), vec![]),
            ("repo.push", json!([]), vec!["out_of_contract operation"]),
        ] {
            let act = json!({ "action": action(name, "read", "sys:x/y"), "scope": scope });
            assert_eq!(world(&json!({})).intent("a", &act), expected, "{name}");
        }
        let mut elsewhere = action("do", "read", "x");
        elsewhere["system"] = json!("jira");
        let found = world(&json!({})).intent("a", &json!({ "action": elsewhere }));
        assert_eq!(found, ["out_of_contract system"]);
        assert_eq!(world(&json!({})).found.len(), 0);
    }

    #[test]
    fn what_the_contract_says_of_an_action_counts() {
        let mapped = json!({ "actions": { "DROP TABLE": { "scope": "db:drop" } } });
        for name in ["DROP TABLE", "drop table", "Drop  Table"] {
            let act = json!({ "action": action(name, "read", "sys:x/y") });
            assert_eq!(world(&mapped).intent("a", &act), ["out_of_contract operation"], "{name}");
            let harmless = with(act, &json!({ "scope": ["repo:read"] }));
            let found = world(&mapped).intent("a", &harmless);
            assert_eq!(found, ["claim_mismatch scope", "out_of_contract operation"]);
        }
    }

    #[test]
    fn each_bound_is_named() {
        let bounds = json!({
            "targets": ["sys:x/*", "x@example.com"], "environments": ["test"], "domains": ["example.com"],
            "data_classes": ["public"],
        });
        for (more, expected) in [
            (json!({}), vec![]),
            (json!({ "environment": "production" }), vec!["out_of_contract environment"]),
            (json!({ "data_class": ["public", "secret"] }), vec!["out_of_contract data_class"]),
            (json!({ "action": action("do", "read", "sys:z") }), vec!["out_of_contract target"]),
            (json!({ "action": action("do", "read", "x@example.com") }), vec![]),
            (json!({ "action": action("do", "read", "x@other.example") }), vec!["out_of_contract target,domain"]),
        ] {
            assert_eq!(world(&bounds).intent("a", &more), expected, "{more}");
        }
    }

    #[test]
    fn hours_in_a_zone_that_is_gone_are_those_of_utc() {
        let hours = json!([{ "action": "do", "from": "09:00", "to": "18:00", "zone": "Gone/Zone" }]);
        let mut world = world(&json!({ "hours": hours }));
        for (at, expected) in [
            ("2026-04-08T08:59:00Z", vec!["out_of_contract hours"]),
            ("2026-04-08T09:00:00Z", vec![]),
            ("2026-04-08T18:00:00Z", vec!["out_of_contract hours"]),
        ] {
            world.now = time(at);
            assert_eq!(world.intent("a", &json!({ "time": world.now.0 })), expected, "{at}");
        }
    }

    #[test]
    fn hours_are_those_of_the_destination() {
        let hours = json!([{ "action": "call", "from": "09:00", "to": "18:00", "zone": "destination" }]);
        let mut call = action("call", "communication", "+14155550142");
        call["system"] = json!("voice");
        let mut unknown = call.clone();
        unknown["target"] = json!("+18505550142");
        for (at, expected) in [
            ("2026-04-09T00:59:00Z", vec![]),
            ("2026-04-09T01:00:00Z", vec!["out_of_contract hours"]),
            ("2026-04-09T01:01:00Z", vec!["out_of_contract hours"]),
            ("2026-04-09T15:59:00Z", vec!["out_of_contract hours"]),
            ("2026-04-09T16:00:00Z", vec![]),
        ] {
            let mut world = world(&json!({ "hours": hours }));
            world.now = time(at);
            assert_eq!(world.intent("a", &json!({ "action": call })), expected, "{at}");
            assert_eq!(world.intent("a", &json!({ "action": unknown })), NONE, "no zone can be told");
        }
    }

    #[test]
    fn no_contract_permits_nothing() {
        let mut world = World::new();
        world.agent("c", "owner");
        world.start("c", &json!({}));
        assert_eq!(world.intent("c", &json!({})), ["out_of_contract none"]);
        world.contract("c", "owner", &json!({}));
        assert_eq!(world.intent("c", &json!({})), NONE);
        assert!(world.found.is_empty());
        let withdrawn = json!({ "agent": { "id": "c" }, "contract": "07".repeat(32) });
        world.entry("contract.withdrawn", "owner", withdrawn);
        assert_eq!(world.intent("c", &json!({})), ["out_of_contract none"]);
    }

    #[test]
    fn the_finding_cites_the_contract() {
        let mut world = world(&json!({}));
        world.intent("a", &json!({ "scope": ["repo:push"] }));
        assert_eq!(world.found[0].contract, Some(crate::id::Digest([7; 32])));
    }
}
