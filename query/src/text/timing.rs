//! How long a workflow took, as text: its steps, its critical path, and who waited for whom.

use serde_json::Value as Json;

use super::{cell, list, push_line};

/// The time of a workflow, from the JSON that the API gives.
#[must_use]
pub fn render_timing(chain: &Json) -> String {
    let nothing = Json::Null;
    let timing = chain.get("timing").unwrap_or(&nothing);
    let mut text = String::new();
    push_line(&mut text, &format!("took {}", span(timing)));
    for step in list(chain, "steps") {
        let line = format!("  step {} {}  {}", cell(step, "n"), cell(step, "action"), span(step));
        push_line(&mut text, &line);
    }
    push_line(&mut text, "critical path");
    for hop in list(timing, "critical_path") {
        let step = match cell(hop, "step") {
            step if step.is_empty() => step,
            step => format!(" (step {step})"),
        };
        let line =
            format!("  #{} {}{step}  +{}", cell(hop, "index"), cell(hop, "signer"), span(hop));
        push_line(&mut text, &line);
    }
    for wait in list(timing, "waits") {
        let line = format!(
            "  {} waited {} for {} (#{} to #{})",
            cell(wait, "who"),
            span(wait),
            cell(wait, "for"),
            cell(wait, "from"),
            cell(wait, "until"),
        );
        push_line(&mut text, &line);
    }
    text
}

/// Microseconds as a person would say them.
fn span(json: &Json) -> String {
    let Some(us) = json.get("us").and_then(Json::as_u64) else { return "-".to_owned() };
    let (s, ms) = (us / 1_000_000, us / 1000 % 1000);
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{ms:03} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (us, expected) in [
            (0, "0 ms"),
            (999_999, "999 ms"),
            (1_000_000, "1.000 s"),
            (59_999_999, "59.999 s"),
            (109_000_000, "1 min 49 s"),
            (3_600_000_000, "1 h 0 min"),
            (u64::MAX, "5124095576 h 1 min"),
        ] {
            assert_eq!(span(&json!({ "us": us })), expected);
        }
        assert_eq!(span(&json!(null)), "-");
    }

    #[test]
    fn hostile_names_are_escaped_and_nothing_is_no_panic() {
        let chain = json!({
            "steps": [{ "n": 1, "action": "a\u{1b}[2J", "us": 5 }],
            "timing": {
                "us": 7000,
                "critical_path": [{ "index": 1, "signer": "x\r\ny", "step": 1, "us": 0 }],
                "waits": [{ "who": "x\u{202e}", "for": "\0", "from": 1, "until": 2, "us": 2_000_000 }],
            },
        });
        let expected = "\
took 7 ms
  step 1 a\\u{1b}[2J  0 ms
critical path
  #1 x\\r\\ny (step 1)  +0 ms
  x\\u{202e} waited 2.000 s for \\u{0} (#1 to #2)
";
        assert_eq!(render_timing(&chain), expected);
        assert_eq!(render_timing(&json!(null)), "took -\ncritical path\n");
    }
}
