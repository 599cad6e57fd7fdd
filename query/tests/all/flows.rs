//! How workflows hang together, how far things reach, and how lists are written.

use axum::http::{StatusCode, header};
use schemas::id::{hex, sha256};
use serde_json::{Value as Json, json};

use crate::world::{OPERATOR, SECOND, World, confirmed, encoded, intent, start};

/// A mail that two workflows answer, the second by a reply to the first.
fn world() -> World {
    let mut world = World::new();
    world.agent("a");
    world.agent("b");
    world.principal("mail", &["boundary"]);
    let arrived = |message: &str, correlation: &str| {
        json!({
            "kind": "trigger.observed", "correlation": correlation, "input": "none",
            "trigger": { "type": "mail", "ref": message },
        })
    };
    world.accept_as("mail", Some("IN"), arrived("m1@x", "mail-1"));
    let mut begin = start("a", "w");
    begin["causes"] = json!(["@IN"]);
    world.wait(SECOND);
    world.accept_as("a", Some("A"), begin);
    let mut asked = intent("a", "w", "email.send", "x@example.com");
    asked["causes"] = json!(["@A"]);
    world.wait(2 * SECOND);
    world.accept_as("a", Some("I"), asked);
    let mut sent = confirmed("a", "w", "email.send", "x@example.com", "@I");
    sent["outcome"]["external_ref"] = "out-1@x".into();
    world.wait(3 * SECOND);
    world.accept_as("a", Some("O"), sent);
    world.accept_as("mail", Some("RE"), arrived("out-1@x", "mail-2"));
    let mut other = intent("b", "v", "email.send", "=cmd|' /C calc'!A0");
    other["causes"] = json!(["@RE"]);
    world.accept_as("b", Some("J"), other);
    world
}

fn list<'j>(json: &'j Json, key: &str) -> Vec<&'j str> {
    json.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}

