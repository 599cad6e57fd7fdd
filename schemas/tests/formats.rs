//! The CDDL files say what the code does: every field with its bounds, every kind, every reason.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemas::body::{BODY_VERSION, FIELDS, registry_fields};
use schemas::kind::{Kind, Stream};
use schemas::leaf::LEAF_VERSION;
use schemas::limits;
use schemas::reject::Reason;
use schemas::shape::{Field, Shape};
use schemas::statement::{ALG_ED25519, ALG_EDDSA, Preimage};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The rules of all files by name, comments taken out, space made single.
struct Rules(BTreeMap<String, String>);

impl Rules {
    fn read() -> Self {
        let mut rules: BTreeMap<String, String> = BTreeMap::new();
        let mut current = String::new();
        for name in ["submission", "statement", "body", "leaf", "receipt", "reply"] {
            for line in file(&format!("{name}.cddl")).lines() {
                let line = line.split(';').next().unwrap_or_default();
                let starts = line.starts_with(|c: char| c.is_ascii_lowercase());
                if let Some((name, rest)) = line.split_once(" = ").filter(|_| starts) {
                    current = name.to_owned();
                    let before = rules.insert(current.clone(), rest.trim().to_owned());
                    assert!(before.is_none(), "{current} is there twice");
                } else if let Some(rule) = rules.get_mut(&current) {
                    rule.push(' ');
                    rule.push_str(line.trim());
                }
            }
        }
        Self(rules)
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no rule {name}")).trim()
    }
}

