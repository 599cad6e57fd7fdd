//! What must not be: held by reading the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(directory) = waiting.pop() {
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The workspace's own crates that a crate depends on outside its tests.
fn edges(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let own = ["schemas", "ledger", "ingest", "query", "tail", "bench"];
    let dependencies = table["dependencies"].as_table().unwrap();
    dependencies.keys().filter(|name| own.contains(&name.as_str())).cloned().collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let arrows = BTreeMap::from([
        ("schemas", vec![]),
        ("ledger", vec!["schemas"]),
        ("ingest", vec!["ledger", "schemas"]),
        ("query", vec!["ledger", "schemas"]),
        ("tail", vec!["ledger", "schemas"]),
        ("bench", vec!["ingest", "ledger", "query", "schemas", "tail"]),
    ]);
    for (name, allowed) in arrows {
        assert_eq!(edges(&format!("{name}/Cargo.toml")), allowed, "{name}");
    }
}

/// Code without its comments and its unit tests.
fn product(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn forbid(directories: &[&str], words: &[&str], why: &str) {
    for directory in directories {
        for (path, text) in sources(directory) {
            // A crate's own tests may stand in a folder beside the code they test.
            let tests = path.components().any(|part| part.as_os_str() == "tests")
                || path.file_name().is_some_and(|name| name == "tests.rs");
            let code = product(&text);
            for word in words {
                let clean = tests || !code.contains(word);
                assert!(clean, "{} contains {word:?}: {why}", path.display());
            }
        }
    }
}

#[test]
fn invariants_of_absence_hold() {
    let all = ["schemas/src", "ledger/src", "ingest/src", "query/src", "tail/src", "src"];
    forbid(
        &["schemas/src", "ingest/src", "query/src", "tail/src", "src"],
        &["rocksdb::", "use rocksdb"],
        "only ledger names RocksDB",
    );
    forbid(
        &["schemas/src", "ledger/src", "query/src", "tail/src", "src"],
        &["async_nats"],
        "only ingest names NATS",
    );
    forbid(
        &["schemas/src"],
        &["std::fs", "std::net", "tokio", "SystemTime", "Instant::now", "getrandom", "std::thread"],
        "schemas is pure",
    );
    forbid(
        &["ledger/src"],
        &["SystemTime", "Instant::now", "getrandom", "rand::"],
        "the ledger reads no clock and no randomness",
    );
    forbid(&["schemas/src", "ledger/src", "ingest/src"], &["StatusCode"], "HTTP ends above");
    forbid(&["schemas/src", "ledger/src"], &["derive(Serialize", "Serialize,"], "JSON is by hand");
    forbid(&all, &[".unwrap()", "todo!(", "unimplemented!("], "no panics in the product");
    forbid(&all, &["unbounded_channel", "to_le_bytes", "to_ne_bytes"], "bounded and big-endian");
}

#[test]
fn the_repository_speaks_of_the_product_alone() {
    let words = ["/work/", "../shared", "pypi.org", "crates.io/api", "helper-"];
    let documents = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/decisions.md"];
    let mut texts: Vec<_> = documents
        .iter()
        .map(|name| (PathBuf::from(name), fs::read_to_string(root().join(name)).unwrap()))
        .collect();
    for directory in ["schemas", "ledger", "ingest", "query", "tail", "src", "bench"] {
        texts.extend(sources(directory));
    }
    for (path, text) in texts {
        for word in words {
            assert!(!text.contains(word), "{} contains {word:?}", path.display());
        }
    }
}

#[test]
fn the_architecture_fits_three_pages() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 180, "{} lines", text.lines().count());
}

#[test]
fn the_code_map_names_each_place_once() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut places: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).collect();
    let named = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), named, "{places:?}");
}
