//! A workflow as text for a terminal, from the JSON that the API gives.
//!
//! The JSON may come from a server that lies and holds text of hostile agents: what is missing is left
//! out, and every character that acts on a terminal is escaped.

pub(crate) mod timing;

use schemas::printable::printable;
use serde_json::Value as Json;

/// The workflow's steps in aligned columns, then its gaps, then one line on what it is worth.
#[must_use]
pub fn render_chain(chain: &Json) -> String {
    let rows: Vec<_> = list(chain, "steps").iter().map(Row::of).collect();
    let mut text = String::new();
    for line in lines(&rows).iter().filter(|line| !line.trim().is_empty()) {
        push_line(&mut text, line);
    }
    for gap in list(chain, "gaps") {
        push_line(&mut text, &format!("! {}", gap_text(gap)));
    }
    for line in linked_lines(chain) {
        push_line(&mut text, &line);
    }
    push_line(&mut text, &summary(chain));
    text
}

/// The workflows that this one is linked with, where they were asked for.
fn linked_lines(chain: &Json) -> Vec<String> {
    let Some(linked) = chain.get("linked") else { return Vec::new() };
    let link = |link: &Json| {
        let at = |key: &str| cell(link, key);
        let (from, to) = (at("from"), at("to"));
        format!("linked  #{} of {from} and #{} of {to} by {}", at("index"), at("at"), at("by"))
    };
    let mut lines: Vec<_> = list(linked, "links").iter().map(link).collect();
    if lines.is_empty() {
        lines.push("linked  with no other workflow".to_owned());
    }
    if is(linked, "incomplete") {
        lines.push("linked  with more than were looked for".to_owned());
    }
    lines
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

pub(crate) fn list<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is(json: &Json, key: &str) -> bool {
    json.get(key).and_then(Json::as_bool).unwrap_or_default()
}

fn word<'j>(json: &'j Json, key: &str) -> Option<&'j str> {
    json.get(key).and_then(Json::as_str)
}

