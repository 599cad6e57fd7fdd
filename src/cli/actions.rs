//! `query --actions`: what a query finds, one line an action, with whose it is, what was granted and what was used.

use serde_json::Value as Json;

use schemas::printable::printable;

use crate::cli::line::time;

/// An action on one line.
pub(crate) fn line(action: &Json) -> String {
    let parts = [
        Some(format!("#{} {}", at(action, "/index"), what(action))),
        Some(who(action)),
        labelled("contract", &at(action, "/contract").chars().take(12).collect::<String>()),
        labelled("used", &bounds(action, "/used")),
        labelled("granted", &bounds(action, "/granted")),
        labelled("task", &at(action, "/task")),
        labelled("for", &at(action, "/human")),
        labelled("chain", &names(action, "/chain", " → ")),
        labelled("findings", &names(action, "/findings", ", ")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("{} {}", time(action), parts.join(" · "))
}

fn what(action: &Json) -> String {
    let words = ["/action", "/target", "/outcome"].map(|pointer| at(action, pointer));
    let is_erased = action.get("redacted").and_then(Json::as_bool) == Some(true);
    let erased = is_erased.then(|| "(erased)".to_owned());
    let words = words.into_iter().filter(|word| !word.is_empty()).chain(erased);
    words.collect::<Vec<_>>().join(" ")
}

fn who(action: &Json) -> String {
    match at(action, "/owner") {
        owner if owner.is_empty() => format!("{}, nobody's", at(action, "/agent")),
        owner => format!("{} of {owner}", at(action, "/agent")),
    }
}

fn labelled(label: &str, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{label} {text}"))
}

/// Scopes, and the environment that they hold in.
fn bounds(action: &Json, pointer: &str) -> String {
    let scope = names(action, &format!("{pointer}/scope"), ", ");
    match at(action, &format!("{pointer}/environment")) {
        environment if environment.is_empty() => scope,
        environment => format!("{scope} in {environment}"),
    }
}

fn names(action: &Json, pointer: &str, between: &str) -> String {
    let names = action.pointer(pointer).and_then(Json::as_array).into_iter().flatten();
    names.filter_map(Json::as_str).map(printable).collect::<Vec<_>>().join(between)
}

fn at(action: &Json, pointer: &str) -> String {
    match action.pointer(pointer) {
        Some(Json::String(text)) => printable(text),
        Some(Json::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn one_line_holds_all_six_answers() {
        let action = json!({
            "index": 7, "received_at": "2026-04-08T03:47:10Z", "action": "DROP TABLE", "target": "postgres:prod/sessions",
            "outcome": "confirmed", "agent": "worker", "owner": "lead@example.com", "contract": "ab".repeat(32),
            "used": { "scope": ["db:drop"], "environment": "production" },
            "granted": { "scope": ["db:migrate"], "environment": "staging" },
            "task": "run\u{1b}[2J", "human": "oncall", "chain": ["oncall", "worker"], "findings": ["out_of_scope"],
        });
        let expected = "2026-04-08T03:47:10.000Z #7 DROP TABLE postgres:prod/sessions confirmed · worker of lead@example.com · \
                        contract abababababab · used db:drop in production · granted db:migrate in staging · \
                        task run\\u{1b}[2J · for oncall · chain oncall → worker · findings out_of_scope";
        assert_eq!(line(&action), expected);
        assert_eq!(line(&json!(null)), "- #  · , nobody's");
        let erased = json!({ "index": 7, "action": "email.send", "agent": "a", "redacted": true });
        assert_eq!(line(&erased), "- #7 email.send (erased) · a, nobody's");
    }
}
