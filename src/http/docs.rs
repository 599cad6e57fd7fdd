//! `/docs`: the interface described for people, one page without scripts.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::response::{Html as Page, IntoResponse as _, Response};
use schemas::access::Route;
use schemas::html::{Cell, Html};

use super::table;

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;\
padding:0 1rem}h2{font:1rem/1.5 monospace;margin:2rem 0 0}p{margin:.2rem 0}td{padding:0 1rem .2rem 0;vertical-align:top}";

/// In memory once, however many clients take their time with it.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| text().into());

/// The page.
pub(super) async fn page() -> Response {
    Page(TEXT.clone()).into_response()
}

fn text() -> String {
    Html::page("sworn: the HTTP interface", STYLE, |page| {
        page.paragraph("For programs: /openapi.json. What is wrong is said as RFC 9457 has it, and explained under /problems/.");
        table::all().for_each(|route| section(page, route));
    })
}

fn section(page: &mut Html, route: &Route) {
    page.heading(&format!("{} {}", route.method, route.path));
    let media = route.media.join(", ");
    page.paragraph(&format!(
        "{}. Needs: {}. Answers: {media}.",
        route.summary,
        route.right.as_str()
    ));
    if !route.params.is_empty() {
        let rows = route.params.iter().map(|param| {
            let needed = if param.required { "required" } else { "" };
            Vec::from([param.name, needed, param.description].map(Cell::new))
        });
        page.table(&[], rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_on_the_page() {
        let page = text();
        for route in table::all() {
            assert!(page.contains(&format!("<h2>{} {}</h2>", route.method, route.path)));
        }
    }
}
