//! Bodies of every kind that lack one field which the kind requires.

use std::collections::BTreeMap;

use schemas::body;
use schemas::kind::Kind;
use serde_json::Value as Json;

use super::bad::Bad;
use super::good::bodies_of_the_story;

/// Fields that every kind but the ledger's own requires, dropped from one kind only.
const COMMON: &[&str] = &["id", "salt", "tenant", "time", "session", "seq.n", "seq.prev"];

/// One body for each kind and each field that it requires.
pub(crate) fn bodies() -> Vec<Bad> {
    let mut examples: BTreeMap<Kind, Json> = BTreeMap::new();
    let mut first = true;
    let mut bad = Vec::new();
    for body in bodies_of_the_story() {
        let parsed = body::Body::parse(&body).unwrap();
        examples.entry(parsed.kind()).or_insert_with(|| parsed.to_json());
    }
    for (kind, example) in &examples {
        let common = if std::mem::take(&mut first) { COMMON } else { &[] };
        for path in common.iter().chain(kind.required()) {
            bad.push(without(*kind, example, path));
        }
    }
    bad.extend(conditional(&examples));
    bad
}

fn without(kind: Kind, example: &Json, path: &str) -> Bad {
    let mut json = example.clone();
    let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut object = &mut json;
    for step in above.split('.').filter(|step| !step.is_empty()) {
        object = &mut object[step];
    }
    object.as_object_mut().unwrap().shift_remove(name);
    let bytes = body::from_json(&json).unwrap();
    // An agent signs for itself: without `agent` there is no signer, and the kind asks first.
    Bad::body(format!("{kind} without {path}"), &bytes, "missing_field", path)
}

fn conditional(examples: &BTreeMap<Kind, Json>) -> Vec<Bad> {
    let cases = [
        (Kind::SessionStart, "agent.name"),
        (Kind::SessionStart, "agent.build"),
        (Kind::SessionStart, "agent.version"),
        (Kind::SessionStart, "correlation"),
        (Kind::SessionStart, "task"),
        (Kind::SessionStart, "model"),
        (Kind::SessionStart, "contract"),
        (Kind::ActionOutcome, "outcome.status"),
        (Kind::ActionOutcome, "output"),
        (Kind::EpochOpened, "model"),
    ];
    cases.map(|(kind, path)| without(kind, &examples[&kind], path)).into()
}