/// Text or number at `key`, safe to print; empty if there is none.
fn cell(json: &Json, key: &str) -> String {
    match json.get(key) {
        Some(Json::String(text)) => printable(text),
        Some(Json::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// One step: what stands in each column, and the verdicts under it.
struct Row {
    columns: [String; 4],
    status: String,
    notes: Vec<String>,
    verdicts: String,
}

impl Row {
    fn of(step: &Json) -> Self {
        let verdicts: Vec<_> = list(step, "verdicts").iter().map(verdict_text).collect();
        Self {
            columns: ["n", "action", "agent", "target"].map(|key| cell(step, key)),
            status: cell(step, "status"),
            notes: notes(step),
            verdicts: verdicts.join(" · "),
        }
    }

    /// Status and notes; where there is no status, the notes stand behind its column.
    fn end(&self, status_width: usize) -> String {
        match (self.status.as_str(), self.notes.join(", ")) {
            ("", notes) if status_width > 0 => format!("{:status_width$} {notes}", ""),
            ("", notes) => notes,
            (status, notes) if notes.is_empty() => status.to_owned(),
            (status, notes) => format!("{status}, {notes}"),
        }
    }
}

fn notes(step: &Json) -> Vec<String> {
    let mut notes = Vec::new();
    let denied = word(step, "status") == Some("denied");
    if is(step, "denied") && !denied {
        notes.push("AFTER A DENIAL".to_owned());
    }
    let has_denial = list(step, "verdicts").iter().any(|v| word(v, "decision") == Some("deny"));
    if let Some(reason) = word(step, "reason").filter(|_| !has_denial) {
        notes.push(printable(reason));
    }
    if is(step, "witnessed") {
        notes.push("witnessed".to_owned());
    }
    let scope: Vec<_> =
        list(step, "scope").iter().filter_map(Json::as_str).map(printable).collect();
    if !scope.is_empty() {
        notes.push(scope.join(", "));
    }
    for missing in list(step, "missing").iter().filter_map(Json::as_str) {
        notes.push(format!("no {}", printable(missing)));
    }
    if let Some(way) = word(step, "joined") {
        notes.push(format!("joined by {}", printable(way)));
    }
    notes
}

fn verdict_text(verdict: &Json) -> String {
    let decision = cell(verdict, "decision");
    let why = if decision == "deny" { cell(verdict, "reason") } else { cell(verdict, "assertion") };
    let text = format!("{} {decision}", cell(verdict, "gate"));
    if why.is_empty() { text } else { format!("{text} ({why})") }
}

/// Steps line by line. The number takes one space to the next column, the others take two.
fn lines(rows: &[Row]) -> Vec<String> {
    let width = |text: &str| text.chars().count();
    let widest = |place: usize| {
        rows.iter().filter_map(|row| row.columns.get(place)).map(|text| width(text)).max()
    };
    let [n, action, agent, target] = [0, 1, 2, 3].map(|place| widest(place).unwrap_or_default());
    let status = rows.iter().map(|row| width(&row.status)).max().unwrap_or_default();
    let mut lines = Vec::new();
    for row in rows {
        let [a, b, c, d] = &row.columns;
        let end = row.end(status);
        lines.push(format!("{a:>n$} {b:action$}  {c:agent$}  {d:target$}  {end}"));
        if !row.verdicts.is_empty() {
            lines.push(format!("{:indent$}{}", "", row.verdicts, indent = n + 1 + action + 2));
        }
    }
    lines
}

fn gap_text(gap: &Json) -> String {
    let at = |key: &str| cell(gap, key);
    match word(gap, "kind") {
        Some("unknown_cause") => {
            format!("#{} cites {}, which is no entry", at("index"), at("cause"))
        }
        Some("no_outcome") => {
            let unchecked = gap.get("checked").and_then(Json::as_bool) == Some(false);
            let unless = if unchecked { ", unless that is erased" } else { "" };
            let (step, index, since) = (at("step"), at("index"), at("since"));
            format!("step {step} has no outcome (#{index}, since {since}){unless}")
        }
        Some("undeclared_delegation") => undeclared(gap),
        Some("sequence") => sequence(gap),
        Some("count") => {
            format!("entries {} to {} of the workflow are not in the index", at("from"), at("to"))
        }
        _ => printable(&gap.to_string()),
    }
}

fn undeclared(gap: &Json) -> String {
    let at = |key: &str| cell(gap, key);
    match (at("grant").as_str(), at("granted").as_str()) {
        ("", _) => format!("#{} acts for another without naming a grant", at("index")),
        (grant, "") => format!("#{} acts under grant {grant}, which was never given", at("index")),
        (grant, granted) => {
            format!("#{} acts under grant {grant}, given only at #{granted}", at("index"))
        }
    }
}

fn sequence(gap: &Json) -> String {
    let at = |key: &str| cell(gap, key);
    let range = format!("numbers {} to {} of {}", at("from"), at("to"), at("signer"));
    match (is(gap, "declared"), is(gap, "checked")) {
        (true, _) => format!("{range} are lost, as it declares itself"),
        (false, true) => format!("{range} never reached the ledger"),
        (false, false) => {
            format!("{range} are not in this workflow; its session is too long to search")
        }
    }
}

fn summary(chain: &Json) -> String {
    let number = |path: &str| chain.pointer(path).and_then(Json::as_u64).unwrap_or_default();
    let many = |count: u64, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let gaps = u64::try_from(list(chain, "gaps").len()).unwrap_or(u64::MAX);
    let mut parts = vec![format!(
        "{} ({} counted, {} joined)",
        many(number("/counts/entries"), "entry", "entries"),
        number("/counts/counted"),
        number("/counts/joined"),
    )];
    if number("/counts/rejected") > 0 {
        parts.push(format!("{} rejected", number("/counts/rejected")));
    }
    parts.push(many(gaps, "gap", "gaps"));
    parts.push(many(number("/findings"), "finding", "findings"));
    parts.push(match word(chain, "completeness") {
        Some(verdict) => printable(verdict),
        None => "open".to_owned(),
    });
    let ok = chain.pointer("/verified/ok").and_then(Json::as_bool).unwrap_or_default();
    let verified = if ok { "verified" } else { "NOT VERIFIED" };
    parts.push(format!("{verified} at checkpoint {}", number("/verified/checkpoint")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_hold_whatever_is_missing_or_hostile() {
        let chain = json!({
            "steps": [
                { "n": 9, "action": "a\u{1b}[2J", "agent": "x\u{202e}y", "target": "t\nt", "status": "denied",
                  "denied": true, "reason": "no_consent", "verdicts": [
                    { "gate": "g", "decision": "deny", "reason": "no_consent" },
                    { "gate": "h", "decision": "allow", "reason": "ok", "assertion": "s\u{7}" } ] },
                { "n": 10, "action": "b", "agent": "y", "target": null, "status": "confirmed",
                  "denied": true, "witnessed": true, "missing": ["intent"], "joined": null },
                { "n": 11, "status": null, "scope": ["deploy", "db:migrate"] },
                "nonsense",
            ],
            "gaps": [
                { "kind": "count", "from": 2, "to": 3 },
                { "kind": "unknown_cause", "index": 4, "cause": "c" },
                { "kind": "undeclared_delegation", "index": 4, "grant": null, "granted": null },
                { "kind": "undeclared_delegation", "index": 4, "grant": "g", "granted": null },
                { "kind": "undeclared_delegation", "index": 4, "grant": "g", "granted": 7 },
                { "kind": "sequence", "signer": "s", "from": 2, "to": 2, "declared": false, "checked": true },
                { "kind": "no_outcome", "step": 1, "index": 4, "since": "2026-04-07" },
                { "kind": "no_outcome", "step": 2, "index": 5, "since": "2026-04-07", "checked": false },
                { "kind": "\u{9b}" },
            ],
            "findings": 1,
            "counts": { "entries": 3, "counted": 3, "joined": 0, "rejected": 2 },
            "completeness": "gap",
            "verified": { "checkpoint": 9, "ok": false },
        });
        let expected = "\
\x209 a\\u{1b}[2J  x\\u{202e}y  t\\nt  denied
               g deny (no_consent) · h allow (s\\u{7})
10 b           y                 confirmed, AFTER A DENIAL, witnessed, no intent
11                                         deploy, db:migrate
! entries 2 to 3 of the workflow are not in the index
! #4 cites c, which is no entry
! #4 acts for another without naming a grant
! #4 acts under grant g, which was never given
! #4 acts under grant g, given only at #7
! numbers 2 to 2 of s never reached the ledger
! step 1 has no outcome (#4, since 2026-04-07)
! step 2 has no outcome (#5, since 2026-04-07), unless that is erased
! {\"kind\":\"\\u{9b}\"}
3 entries (3 counted, 0 joined), 2 rejected, 9 gaps, 1 finding, gap, NOT VERIFIED at checkpoint 9
";
        assert_eq!(render_chain(&chain), expected);
    }

    #[test]
    fn nothing_at_all_is_no_panic() {
        let expected = "\
0 entries (0 counted, 0 joined), 0 gaps, 0 findings, open, NOT VERIFIED at checkpoint 0
";
        assert_eq!(render_chain(&Json::Null), expected);
    }
}