/// What stands between the outermost braces, split at the commas there.
fn parts(braced: &str) -> Vec<&str> {
    let inner = braced.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.unwrap_or_else(|| panic!("{braced} is no map"));
    let mut depth = 0;
    let split = inner.split(|c| {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    split.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Name, type and whether it must be there.
fn field(part: &str) -> (&str, &str, bool) {
    let (name, of) = part.split_once(": ").unwrap_or_else(|| panic!("{part} is no field"));
    match name.strip_prefix("? ") {
        Some(name) => (name, of, false),
        None => (name, of, true),
    }
}

/// Holds a record's rule against its table, in order.
fn check_record(rules: &Rules, name: &str, fields: &[Field]) {
    let rule: Vec<_> = parts(rules.get(name)).into_iter().map(field).collect();
    let names: Vec<_> = rule.iter().map(|(name, _, _)| *name).collect();
    let table: Vec<_> = fields.iter().map(|field| field.name).collect();
    assert_eq!(names, table, "fields of {name}");
    assert!(table.is_sorted_by_key(|name| (name.len(), *name)), "{name} is not in wire order");
    for ((field, of, must), table) in rule.into_iter().zip(fields) {
        assert!(name == "body" || must == table.required, "{name}.{field} is required or not");
        check_shape(rules, &format!("{name}.{field}"), of, &table.shape);
    }
}

fn check_shape(rules: &Rules, path: &str, of: &str, shape: &Shape) {
    let expected = match shape {
        Shape::Uint(_) if path == "body.v" => BODY_VERSION.to_string(),
        Shape::Uint(u64::MAX) => "uint".to_owned(),
        Shape::Uint(max) => format!("0..{max}"),
        Shape::Bool => "bool".to_owned(),
        Shape::Time => "time-us".to_owned(),
        Shape::Text(max) => format!("tstr .size (1..{max})"),
        Shape::Word(words) => {
            let of = if of == "role" { rules.get(of) } else { of };
            let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            return assert_eq!(of, words.join(" / "), "{path}");
        }
        Shape::Bytes(32) => "hash".to_owned(),
        Shape::Bytes(len) => format!("bstr .size {len}"),
        Shape::Id => "event-id".to_owned(),
        Shape::OrNone(inner) => {
            let of =
                of.strip_suffix(" / \"none\"").unwrap_or_else(|| panic!("{path} is never none"));
            return check_shape(rules, path, of, inner);
        }
        Shape::List { of: inner, min, max } => {
            let of = if of == "scopes" { rules.get(of) } else { of };
            let head = format!("[ {min}*{max} ");
            let item = of.strip_prefix(&head).and_then(|rest| rest.strip_suffix(" ]"));
            let item = item.unwrap_or_else(|| panic!("{path}: {of} does not begin {head}"));
            let plain = item.strip_prefix("( ").and_then(|rest| rest.strip_suffix(" )"));
            return check_shape(rules, path, plain.unwrap_or(item), inner);
        }
        Shape::Ranges(max) => format!("[ 1*{max} [ from: uint, to: uint ] ]"),
        Shape::Record(fields) => return check_record(rules, of, fields),
        Shape::Dictionary { pairs, key, value } => {
            format!("{{ 0*{pairs} tstr .size (1..{key}) => tstr .size (1..{value}) }}")
        }
        Shape::Named { of: inner, key, pairs } => {
            let head = format!("{{ 0*{pairs} tstr .size (1..{key}) => ");
            let named = of.strip_prefix(&head).and_then(|rest| rest.strip_suffix(" }"));
            let named = named.unwrap_or_else(|| panic!("{path}: {of} does not begin {head}"));
            return check_shape(rules, path, named, inner);
        }
        Shape::Open(max) => {
            let body = file("body.cddl");
            let field = path.rsplit('.').next().unwrap_or_default();
            let named = |line: &&str| {
                line.trim_start_matches([' ', '?']).starts_with(&format!("{field}: "))
            };
            let line = body.lines().find(named).unwrap();
            assert!(line.contains(&format!("encoded in at most {max} bytes")), "{path}");
            "{ * tstr => value }".to_owned()
        }
    };
    assert_eq!(of, expected, "{path}");
}

#[test]
fn every_field_is_drawn_with_its_bounds() {
    let rules = Rules::read();
    check_record(&rules, "body", FIELDS);
    let all = ["v", "id", "kind", "salt", "time", "tenant"].into();
    let body = parts(rules.get("body")).into_iter().map(field);
    let required: BTreeSet<_> =
        body.filter(|(_, _, must)| *must).map(|(name, _, _)| name).collect();
    assert_eq!(required, all);
    assert_eq!(rules.get("event"), "body .and kind");
    for (name, kind) in [
        ("registry-agent", Kind::AgentRegistered),
        ("registry-agent", Kind::AgentUpdated),
        ("registry-principal", Kind::PrincipalRegistered),
        ("registry-leaver", Kind::PrincipalDisabled),
        ("registry-key", Kind::KeyEnrolled),
        ("registry-key", Kind::KeyRotated),
        ("registry-key", Kind::KeyRevoked),
        ("contract", Kind::ContractRegistered),
        ("registry-policy", Kind::PolicyRegistered),
        ("registry-proposal", Kind::Proposal),
    ] {
        check_record(&rules, name, registry_fields(kind).unwrap());
        let drawn = rules.get(&rule_name(kind)).contains(&format!("registry: {name}"));
        assert!(drawn, "{kind} does not name {name}");
    }
}

fn rule_name(kind: Kind) -> String {
    kind.as_str().replace(['.', '_'], "-")
}

/// Fields that must be there, as dotted paths.
fn required(map: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for part in parts(map) {
        if matches!(part, "sent" | "others") {
            paths.extend((part == "sent").then(|| part.to_owned()));
            continue;
        }
        let (name, of, must) = field(part);
        if !must {
            continue;
        }
        paths.insert(name.to_owned());
        if let Some(at) = of.find('{') {
            paths.extend(required(&of[at..]).into_iter().map(|inner| format!("{name}.{inner}")));
        }
    }
    paths
}

#[test]
fn every_kind_is_drawn_with_what_it_requires() {
    let rules = Rules::read();
    let listed: BTreeSet<_> = rules.get("kind").split(" / ").map(str::to_owned).collect();
    assert_eq!(listed, Kind::ALL.iter().copied().map(rule_name).collect());
    for kind in Kind::ALL.iter().copied() {
        let rule = rules.get(&rule_name(kind)).replace("} / {", "}\n{");
        let ways: Vec<_> = rule.lines().map(required).collect();
        let mut found = ways.into_iter().reduce(|a, b| &a & &b).unwrap();
        assert!(rule.lines().all(|way| way.contains(&format!("kind: \"{kind}\""))), "{kind}");
        assert_eq!(found.remove("sent"), !kind.is_own(), "{kind} has session and seq");
        let above = kind.required().iter().filter_map(|path| path.split('.').next());
        let expected =
            kind.required().iter().copied().chain(above).chain(["kind"]).map(str::to_owned);
        // The table has this one in code, for what it requires depends on its value.
        let outcome = (kind == Kind::ActionOutcome).then(|| "outcome.status".to_owned());
        assert_eq!(found, expected.chain(outcome).collect(), "{kind}");
    }
}

#[test]
fn every_kind_names_its_stream_and_signers() {
    let body = file("body.cddl");
    for kind in Kind::ALL.iter().copied() {
        let head = format!("{} = {{ kind:", rule_name(kind));
        let line = body.lines().find(|line| line.starts_with(&head)).unwrap();
        let stream = match kind.stream() {
            Stream::In => "in",
            Stream::Op => "op",
            Stream::Own => "own",
        };
        let roles: Vec<_> = kind.signers().iter().map(|role| role.as_str()).collect();
        let roles = if roles.is_empty() { "any".to_owned() } else { roles.join(", ") };
        assert!(line.ends_with(&format!("; {stream}: {roles}")), "{kind}: {stream}: {roles}");
    }
}

#[test]
fn every_reason_has_its_code() {
    let rules = Rules::read();
    let status = rules.get("status").strip_prefix("&(").unwrap().strip_suffix(')').unwrap();
    let drawn: Vec<_> = parts(&format!("{{{status}}}")).into_iter().map(str::to_owned).collect();
    let reasons = Reason::ALL.iter().map(|reason| format!("{reason}: {}", reason.code()));
    assert_eq!(drawn, ["accepted: 0".to_owned()].into_iter().chain(reasons).collect::<Vec<_>>());
    let places = file("submission.cddl") + &file("statement.cddl") + &file("body.cddl");
    for reason in Reason::ALL {
        assert!(places.contains(reason.as_str()), "nothing says when {reason} is given");
    }
}

/// Each rule that is named is there, and each that is there is named.
#[test]
fn no_rule_is_missing_or_idle() {
    let prelude = ["any", "bool", "bstr", "nint", "null", "tstr", "uint"];
    let roots = ["submission", "consistency-receipt", "reply", "to-be-signed"];
    let rules = Rules::read();
    let mut named: BTreeSet<_> = roots.map(str::to_owned).into();
    for (rule, text) in &rules.0 {
        // Quoted texts, controls and the names of fields are no rules.
        let unquoted: String = text.split('"').step_by(2).collect();
        let words = unquoted.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c)));
        for word in words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())) {
            if !word.ends_with(':') && !prelude.contains(&word) {
                assert!(rules.0.contains_key(word), "{rule} names {word}, which is not there");
                named.insert(word.to_owned());
            }
        }
    }
    assert_eq!(named, rules.0.keys().cloned().collect());
}

