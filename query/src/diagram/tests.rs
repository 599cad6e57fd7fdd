//! Drawings of workflows with hostile texts.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::{render_dot, render_mermaid};

/// Everything that ends a text, acts on a terminal, or is markup somewhere.
const HOSTILE: &str = "\"]; click s1 href \"javascript:x\"\r\n  x --> y\0\u{1b}[2J\u{202e}<img src=x onerror=x>\\\" #quot; `%%{init}%%` ü";

fn chain(text: &str) -> serde_json::Value {
    json!({
        "correlation": text,
        "steps": [{ "n": 1, "action": text, "agent": text, "target": text, "status": text, "reason": text, "entries": [1, 2] }],
        "entries": [
            { "index": 1, "kind": "action.intent", "signer": text },
            { "index": 2, "kind": "action.outcome", "signer": text },
            { "index": 3, "kind": text, "signer": null, "agent": text },
        ],
        "edges": [{ "from": 1, "to": 2, "kind": "cause" }, { "from": 2, "to": 3, "kind": text }],
        "gaps": [{ "kind": "unknown_cause", "index": 3, "cause": text }],
        "timing": { "critical_path": [{ "index": 2, "on": "step" }, { "index": 3, "on": "order" }] },
        "linked": {
            "workflows": [{ "correlation": text, "entries": 2 }],
            "links": [{ "from": "w", "to": text, "by": text, "index": 3, "at": 9 }],
        },
    })
}

#[test]
fn hostile_text_stays_inside_its_mermaid_quotes() {
    let text = render_mermaid(&chain(HOSTILE));
    assert!(!text.contains(['\r', '\0', '\u{1b}', '\u{202e}', '`', '\\']), "{text}");
    assert!(!text.contains("<img") && !text.contains("click s1 href \""), "{text}");
    for line in text.lines() {
        let quotes = line.matches('"').count();
        assert!(quotes == 0 || quotes == 2, "{line}");
    }
    // One line more would be somebody else's.
    assert_eq!(text.lines().count(), 12, "{text}");
    assert!(text.contains("#34;#93;#59; click s1 href #34;javascript:x#34;"), "{text}");
}

#[test]
fn hostile_text_stays_inside_its_dot_quotes() {
    let text = render_dot(&chain(HOSTILE));
    assert!(!text.contains(['\r', '\0', '\u{1b}', '\u{202e}', '<']), "{text}");
    for line in text.lines() {
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "{line}");
        let outside: String = bare.split('"').step_by(2).collect();
        assert!(!outside.contains("click") && !outside.contains("href"), "{line}");
    }
    assert_eq!(text.lines().count(), 11, "{text}");
}

#[test]
fn a_drawing_shows_steps_paths_and_what_is_missing() {
    let mermaid = render_mermaid(&chain("a"));
    let expected = "\
flowchart TD
  s1[\"1 a<br/>a<br/>a<br/>a, a\"]
  e3(\"#35;3 a<br/>a\")
  m1(\"no such entry<br/>a\")
  class m1 missing
  w1[[\"a<br/>2 entries\"]]
  e3 -->|\"a\"| w1
  m1 --> e3
  s1 ==>|\"a\"| e3
  s1 ==>|\"order\"| e3
  classDef denied stroke:#b00020
  classDef missing stroke-dasharray:4
";
    assert_eq!(mermaid, expected);
    let dot = render_dot(&chain("a"));
    assert!(dot.contains("  s1 -> e3 [label=\"a\" penwidth=2];\n"), "{dot}");
    assert!(
        dot.contains("  m1 [label=\"no such entry\\na\" style=\"rounded,dashed\"];\n"),
        "{dot}"
    );
}

#[test]
fn nonsense_is_an_empty_drawing() {
    for nonsense in [json!(null), json!([]), json!({ "steps": 1, "edges": [[]], "linked": 3 })] {
        assert!(render_mermaid(&nonsense).starts_with("flowchart TD\n"));
        assert!(render_dot(&nonsense).ends_with("}\n"));
    }
}