#[test]
fn a_workflow_is_linked_by_causes_and_by_threads_and_so_on() {
    let world = world();
    assert_eq!(world.json("/workflows/w").get("linked"), None);
    let linked = world.json("/workflows/w?linked=true")["linked"].clone();
    assert_eq!(list(&linked["workflows"], "correlation"), ["mail-1", "mail-2", "v"]);
    let hops: Vec<_> =
        linked["workflows"].as_array().unwrap().iter().map(|item| &item["hops"]).collect();
    assert_eq!(hops, [1, 1, 2]);
    let links: Vec<_> = linked["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| [&link["from"], &link["to"], &link["by"]].map(|name| name.as_str().unwrap()))
        .collect();
    for link in [["w", "mail-1", "cause"], ["w", "mail-2", "thread"], ["v", "mail-2", "cause"]] {
        assert!(links.contains(&link), "{links:?}");
    }
    assert_eq!(linked["incomplete"], false);
    assert_eq!(world.problem("/workflows/w?linked=3").0, 400);
}

#[test]
fn time_is_counted_where_it_was_spent() {
    let world = world();
    let chain = world.json("/workflows/w");
    assert_eq!(chain["timing"]["us"], 6 * SECOND);
    let path: Vec<_> = chain["timing"]["critical_path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hop| (hop["signer"].as_str().unwrap(), hop["us"].as_u64().unwrap() / SECOND))
        .collect();
    assert_eq!(path, [("mail", 0), ("a", 1), ("a", 2), ("a", 3)]);
    assert_eq!(chain["steps"][1]["us"], 3 * SECOND);
    assert_eq!(chain["orphans"], json!([]));
}

#[test]
fn causes_lead_up_to_the_trigger_and_effects_down() {
    let mut world = world();
    let of = |world: &World, label: &str| {
        let page = world.json(&format!("/entries?q={}", encoded(label)));
        page["items"][0]["index"].as_u64().unwrap()
    };
    let outcome = of(&world, "corr:w kind:action.outcome");
    let up = world.json(&format!("/entries/{outcome}/causes"));
    let path: Vec<_> = up["path"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap()).collect();
    assert_eq!((path.len(), path[3], &up["unknown"]), (4, outcome, &json!([])));
    let down = world.json(&format!("/entries/{}/effects", path[0]));
    let reached: Vec<_> = down["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["entry"]["index"].as_u64().unwrap())
        .collect();
    assert_eq!((reached, &down["depth"]), (path, &json!(3)));
    let mut orphan = intent("b", "o", "email.send", "y@example.com");
    orphan["causes"] = json!(["@NEVER"]);
    let orphan = world.accept("b", orphan);
    let up = world.json(&format!("/entries/{orphan}/causes"));
    assert_eq!((&up["path"], up["unknown"][0]["index"].as_u64()), (&json!([orphan]), Some(orphan)));
    assert_eq!(world.json("/workflows/o")["orphans"], json!([orphan]));
    assert_eq!(world.problem("/entries/999/causes").0, 404);
}

#[test]
fn the_reach_of_a_credential_is_all_that_names_it() {
    let mut world = world();
    let reach = world.json("/impact?cred=cred-a");
    assert_eq!([&reach["entries"], &reach["rejected"]], [2, 0]);
    assert_eq!(list(&reach["agents"], "value"), ["a"]);
    assert_eq!(list(&reach["targets"], "value"), ["x@example.com"]);
    assert_eq!(list(&reach["workflows"], "value"), ["w"]);
    world.accept(OPERATOR, json!({ "kind": "agent.disabled", "agent": { "id": "a" } }));
    world.submit("a", intent("a", "w2", "email.send", "z@example.com"), None);
    let reach = world.json("/impact?cred=cred-a");
    assert_eq!([&reach["entries"], &reach["rejected"]], [3, 1]);
    assert_eq!(world.json("/impact?cred=nobody")["entries"], 0);
    for wrong in ["", "?cred=a&tool=b", "?agent=a", "?grant=7"] {
        assert_eq!(world.problem(&format!("/impact{wrong}")).0, 400, "{wrong}");
    }
}

#[test]
fn what_a_model_did_is_compared_with_the_one_before() {
    let mut world = World::new();
    world.agent("a");
    world.accept("a", start("a", "w"));
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    let mut next = intent("a", "w", "email.send", "y@example.com");
    next["model"] = json!({ "provider": "p", "name": "m", "version": "2" });
    world.accept_as("a", Some("J"), next);
    let mut failed = confirmed("a", "w", "email.send", "y@example.com", "@J");
    failed["model"] = json!({ "provider": "p", "name": "m", "version": "2" });
    failed["outcome"] = json!({ "status": "failed" });
    failed.as_object_mut().unwrap().shift_remove("output");
    world.accept("a", failed);
    let report = world.json("/reports/models?agent=a");
    assert_eq!(list(&report["items"], "version"), ["1", "2"]);
    let change = &report["changes"][0];
    assert_eq!([&change["from"], &change["to"]], ["p m 1", "p m 2"]);
    assert_eq!([&change["confirmed_points"], &change["failed_points"]], [-100, 100]);
    assert_eq!(world.problem("/reports/models").2, Some("agent".into()));
    // Versions of one model are counted apart; what names none counts as its session declared.
    let stats = world.json("/stats?by=model&q=agent:a+kind:action.*");
    let outcomes = |row: &Json| json!([row["value"], row["entries"], row["outcomes"]]);
    let rows: Vec<_> = stats["items"].as_array().unwrap().iter().map(outcomes).collect();
    let expected = [json!(["m 1", 2, { "confirmed": 1 }]), json!(["m 2", 2, { "failed": 1 }])];
    assert_eq!(rows, expected);
}

#[test]
fn an_outcome_counts_under_its_own_agents_intent() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.agent(name);
        let mut asked = intent(name, name, "email.send", "x@example.com");
        asked["environment"] = json!(format!("of-{name}"));
        world.accept_as(name, Some("I"), asked);
    }
    for name in ["b", "a"] {
        world.accept(name, confirmed(name, name, "email.send", "x@example.com", "@I"));
    }
    for name in ["a", "b"] {
        let stats = world.json(&format!("/stats?by=env&q=kind:action.outcome+agent:{name}"));
        assert_eq!(list(&stats["items"], "value"), [format!("of-{name}")], "{stats}");
    }
    let both = world.json("/stats?by=env&q=kind:action.outcome");
    assert_eq!(both["items"].as_array().unwrap().len(), 2, "{both}");
}

#[test]
fn a_model_is_declared_by_the_sessions_own_signer_and_not_by_a_refusal() {
    let mut world = World::new();
    world.agent("a");
    world.principal("svc", &["runtime"]);
    world.accept("a", start("a", "w"));
    let model = |version: &str| json!({ "provider": "p", "name": "m", "version": version });
    let mut other = start("a", "w");
    other["model"] = model("of another's session");
    other["session"] = hex(&sha256(b"a")[..16]).into();
    world.accept("svc", other);
    let mut refused = start("a", "w");
    refused["model"] = model("refused");
    world.accept(OPERATOR, json!({ "kind": "agent.disabled", "agent": { "id": "a" } }));
    assert_eq!(world.submit("a", refused, None).refused, Some("disabled_agent"));
    world.accept(OPERATOR, json!({ "kind": "agent.enabled", "agent": { "id": "a" } }));
    world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    let report = world.json("/reports/models?agent=a");
    let intents = |model: &Json| json!([model["version"], model["intents"]]);
    let intents: Vec<_> = report["items"].as_array().unwrap().iter().map(intents).collect();
    let others = [json!(["of another's session", 0]), json!(["refused", 0])];
    assert_eq!(intents, [[json!(["1", 1])].as_slice(), others.as_slice()].concat());
}

#[test]
fn what_came_of_an_action_counts_for_the_model_of_its_intent_and_by_its_own_agent() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.agent(name);
    }
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "a" }, "registry": names });
    world.accept(OPERATOR, update);
    world.accept("a", start("a", "w"));
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let epoch = json!({
        "kind": "epoch.opened", "agent": { "id": "a" }, "correlation": "w",
        "model": { "provider": "p", "name": "m", "version": "2" },
    });
    world.accept("a", epoch);
    // What another agent says of it, what came of it, and what follows under another of the agent's names.
    world.accept("b", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    let told = confirmed("a", "w", "email.send", "x@example.com", "@I");
    let told = world.accept_as("a", Some("O"), told);
    let mut next = intent("entra:7", "w", "email.send", "y@example.com");
    next["causes"] = json!(["@O"]);
    world.accept("a", next);
    let report = world.json("/reports/models?agent=a");
    let row = |model: &Json| json!([model["version"], model["intents"], model["confirmed"]]);
    let rows: Vec<_> = report["items"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows, [json!(["1", 1, 1]), json!(["2", 1, 0])]);
    let by_name = world.json("/reports/models?agent=entra:7");
    assert_eq!(by_name["items"], report["items"], "whichever of its names is asked about");
    // In a window that begins later, too, it is under the model that its session has then.
    let report = world.json(&format!("/reports/models?agent=a&since={told}"));
    let rows: Vec<_> = report["items"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows, [json!(["2", 1, 1])]);
}

