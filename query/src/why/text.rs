//! The answer to `why` on one screen.
//!
//! Its JSON may come from a server that lies and holds text of hostile agents: every character that acts on a terminal
//! is escaped, what is missing is said to be.

use schemas::printable::printable;
use serde_json::Value as Json;

/// Lines of a text that are shown of each policy.
const POLICY_CHARS_MAX: usize = 160;

/// Who did what, and on whose authority, within what limits; who agreed; what came of it.
#[must_use]
pub fn render_why(why: &Json) -> String {
    let mut lines = Lines(String::new());
    if let Some(state) = unknown(why) {
        lines.add("entry", &format!("#{} {state}", at(why, "/entry/index")));
        if why.get("outcomes").is_some() {
            lines.add("agent", &agent(why));
            verdicts(why, &mut lines);
            approvals(why, &mut lines);
            results(why, &mut lines);
            findings(why, &mut lines);
        }
        return lines.0;
    }
    lines.add("action", &action(why));
    lines.add("agent", &agent(why));
    lines.add("owner", &or(at(why, "/owner"), "nobody is registered"));
    lines.add("for", &or(at(why, "/human"), "itself"));
    chain(why, &mut lines);
    lines.add("contract", &contract(why));
    lines.add("used", &used(why));
    lines.add("task", &task(why));
    lines.add("model", &model(why));
    if let Some(trigger) = trigger(why) {
        lines.add("trigger", &trigger);
    }
    for source in list(why, "/sources") {
        lines.add("read", &format!("{} {}", at(source, "/type"), at(source, "/ref")));
    }
    verdicts(why, &mut lines);
    approvals(why, &mut lines);
    results(why, &mut lines);
    findings(why, &mut lines);
    lines.0
}

/// Why what was meant, and by what right, cannot be explained.
fn unknown(why: &Json) -> Option<&'static str> {
    let states = [
        ("redacted", "is erased: what was meant, and by what right, cannot be explained"),
        ("damaged", "is damaged: nothing of it can be explained"),
        ("refused", "was refused: it explains nothing"),
    ];
    let is = |name: &str| why.get(name).and_then(Json::as_bool) == Some(true);
    states.into_iter().find(|(name, _)| is(name)).map(|(_, state)| state)
}

fn findings(why: &Json, lines: &mut Lines) {
    for finding in list(why, "/findings") {
        let code = at(finding, "/code");
        let code = if code.is_empty() { code } else { format!(" ({code})") };
        lines.add(
            "finding",
            &format!("! #{} {}{code}", at(finding, "/index"), at(finding, "/rule")),
        );
    }
}

struct Lines(String);

impl Lines {
    fn add(&mut self, label: &str, text: &str) {
        self.0.push_str(format!("{label:<9} {text}").trim_end());
        self.0.push('\n');
    }
}

