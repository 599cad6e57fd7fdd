//! What the table of routes declares is what they take, and the forms in which they answer.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use query::ROUTES;
use schemas::access::{Place, Route};

use crate::world::World;

/// A path of the route, whether there is something at it or not, with what it needs to be answered at all.
fn path(route: &Route) -> String {
    // The client adds the version itself.
    let path = route.path.trim_start_matches("/api/v1");
    let segments = path.split('/').map(|part| if part.starts_with('{') { "0" } else { part });
    let needed = query_parameters(route).filter(|param| param.required);
    let pairs: Vec<_> = needed.map(|param| format!("{}=1", param.name)).collect();
    format!("{}?{}", segments.collect::<Vec<_>>().join("/"), pairs.join("&"))
}

fn query_parameters(route: &Route) -> impl Iterator<Item = &'static schemas::access::Param> {
    route.params.iter().filter(|param| param.place == Place::Query)
}

/// The names that a refusal of another parameter lists; `None` where none is refused.
fn taken(world: &World, path: &str) -> Option<BTreeSet<String>> {
    let answer = world.get(&format!("{path}&nonsense=1"));
    if answer.status != StatusCode::BAD_REQUEST {
        return None;
    }
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    let (_, listed) = detail.split_once("; there are ").unwrap();
    let mut names: BTreeSet<_> = listed.split(", ").map(str::to_owned).collect();
    names.remove("none");
    // Some choose the answer's form before they look at the other parameters.
    if world.problem(&format!("{path}&format=nonsense")).1 != "unknown-parameter" {
        names.insert("format".to_owned());
    }
    Some(names)
}

/// The media types that a refusal of all others lists; `None` where there is but one, whatever is accepted.
fn given(world: &World, path: &str) -> Option<BTreeSet<String>> {
    let answer = world.get_as(path, &[(ACCEPT, "image/png")]);
    if answer.status != StatusCode::NOT_ACCEPTABLE {
        return None;
    }
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    let (_, listed) = detail.split_once("; there are ").unwrap();
    Some(listed.split(", ").map(essence).collect())
}

/// A media type without its parameters.
fn essence(media: &str) -> String {
    media.split(';').next().unwrap().to_owned()
}

#[test]
fn every_parameter_and_every_form_is_declared() {
    let world = World::new();
    let (mut lax, mut formed) = (Vec::new(), 0);
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let path = path(route);
        match taken(&world, &path) {
            Some(taken) => {
                let declared: BTreeSet<_> =
                    query_parameters(route).map(|param| param.name.to_owned()).collect();
                assert_eq!(taken, declared, "{}", route.path);
            }
            None => lax.push(route.path),
        }
        if let Some(given) = given(&world, &path) {
            let declared: BTreeSet<_> = route.media.iter().copied().map(essence).collect();
            assert_eq!(given, declared, "{}", route.path);
            formed += 1;
        }
    }
    assert_eq!(lax, ["/api/v1/bundles/{job}", "/log/{tenant}/{*path}"]);
    assert!(formed >= 9, "{formed}");
}