#[test]
fn a_session_shows_what_it_tried_and_marks_its_own_entries_alone() {
    let mut world = World::finding();
    for name in ["a", "b"] {
        world.agent(name);
        world.accept(name, start(name, "w"));
    }
    // One event id of two signers: the second one's entry breaks a rule.
    let own = world.accept_as("a", Some("X"), intent("a", "w", "email.send", "x@example.com"));
    let other = world.accept_as("b", Some("X"), intent("b", "w", "email.send", "x@example.com"));
    let flagged = world.json("/findings?rule=id_reused");
    assert_eq!(flagged["items"][0]["flags"], other, "{flagged}");
    let mut lacking = intent("a", "w", "db.drop", "postgres:prod/x");
    lacking.as_object_mut().unwrap().shift_remove("prompt");
    let refused = world.submit("a", lacking, None);
    assert_eq!(refused.refused, Some("missing_field"));
    let session = |index: u64| {
        world.json(&format!("/entries/{index}"))["body"]["session"].as_str().unwrap().to_owned()
    };
    let report = |index: u64| world.json(&format!("/reports/sessions/{}", session(index)));
    let marks = |report: &Json, index: u64| {
        let mut entries = report["entries"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["index"] == index).unwrap().clone();
        let marks = entry["findings"].as_array().unwrap().iter();
        marks.map(|mark| mark["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (report(own), report(other));
    let of_each = ["out_of_contract", "unregistered_credential"];
    assert_eq!(marks(&of_a, own), of_each);
    assert_eq!(marks(&of_b, other), ["id_reused", of_each[0], of_each[1]]);
    let tried = |report: &Json| {
        let entries = report["entries"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["index"] == refused.index)
    };
    let shown = tried(&of_a).unwrap();
    assert_eq!([&shown["status"], &shown["action"]], ["missing_field", "db.drop"]);
    assert_eq!([&shown["kind"], &shown["cause"]["path"]], ["action.intent", "prompt"]);
    assert_eq!(tried(&of_b), None, "what another agent tried is none of its");
    assert_eq!(of_a["incomplete"], false);
}

#[test]
fn a_seed_draws_the_same_sample_of_the_same_checkpoint() {
    let mut world = World::new();
    world.agent("a");
    for n in 0..40 {
        world.accept("a", intent("a", "w", "email.send", &format!("{n}@example.com")));
    }
    world.writer.as_mut().unwrap().publish().unwrap();
    let path = "/reports/sample?q=corr%3Aw&sample=5&seed=s";
    let first = world.json(path);
    assert_eq!(first["items"].as_array().unwrap().len(), 5);
    let size = first["as_of"]["size"].as_u64().unwrap();
    world.accept("a", intent("a", "w", "email.send", "late@example.com"));
    let again = world.json(&format!("{path}&size={size}"));
    assert_eq!([&again["items"], &again["population"]], [&first["items"], &first["population"]]);
    let other = world.json(&format!("/reports/sample?q=corr%3Aw&sample=5&seed=t&size={size}"));
    assert_ne!(other["items"], first["items"]);
    assert_eq!(other["population"], first["population"]);
    // A span counts back from the checkpoint, whenever it is drawn.
    let path = format!("/reports/sample?q=since%3A1h&sample=5&seed=s&size={size}");
    let first = world.json(&path);
    assert_eq!(first["items"].as_array().unwrap().len(), 5);
    world.wait(7200 * SECOND);
    assert_eq!(world.json(&path), first);
    assert_eq!(world.problem("/reports/sample?q=corr%3Aw").2, Some("seed".into()));
    assert_eq!(world.problem("/reports/sample?seed=s&sample=0").0, 400);
}

#[test]
fn lists_come_in_the_form_that_is_asked_for() {
    let world = world();
    let path = "/entries?q=corr%3Av";
    let get = |accept: &str| world.get_as(path, &[(header::ACCEPT, accept)]);
    assert_eq!(get("text/html, */*").headers[header::CONTENT_TYPE], "application/json");
    let lines = get("application/x-ndjson");
    let line: Json = serde_json::from_slice(&lines.body).unwrap();
    assert_eq!(line["body"]["action"]["target"], "=cmd|' /C calc'!A0");
    assert!(lines.headers["sworn-as-of"].to_str().unwrap().contains(' '));
    let rows = get("text/csv");
    assert_eq!(rows.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8; header=present");
    assert_eq!(rows.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let text = String::from_utf8(rows.body.to_vec()).unwrap();
    assert!(text.contains(",'=cmd|' /C calc'!A0,"), "{text}");
    let cbor = get("application/cbor");
    assert_eq!(cbor.body, query::json_cbor(&world.json(path)));
    assert_eq!(get("text/html").status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(get("text/html").json()["code"], "not-acceptable");
    assert_eq!(world.get(&format!("{path}&format=csv")).body, text.as_bytes());
    assert_eq!(
        world.problem(&format!("{path}&format=xml")),
        (400, "invalid-parameter".into(), Some("format".into()))
    );
    let page = world.get("/entries?q=since%3A0&limit=1&format=ndjson");
    let cursor = page.headers["sworn-next-cursor"].to_str().unwrap();
    let next = world.get(&format!("/entries?q=since%3A0&limit=1&cursor={cursor}"));
    assert_eq!(next.status, StatusCode::OK, "a page may come in another form");
}

#[test]
fn workflows_are_drawn_where_that_is_asked_for() {
    let world = world();
    let get = |accept: &str| world.get_as("/workflows/v", &[(header::ACCEPT, accept)]);
    for (accept, begins) in [
        ("text/vnd.mermaid", "flowchart TD\n"),
        ("text/vnd.graphviz", "digraph \"v\" {\n"),
        ("text/plain", "1 mail in"),
    ] {
        let drawn = get(accept);
        let text = String::from_utf8(drawn.body.to_vec()).unwrap();
        assert!(text.starts_with(begins), "{text}");
        let media = drawn.headers[header::CONTENT_TYPE].to_str().unwrap();
        assert!(media.starts_with(accept), "{media}");
    }
    assert_eq!(get("image/png").status, StatusCode::NOT_ACCEPTABLE);
    assert!(world.get("/workflows/v?format=dot").body.starts_with(b"digraph"));
}

#[test]
fn an_action_is_one_row_whichever_of_its_entries_is_found() {
    let world = world();
    let found = world.json(&format!("/actions?q={}", encoded("target:x@example.com")));
    let rows = found["items"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["entries"].as_array().unwrap().len(), 2);
    assert_eq!([&rows[0]["agent"], &rows[0]["task"]], ["a", "pay invoices"]);
    assert_eq!(rows[0]["outcome"], "confirmed");
}

#[test]
fn parts_say_what_they_are_and_what_they_are_not() {
    let world = world();
    let index = world.json("/entries?q=corr%3Aw")["items"][0]["index"].as_u64().unwrap();
    for (part, media) in [
        ("leaf", "application/cbor"),
        ("statement", "application/cose"),
        ("receipt", "application/scitt-receipt+cose"),
        ("body", "application/cbor"),
    ] {
        let path = format!("/entries/{index}/{part}");
        let exact = world.get_as(&path, &[(header::ACCEPT, media)]);
        assert_eq!(exact.headers[header::CONTENT_TYPE], media);
        assert_eq!(exact.headers[header::CACHE_CONTROL], "no-cache", "{part}");
        let tag = exact.headers[header::ETAG].to_str().unwrap();
        let weak = format!("W/{tag}");
        let known = [(header::ACCEPT, media), (header::IF_NONE_MATCH, weak.as_str())];
        let again = world.get_as(&path, &known);
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{part}");
        let none = world.get_as(&path, &[(header::ACCEPT, "text/html")]);
        assert_eq!(none.status, StatusCode::NOT_ACCEPTABLE, "{part}");
        let format = if media == "application/cbor" { "cbor" } else { "cose" };
        assert_eq!(world.get(&format!("{path}?format={format}")).body, exact.body);
    }
    let size = world.head();
    let sized = world.get(&format!("/consistency?from=1&to={size}"));
    assert_eq!(sized.headers[header::CACHE_CONTROL], "no-cache");
    let tag = sized.headers[header::ETAG].to_str().unwrap();
    let path = format!("/consistency?from=1&to={size}");
    assert_eq!(
        world.get_as(&path, &[(header::IF_NONE_MATCH, tag)]).status,
        StatusCode::NOT_MODIFIED
    );
}

/// Ends of lines, NUL, a terminal's escapes, reversed text, markup and a formula.
const HOSTILE: &str =
    "=HYPERLINK(\"http://x\")\r\n\0\u{1b}]0;x\u{7}\u{9b}2J\u{202e}<script>alert(1)</script>\"];`,";

/// What a terminal, a page or a reader of lines would act on.
fn acts(text: &str) -> bool {
    text.contains(['\r', '\0', '\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'])
}

fn hostile_world() -> World {
    let mut world = World::new();
    world.agent("a");
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", HOSTILE));
    world.accept("a", confirmed("a", "w", "email.send", HOSTILE, "@I"));
    world
}

fn body(world: &World, path: &str) -> String {
    let answer = world.get(path);
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn json_holds_hostile_text_as_a_string() {
    let world = hostile_world();
    let answer = world.get("/entries?q=corr%3Aw");
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(!text.contains(['\r', '\n', '\0', '\u{1b}', '\u{7}']), "{text}");
    assert_eq!(answer.json()["items"][0]["body"]["action"]["target"], HOSTILE);
}

#[test]
fn lines_hold_hostile_text_on_one_line() {
    let text = body(&hostile_world(), "/entries?q=corr%3Aw&format=ndjson");
    assert_eq!((text.lines().count(), text.matches('\n').count()), (2, 2));
    assert!(!text.contains(['\r', '\0', '\u{1b}', '\u{7}']), "{text}");
    for line in text.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        assert_eq!(entry["body"]["action"]["target"], HOSTILE);
    }
}

#[test]
fn rows_hold_hostile_text_that_computes_nothing() {
    let text = body(&hostile_world(), "/entries?q=corr%3Aw&format=csv");
    assert_eq!(text.matches("\r\n").count(), 3);
    assert!(!acts(&text.replace("\r\n", "")), "{text}");
    assert!(text.contains(",\"'=HYPERLINK(\"\"http://x\"\")\\r\\n"), "{text}");
}

#[test]
fn cbor_holds_hostile_text_as_text() {
    let world = hostile_world();
    let answer = world.get("/entries?q=corr%3Aw&format=cbor");
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let found = answer.body.windows(HOSTILE.len()).filter(|bytes| *bytes == HOSTILE.as_bytes());
    assert_eq!(found.count(), 2);
    assert_eq!(answer.body, query::json_cbor(&world.json("/entries?q=corr%3Aw")));
}

#[test]
fn text_and_drawings_hold_hostile_text_that_acts_on_nothing() {
    let world = hostile_world();
    for format in ["text", "mermaid", "dot"] {
        let text = body(&world, &format!("/workflows/w?format={format}"));
        assert!(!acts(&text), "{format}: {text}");
        assert!(text.contains("HYPERLINK"), "{format}: {text}");
        assert!(format == "text" || !text.contains("<script"), "{format}: {text}");
    }
}
