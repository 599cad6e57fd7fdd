//! The guard before the whole interface: everything that is served is declared, and nobody comes in by a bad token.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod limits;
mod tls;
mod world;

use std::collections::BTreeSet;

use axum::http::Method;
use schemas::access::{Place, Right, Role, Scoped};

use super::table;
use world::{ISSUER_SEED, World, concrete};

/// Paths of the router itself; axum shows them in its debug form, and nowhere else.
fn served(router: &axum::Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    // Behind that it shows what answers where no path fits.
    let text = text.split("fallback_router").next().unwrap();
    let after = text.split("RouteId(").skip(1);
    let quoted = after.filter_map(|part| part.split_once("): \"")?.1.split('"').next());
    quoted
        .filter(|path| path.starts_with('/') && !path.contains("private__axum"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_route_is_declared_and_every_declared_one_is_served() {
    let world = World::new();
    let declared: BTreeSet<_> = table::all().map(|route| route.path.to_owned()).collect();
    let served = served(&world.router);
    assert!(served.len() > 40, "axum shows its routes in another way: {served:?}");
    assert_eq!(
        served.difference(&declared).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "served and not declared: add a Route beside the router"
    );
    assert_eq!(
        declared.difference(&served).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "declared and not served"
    );
    // A method that nothing has makes each path say which it has.
    for path in &declared {
        let answer = world.bare(Method::PATCH, &concrete(path)).await;
        assert_eq!(answer.status(), 405, "{path}");
        let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
        let has: BTreeSet<_> = allow.split(',').map(str::trim).filter(|m| *m != "HEAD").collect();
        let says: BTreeSet<_> = table::at(path).iter().map(|route| route.method).collect();
        assert_eq!(has, says, "{path}");
    }
}

#[test]
fn the_table_is_sound() {
    let mut seen = BTreeSet::new();
    for route in table::all() {
        let name = format!("{} {}", route.method, route.path);
        assert!(seen.insert(name.clone()), "{name} twice");
        let segments: Vec<_> = route.segments().collect();
        let of = |place| route.params.iter().filter(move |param| param.place == place);
        assert_eq!(of(Place::Path).map(|param| param.name).collect::<Vec<_>>(), segments, "{name}");
        let names: BTreeSet<_> = route.params.iter().map(|param| param.name).collect();
        assert_eq!(names.len(), route.params.len(), "{name} names a parameter twice");
        assert!(!route.summary.is_empty() && !route.summary.ends_with('.'), "{name}");
        let changes = matches!(route.right, Right::Publish | Right::Disable | Right::Operate);
        // Whoever may have a bundle made may end the making of it.
        let ends_own = name == "DELETE /api/v1/bundles/{job}";
        assert_eq!(changes || ends_own, route.method != "GET", "{name}");
    }
}

#[tokio::test]
async fn without_a_valid_token_nothing_but_public_routes_answers() {
    let world = World::guarded();
    let bad = world.bad_tokens();
    assert!(bad.len() >= 12);
    for route in table::all() {
        let (method, path) = (route.method.parse::<Method>().unwrap(), concrete(route.path));
        let none = world.ask(method.clone(), &path, None).await;
        if route.right == Right::Public {
            assert_ne!(none.status(), 401, "{path}");
        } else {
            assert_eq!(none.status(), 401, "{path}");
            assert_eq!(none.headers()["www-authenticate"], "Bearer realm=\"sworn\"");
        }
        let mut bodies = BTreeSet::new();
        for (why, token) in &bad {
            let answer = world.ask(method.clone(), &path, Some(token)).await;
            assert_eq!(answer.status(), 401, "{why}: {path}");
            let challenge = &answer.headers()["www-authenticate"];
            assert_eq!(challenge, "Bearer realm=\"sworn\", error=\"invalid_token\"", "{why}");
            bodies.insert(world::text(answer).await);
        }
        assert_eq!(bodies.len(), 1, "{path}: {bodies:?}");
    }
    // What is nowhere is not told apart either.
    let known = world.token("auditor", Role::Auditor, None);
    for path in ["/", "/api/v1/nothing", "/api/v2/entries"] {
        assert_eq!(world.ask(Method::GET, path, None).await.status(), 401, "{path}");
        assert_eq!(world.ask(Method::GET, path, Some(&known)).await.status(), 404, "{path}");
    }
    let denied = world.recorded().await;
    assert!(denied.iter().all(|memo| memo.reader == "unknown" && memo.denied), "{denied:?}");
    assert!(denied.iter().any(|memo| memo.query == "GET /api/v1/entries"));
    let all: u64 = denied.iter().map(|memo| memo.count).sum();
    assert!(all > 400, "{all}");
}

#[tokio::test(start_paused = true)]
async fn each_role_gets_what_it_may_and_no_more() {
    let world = World::guarded();
    let operator = world.token("op", Role::Operator, None);
    for role in Role::ALL {
        let token = world.token(role.as_str(), role, None);
        for route in table::all() {
            let (method, path) = (route.method.parse::<Method>().unwrap(), concrete(route.path));
            // The tail's stream and copies of the store are opened for nobody in particular elsewhere.
            if role.may(route.right) && matches!(route.right, Right::Tail | Right::Operate) {
                continue;
            }
            let answer = world.ask(method, &path, Some(&token)).await;
            let status = answer.status();
            if role.may(route.right) {
                assert!(status != 401 && status != 403, "{} {path}: {status}", role.as_str());
            } else {
                assert_eq!(status, 403, "{} {path}", role.as_str());
                assert!(
                    answer.headers()["www-authenticate"]
                        .to_str()
                        .unwrap()
                        .contains("insufficient_scope")
                );
            }
        }
    }
    assert_eq!(world.ask(Method::GET, "/api/v1/status", Some(&operator)).await.status(), 200);
}

#[tokio::test]
async fn a_scope_bounds_what_is_seen_and_what_is_not_there_is_told_alike() {
    let world = World::guarded();
    let scoped = world.token("scoped", Role::Operator, Some("kind:ledger.incident code:shown"));
    let all = world.token("all", Role::Auditor, None);
    let (shown, hidden) = world.incidents();
    let items =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["items"].clone();
    // Whatever a reader writes, nothing outside shows.
    for q in [
        "",
        "kind:*",
        "-code:shown",
        "(code:shown%20|%20code:hidden)",
        "code:hidden)%20|%20(kind:*",
    ] {
        let path = format!("/api/v1/entries?q={q}");
        let answer = world::text(world.ask(Method::GET, &path, Some(&scoped)).await).await;
        let visible = serde_json::from_str::<serde_json::Value>(&answer).unwrap();
        for item in visible["items"].as_array().into_iter().flatten() {
            assert_eq!(item["index"], shown, "{q}");
        }
    }
    let everything =
        world::text(world.ask(Method::GET, "/api/v1/entries?q=code:*", Some(&all)).await).await;
    assert!(items(&everything).as_array().unwrap().len() >= 2);
    // A cursor of another reader's walk is refused, not followed.
    let page =
        world::text(world.ask(Method::GET, "/api/v1/entries?limit=1", Some(&all)).await).await;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/entries?limit=1&cursor={cursor}");
    assert_eq!(world.ask(Method::GET, &path, Some(&scoped)).await.status(), 400);
    for route in table::all() {
        let path = concrete(route.path);
        let method: Method = route.method.parse().unwrap();
        match route.scoped {
            Scoped::Refused => {
                let answer = world.ask(method, &path, Some(&scoped)).await;
                assert_eq!(answer.status(), 403, "{path}");
            }
            Scoped::Single if route.path.contains("{index}") => {
                let at = |index: &str| route.path.replace("{index}", index);
                let unknown = world.ask(Method::GET, &at("999999"), Some(&scoped)).await;
                assert_eq!(unknown.status(), 404, "{path}");
                let headers = unknown.headers().clone();
                let unknown = world::text(unknown).await;
                let outside = at(&hidden.to_string());
                let outside = world.ask(Method::GET, &outside, Some(&scoped)).await;
                assert_eq!(
                    (outside.status().as_u16(), outside.headers()),
                    (404, &headers),
                    "{path}"
                );
                assert_eq!(world::text(outside).await, unknown, "{path}");
                let odd = world.ask(Method::GET, &at("x"), Some(&scoped)).await;
                assert_eq!(world::text(odd).await, unknown, "{path}");
                let inside = world.ask(Method::GET, &at(&shown.to_string()), Some(&scoped)).await;
                let full = world.ask(Method::GET, &at(&shown.to_string()), Some(&all)).await;
                assert_eq!(inside.status(), full.status(), "{path}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn no_cache_keeps_an_answer_that_does_not_say_so() {
    let world = World::new();
    let keeps = async |path: &str| {
        let answer = world.ask(Method::GET, path, None).await;
        let keeps = answer.headers().get("cache-control");
        keeps.map(|keeps| keeps.to_str().unwrap().to_owned())
    };
    for route in table::all().filter(|route| route.method == "GET") {
        let path = concrete(route.path);
        assert!(!path.starts_with("/api/") || keeps(&path).await.is_some(), "{path}");
    }
    for path in ["/api/v1/entries", "/api/v1/entries/0", "/api/v1/nothing"] {
        assert_eq!(keeps(path).await.as_deref(), Some("no-cache"), "{path}");
    }
    assert_eq!(keeps("/api/v1/tail").await.as_deref(), Some("no-cache, no-transform"));
}

#[tokio::test]
async fn whoever_finds_it_not_ready_is_told_when_to_ask_again() {
    let world = World::new();
    let answer = world.ask(Method::GET, "/readyz", None).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert!(world::text(answer).await.contains("broker-unreachable"));
}

#[tokio::test]
async fn another_tenant_is_as_unknown_as_nonsense() {
    let world = World::guarded();
    let mut answers = BTreeSet::new();
    for tenant in ["other", "nonsense-1", "..", "ACME"] {
        let path = format!("/log/{tenant}/checkpoint");
        let answer = world.ask(Method::GET, &path, None).await;
        assert_eq!(answer.status(), 404, "{tenant}");
        answers.insert(world::text(answer).await);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let foreign = world.foreign_token();
    let mut unknown = world.ask(Method::GET, "/api/v1/status", Some(&world::stranger())).await;
    let mut other = world.ask(Method::GET, "/api/v1/status", Some(&foreign)).await;
    assert_eq!(unknown.headers_mut(), other.headers_mut());
    assert_eq!(world::text(unknown).await, world::text(other).await);
}

#[tokio::test]
async fn sensitive_reads_are_recorded_and_others_are_not() {
    let world = World::guarded();
    let token = world.token("anna", Role::Auditor, None);
    for path in [
        "/api/v1/entries?q=corr:w",
        "/api/v1/entries?corr=w",
        "/api/v1/entries/0/body",
        "/api/v1/entries/999/body",
        "/api/v1/count?q=user:bea",
        "/api/v1/stats?q=user:bea&by=target",
        "/api/v1/histogram?q=user:bea&step=1h",
        "/api/v1/gaps?q=user:bea",
        "/api/v1/status",
        "/api/v1/agents",
        "/livez",
    ] {
        world.ask(Method::GET, path, Some(&token)).await;
    }
    let denied = world.token("paul", Role::Publisher, None);
    for path in ["/api/v1/entries?q=corr:w", "/api/v1/count?q=user:bea", "/api/v1/agents"] {
        world.ask(Method::GET, path, Some(&denied)).await;
    }
    let recorded = world.recorded().await;
    let told: Vec<_> = recorded
        .iter()
        .map(|memo| (memo.reader.as_str(), memo.query.as_str(), memo.count, memo.denied))
        .collect();
    assert_eq!(
        told,
        [
            ("anna", "corr:w", 2, false),
            ("anna", "entries/0/body", 1, false),
            ("anna", "user:bea", 4, false),
            ("paul", "agents", 1, true),
            ("paul", "corr:w", 1, true),
            ("paul", "user:bea", 1, true)
        ]
    );
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_its_streams_are_told() {
    let world = World::guarded();
    let token = world.token("gone", Role::Auditor, None);
    assert_eq!(world.ask(Method::GET, "/api/v1/status", Some(&token)).await.status(), 200);
    let identity = world.gate.as_ref().unwrap().identify(&token).unwrap();
    world.revoke("gone");
    assert!(identity.revoked.is_cancelled());
    assert_eq!(world.ask(Method::GET, "/api/v1/status", Some(&token)).await.status(), 401);
}

#[tokio::test]
async fn whoever_came_in_by_an_issuers_key_stays_until_the_key_changes() {
    let world = World::guarded();
    let (token, gate) = (world.signed(&serde_json::json!({})), world.gate.as_ref().unwrap());
    let identity = gate.identify(&token).unwrap();
    world.publish_keys(ISSUER_SEED);
    assert!(!identity.revoked.is_cancelled(), "the file is another, the key is the same");
    world.publish_keys(ISSUER_SEED + 1);
    assert!(identity.revoked.is_cancelled());
    assert!(gate.identify(&token).is_none());
}