#[test]
fn limits_and_constants_are_the_same() {
    let says = |name: &str, what: &str| {
        let text = file(&format!("{name}.cddl")).replace("\n; ", " ");
        assert!(text.contains(what), "{name}.cddl does not say {what:?}");
    };
    says("submission", &format!("submission {},", limits::SUBMISSION_BYTES_MAX));
    says("submission", &format!("statement {},", limits::STATEMENT_BYTES_MAX));
    says("submission", &format!("body {},", limits::BODY_BYTES_MAX));
    says("submission", &format!("detail {}.", limits::DETAIL_BYTES_MAX));
    says("submission", &format!("items: [ 1*{} item ]", limits::ITEMS_MAX));
    says("submission", &format!("manifest = [ 1*{} digest ]", limits::ITEMS_MAX));
    says("submission", &format!("at most {} levels", limits::DEPTH_MAX));
    says("submission", &format!("at most {} items", limits::NODES_MAX));
    says("submission", &format!("cut after {} bytes", limits::CAUSE_PATH_BYTES_MAX));
    says("statement", &format!("1 => {ALG_ED25519} / {ALG_EDDSA}"));
    says("statement", Preimage::Event.content_type());
    says("statement", Preimage::Manifest.content_type());
    says("body", &format!("at most {} in all", limits::REDACT_ENTRIES_MAX));
    says("leaf", &format!("version: {LEAF_VERSION},"));
    says("leaf", "sworn 2026-11 chain v1");
    says("leaf", &format!("beyond {} a second", limits::REJECTIONS_PER_SUBJECT_SECOND_MAX));
}