/// Text, number or list at a pointer, safe to print.
fn at(json: &Json, pointer: &str) -> String {
    match json.pointer(pointer) {
        Some(Json::String(text)) => printable(text),
        Some(Json::Number(number)) => number.to_string(),
        Some(Json::Bool(yes)) => yes.to_string(),
        Some(Json::Array(items)) => {
            let texts = items.iter().filter_map(Json::as_str).map(printable);
            texts.collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

fn list<'j>(json: &'j Json, pointer: &str) -> &'j [Json] {
    json.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn or(text: String, absent: &str) -> String {
    if text.is_empty() { absent.to_owned() } else { text }
}

fn action(why: &Json) -> String {
    let body = |path: &str| at(why, &format!("/entry/body{path}"));
    let what = or(body("/action/name"), &body("/kind"));
    let class = body("/action/class");
    let class = if class.is_empty() { class } else { format!(" ({class})") };
    let received = at(why, "/entry/received_at");
    format!("#{} {what} {}{class}  {received}", at(why, "/entry/index"), body("/action/target"))
}

fn agent(why: &Json) -> String {
    let id = or(at(why, "/agent/id"), &at(why, "/entry/body/agent/id"));
    let version = at(why, "/session/agent/version");
    let version = if version.is_empty() { version } else { format!("version {version}") };
    let known: Vec<_> =
        [version, authority(why)].into_iter().filter(|part| !part.is_empty()).collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    match at(why, "/agent/state").as_str() {
        "" => format!("{id}{known}, which nobody registered"),
        state => format!("{id}{known}, {state} then"),
    }
}

/// Which human stands at the beginning, and on which day he let it go on: a claim, told where nothing is wrong with it.
fn authority(why: &Json) -> String {
    let time = at(why, "/entry/body/principals/0/authorized_at");
    let is_human = at(why, "/chain/0/type") == "human";
    match time.get(..10) {
        Some(day) if is_human && list(why, "/chain/0/faults").is_empty() => {
            format!("authorized by {} on {day}", at(why, "/chain/0/id"))
        }
        _ => String::new(),
    }
}

fn chain(why: &Json, lines: &mut Lines) {
    let hops = list(why, "/chain");
    let names: Vec<_> = hops.iter().map(|hop| at(hop, "/id")).collect();
    if !names.is_empty() {
        lines.add("chain", &names.join(" → "));
    }
    for hop in hops {
        let faults: Vec<_> = list(hop, "/faults").iter().map(fault).collect();
        let grant = grant(hop);
        if !grant.is_empty() || !faults.is_empty() {
            let wrong = if faults.is_empty() {
                String::new()
            } else {
                format!("  ! {}", faults.join(", "))
            };
            lines.add("", &format!("{}: {}{wrong}", at(hop, "/id"), or(grant, "no grant")));
        }
    }
}

fn grant(hop: &Json) -> String {
    if hop.pointer("/grant/granted").is_none() {
        return String::new();
    }
    let field = |path: &str| at(hop, &format!("/grant{path}"));
    let bounds = ["/scope", "/targets", "/environment"].map(field);
    let bounds: Vec<_> = bounds.into_iter().filter(|text| !text.is_empty()).collect();
    format!("granted {} by {} at #{}", bounds.join(" · "), field("/by"), field("/granted"))
}

fn fault(fault: &Json) -> String {
    let detail = at(fault, "/detail");
    let detail = if detail.is_empty() { detail } else { format!(" ({detail})") };
    format!("{}{detail}", at(fault, "/rule"))
}

fn contract(why: &Json) -> String {
    if why.pointer("/contract/digest").is_none() {
        return "none was in force".to_owned();
    }
    let digest = at(why, "/contract/digest");
    let short = digest.get(..12).unwrap_or(&digest);
    let permissions = why.pointer("/contract/permissions").and_then(Json::as_object);
    let permits: Vec<_> = permissions
        .into_iter()
        .flatten()
        .map(|(system, operations)| format!("{}: {}", printable(system), at(operations, "")))
        .collect();
    let environments = at(why, "/contract/environments");
    let within = if environments.is_empty() { environments } else { format!(" in {environments}") };
    let ended = if at(why, "/contract/expired") == "true" { ", EXPIRED" } else { "" };
    let registered = at(why, "/contract/registered");
    format!("{short} of #{registered} permits {}{within}{ended}", permits.join("; "))
}

fn used(why: &Json) -> String {
    let body = |path: &str| at(why, &format!("/entry/body{path}"));
    let (scope, environment) = (body("/scope"), body("/environment"));
    let credential = body("/credential/id");
    let parts = [scope, environment, credential].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" · ")
}

fn task(why: &Json) -> String {
    match (at(why, "/session/task/summary"), at(why, "/session/task/digest")) {
        (summary, _) if !summary.is_empty() => summary,
        (_, digest) => or(digest, "its session was not declared"),
    }
}

fn model(why: &Json) -> String {
    let parts = ["/model/provider", "/model/name", "/model/version"].map(|path| at(why, path));
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    or(parts.join(" "), "not said")
}

fn trigger(why: &Json) -> Option<String> {
    why.pointer("/trigger/trigger").filter(|trigger| trigger.is_object())?;
    let index = at(why, "/trigger/index");
    let index = if index.is_empty() { index } else { format!("  #{index}") };
    Some(format!("{} {}{index}", at(why, "/trigger/trigger/type"), at(why, "/trigger/trigger/ref")))
}

fn verdicts(why: &Json, lines: &mut Lines) {
    let verdicts = list(why, "/verdicts");
    if verdicts.is_empty() {
        lines.add("gates", "none decided");
    }
    for verdict in verdicts {
        let basis = at(verdict, "/basis/source");
        let basis = if basis.is_empty() { basis } else { format!(" on {basis}") };
        let head = format!(
            "#{} {} {} {}{basis}",
            at(verdict, "/index"),
            at(verdict, "/gate"),
            at(verdict, "/decision"),
            at(verdict, "/reason"),
        );
        lines.add("gate", &format!("{head}  {}", policy(verdict)));
    }
}

fn policy(verdict: &Json) -> String {
    if verdict.pointer("/policy/digest").is_none() {
        return "names no policy".to_owned();
    }
    let text: String = at(verdict, "/policy/text").chars().take(POLICY_CHARS_MAX).collect();
    if text.is_empty() { "policy text unknown".to_owned() } else { format!("policy: {text}") }
}

fn approvals(why: &Json, lines: &mut Lines) {
    for approval in list(why, "/approvals") {
        let subject = at(approval, "/on_behalf_of");
        let subject = if subject.is_empty() { subject } else { format!(" for {subject}") };
        let expired = if at(approval, "/expired") == "true" { ", expired" } else { "" };
        lines.add(
            "approval",
            &format!(
                "#{} {} by {}{subject} [{}]{expired}",
                at(approval, "/index"),
                at(approval, "/decision"),
                at(approval, "/approver"),
                at(approval, "/human"),
            ),
        );
    }
}

fn results(why: &Json, lines: &mut Lines) {
    let line = |result: &Json| {
        let parts = ["/status", "/code", "/external_ref"].map(|path| at(result, path));
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("#{} {} by {}", at(result, "/index"), parts.join(" "), at(result, "/signer"))
    };
    let outcomes = list(why, "/outcomes");
    if outcomes.is_empty() {
        lines.add("outcome", "none is known");
    }
    for outcome in outcomes {
        lines.add("outcome", &line(outcome));
    }
    for witness in list(why, "/witnesses") {
        lines.add("witness", &line(witness));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_screen_says_what_is_known_and_what_is_not() {
        let why = json!({
            "entry": { "index": 9, "received_at": "2026-04-08T03:47:10Z", "body": {
                "kind": "action.intent", "agent": { "id": "a\u{1b}[2J" },
                "action": { "name": "DROP TABLE", "class": "destructive", "target": "postgres:prod/sessions" },
                "scope": ["db:drop"], "environment": "production", "credential": { "id": "cred-db-07" },
                "principals": [{ "authorized_at": "2026-04-07T21:00:00Z" }] } },
            "agent": { "id": "a\u{1b}[2J", "state": "active" }, "owner": "data@example.com",
            "human": "oncall@example.com",
            "chain": [
                { "id": "oncall@example.com", "type": "human", "faults": [] },
                { "id": "a", "grant": { "granted": 4, "by": "oncall@example.com", "scope": ["db:migrate"],
                  "targets": null, "environment": "staging" },
                  "faults": [{ "rule": "out_of_scope", "detail": "scope" }] } ],
            "contract": { "digest": "00112233445566", "registered": 2, "permissions": { "postgres": ["db:migrate"] },
                "environments": ["staging"], "expired": false },
            "session": { "task": { "summary": "run migrations" }, "agent": { "version": "2.3" } },
            "model": { "provider": "p", "name": "m", "version": "1" },
            "trigger": null, "sources": [{ "type": "ticket", "ref": "OPS-77" }],
            "verdicts": [{ "index": 10, "gate": "g", "decision": "allow", "reason": "ok",
                "policy": { "digest": "aa", "text": null } }],
            "approvals": [{ "index": 11, "decision": "allow", "approver": "api", "human": "human:oidc",
                "on_behalf_of": "jane", "expired": true }],
            "outcomes": [{ "index": 12, "signer": "a", "status": "confirmed" }],
            "witnesses": [], "findings": [{ "index": 13, "rule": "out_of_scope", "code": null }],
        });
        let expected = "\
action    #9 DROP TABLE postgres:prod/sessions (destructive)  2026-04-08T03:47:10Z
agent     a\\u{1b}[2J (version 2.3, authorized by oncall@example.com on 2026-04-07), active then
owner     data@example.com
for       oncall@example.com
chain     oncall@example.com → a
          a: granted db:migrate · staging by oncall@example.com at #4  ! out_of_scope (scope)
contract  001122334455 of #2 permits postgres: db:migrate in staging
used      db:drop · production · cred-db-07
task      run migrations
model     p m 1
read      ticket OPS-77
gate      #10 g allow ok  policy text unknown
approval  #11 allow by api for jane [human:oidc], expired
outcome   #12 confirmed by a
finding   ! #13 out_of_scope
";
        assert_eq!(render_why(&why), expected);
        // A claim that does not hold is told with its fault alone.
        let mut forged = why;
        if let Some(faults) = forged.pointer_mut("/chain/0/faults") {
            *faults = json!([{ "rule": "root_unregistered" }]);
        }
        assert!(!render_why(&forged).contains("authorized by"));
    }

    #[test]
    fn nothing_at_all_is_no_panic() {
        assert!(render_why(&Json::Null).starts_with("action"));
        assert!(render_why(&json!({ "redacted": true })).contains("erased"));
    }
}
