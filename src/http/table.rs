//! Every route of the server, from the tables of those who serve them.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use schemas::access::Route;

/// All tables.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    let here = [super::ROUTES, super::admin::ROUTES, super::submissions::ROUTES];
    let others = [crate::witness::ROUTES, crate::routes::ROUTES, query::ROUTES, tail::ROUTES];
    here.into_iter().chain(others).flatten()
}

static BY_PATH: LazyLock<HashMap<&'static str, Vec<&'static Route>>> = LazyLock::new(|| {
    let mut routes: HashMap<_, Vec<_>> = HashMap::new();
    for route in all() {
        routes.entry(route.path).or_default().push(route);
    }
    routes
});

/// The routes declared at this path of a router.
pub(super) fn at(path: &str) -> &'static [&'static Route] {
    BY_PATH.get(path).map_or(&[], Vec::as_slice)
}

/// The one of them that answers the method.
pub(super) fn answering(routes: &[&'static Route], method: &Method) -> Option<&'static Route> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    routes.iter().find(|route| route.method == method).copied()
}
