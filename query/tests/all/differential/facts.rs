//! What each entry's JSON says, as key and value: written from the table of keys, not from the product.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value as Json;

/// Every fact of every entry, each value by its number.
#[derive(Default)]
pub(crate) struct Facts {
    keys: Vec<&'static str>,
    /// Values of each key.
    values: Vec<Vec<String>>,
    numbers: HashMap<(usize, String), usize>,
    entries: Vec<Entry>,
}

struct Entry {
    received_at: u64,
    facts: Vec<(usize, usize)>,
}

/// Fields of the body that say one thing each.
const FIELDS: &[(&str, &str)] = &[
    ("agent", "/agent/id"),
    ("agent", "/registry/signer"),
    ("session", "/session"),
    ("parent", "/parent_session"),
    ("corr", "/correlation"),
    ("kind", "/kind"),
    ("principal", "/registry/id"),
    ("user", "/on_behalf_of"),
    ("cred", "/credential/id"),
    ("model", "/model/name"),
    ("tool", "/tool/name"),
    ("tool_digest", "/tool/digest"),
    ("system", "/action/system"),
    ("action", "/action/name"),
    ("target", "/action/target"),
    ("class", "/action/class"),
    ("env", "/environment"),
    ("mode", "/mode"),
    ("task", "/task/digest"),
    ("contract", "/contract"),
    ("digest", "/input/digest"),
    ("outcome", "/outcome/status"),
    ("reason", "/reason"),
    ("time", "/time"),
];

impl Facts {
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    pub(crate) fn received_at(&self, index: u64) -> u64 {
        self.entries[usize::try_from(index).unwrap()].received_at
    }

    /// Takes in the next entry.
    pub(crate) fn learn(&mut self, entry: &Json) {
        assert_eq!(entry["index"], self.len());
        let mut facts = Vec::new();
        let body = &entry["body"];
        if entry["status"] == "accepted" {
            facts.push(("status", "accepted".to_owned()));
            facts.push(("id", text(&entry["id"])));
        } else {
            facts.push(("status", "rejected".to_owned()));
            facts.push(("reason", text(&entry["status"])));
        }
        facts.extend(list(&entry["claimed"]).map(|name| ("claimed", text(name))));
        if !body.is_null() {
            let signer =
                if body["signer"].is_null() { &body["agent"]["id"] } else { &body["signer"] };
            facts.push(("signer", text(signer)));
            facts.extend(of_body(body));
        }
        let facts = facts.into_iter().map(|(key, value)| self.number(key, value)).collect();
        self.entries.push(Entry { received_at: micros(&entry["received_at"]), facts });
    }

    fn number(&mut self, key: &'static str, value: String) -> (usize, usize) {
        let known = self.keys.iter().position(|known| *known == key);
        let key = known.unwrap_or_else(|| {
            self.keys.push(key);
            self.values.push(Vec::new());
            self.keys.len() - 1
        });
        let values = &mut self.values[key];
        let number = self.numbers.entry((key, value)).or_insert_with_key(|(_, value)| {
            values.push(value.clone());
            values.len() - 1
        });
        (key, *number)
    }

    /// Keys that some entry carries.
    pub(crate) fn keys(&self) -> &[&'static str] {
        &self.keys
    }

    /// Values of the key.
    pub(crate) fn values(&self, key: &str) -> &[String] {
        let place = self.keys.iter().position(|known| *known == key);
        place.map_or(&[], |place| self.values[place].as_slice())
    }

    /// Which entries of `range` carry a value of `key` that fits.
    pub(crate) fn carrying(
        &self,
        key: &str,
        range: Range<usize>,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<bool> {
        let key = self.keys.iter().position(|known| *known == key).unwrap_or(usize::MAX);
        let fitting: Vec<_> = self.values.get(key).into_iter().flatten().map(|v| fits(v)).collect();
        let carries = |entry: &Entry| entry.facts.iter().any(|(k, v)| *k == key && fitting[*v]);
        self.entries[range].iter().map(carries).collect()
    }
}

fn of_body(body: &Json) -> Vec<(&'static str, String)> {
    let mut facts: Vec<_> = FIELDS
        .iter()
        .filter_map(|(key, path)| Some((*key, body.pointer(path)?.as_str()?.to_owned())))
        .filter(|(key, value)| !matches!(*key, "contract" | "digest") || value != "none")
        .collect();
    facts.extend(list(&body["scope"]).map(|scope| ("scope", text(scope))));
    facts.extend(list(&body["data_class"]).map(|class| ("data", text(class))));
    facts.extend(list(&body["causes"]).map(|cause| ("cause", text(cause))));
    let joined = |origin: &Json| format!("{}/{}", text(&origin["type"]), text(&origin["ref"]));
    if !body["trigger"].is_null() {
        facts.push(("trigger", joined(&body["trigger"])));
    }
    facts.extend(list(&body["sources"]).map(|source| ("source", joined(source))));
    for (name, value) in body["assertions"].as_object().into_iter().flatten() {
        facts.push(("assertion", format!("{name}={}", text(value))));
    }
    let hops: Vec<_> = list(&body["principals"]).map(|hop| text(&hop["id"])).collect();
    facts.extend(hops.iter().map(|hop| ("principal", hop.clone())));
    for (place, later) in hops.iter().enumerate() {
        let path = |earlier: &String| ("path", format!("{earlier}>{later}"));
        facts.extend(hops[..place].iter().map(path));
    }
    if hops.len() > 2 {
        facts.push(("path", hops.join(">")));
    }
    facts
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// A time in RFC 3339 as a number.
pub(crate) fn micros(json: &Json) -> u64 {
    let at: jiff::Timestamp = json.as_str().unwrap().parse().unwrap();
    u64::try_from(at.as_microsecond()).unwrap()
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
