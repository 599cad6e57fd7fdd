//! `/problems/{code}`: what a problem means and what to do, from the page that people read.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemas::problem::Problem;

use super::refuse;

const PAGE: &str = include_str!("../../docs/problems.md");

/// The lines about one code.
pub(super) async fn explained(Path(code): Path<String>) -> Response {
    match section(&code) {
        Some(text) => text.to_owned().into_response(),
        None => {
            let problem = Problem::new("not-found", "Not found", "there is no such problem");
            refuse(StatusCode::NOT_FOUND, &problem)
        }
    }
}

fn section(code: &str) -> Option<&'static str> {
    let mut sections = PAGE.split("\n## ").skip(1);
    let (_, text) =
        sections.find_map(|section| section.split_once('\n').filter(|(name, _)| *name == code))?;
    Some(text.trim_start())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;

    /// Whether a title stands behind the word.
    fn titled(rest: &str) -> bool {
        rest.split_once('"').is_some_and(|(_, after)| after.starts_with(", \""))
    }

    /// The codes that the sources name: where problems are made, and in the tables of those that make many.
    fn codes(directory: &Path, found: &mut Vec<String>) {
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                codes(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let made = text.split("Problem::new(").skip(1).map(str::trim_start);
                let table = path.ends_with("query/src/error.rs");
                let listed = text.split("(\"").skip(1).filter(|_| table);
                let first = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
                found.extend(made.filter_map(|rest| rest.strip_prefix('"')).map(first));
                found.extend(listed.filter(|rest| titled(rest)).map(first));
            }
        }
        found.retain(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }

    #[test]
    fn every_problem_of_the_sources_is_explained() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for part in ["src", "query/src", "tail/src"] {
            codes(&root.join(part), &mut found);
        }
        assert!(found.len() > 20, "{found:?}");
        for code in &found {
            assert!(section(code).is_some_and(|text| text.ends_with('\n')), "{code}");
        }
        // Nor does the page explain what nothing says.
        for code in PAGE.split("\n## ").skip(1).filter_map(|section| section.lines().next()) {
            assert!(found.iter().any(|found| found == code), "{code}");
        }
        assert_eq!(section("problems"), None);
    }
}
