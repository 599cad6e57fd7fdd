//! `report models`: what an agent did under each model and version.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete;
use crate::cli::member::{cell, items, number};
use crate::cli::out::{Format, note};
use crate::exit::Exit;
use crate::table::Table;

/// Rates, as the columns name them.
const RATES: [&str; 4] = ["confirmed", "failed", "denied", "findings"];

/// Shows it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(super) fn run(agent: &str, since: Option<&str>, context: &Context) -> Result<Exit, Failure> {
    let mut query = vec![("agent", agent)];
    query.extend(since.map(|since| ("since", since)));
    let report = context.client()?.json("/api/v1/reports/models", &query)?;
    let out = context.out();
    let exit = ending(&report);
    if out.format() != Format::Table {
        out.json(&report)?;
        return Ok(exit);
    }
    let mut table = Table::new(["MODEL", "INTENTS", "CONFIRMED", "FAILED", "DENIED", "FINDINGS"]);
    for model in items(&report, "items") {
        let name = ["provider", "name", "version"].map(|part| cell(model, part)).join(" ");
        let [confirmed, failed, denied, findings] = RATES.map(|rate| counted(model, rate));
        let intents = number(model, "intents").to_string();
        table.row([name.trim(), &intents, &confirmed, &failed, &denied, &findings]);
    }
    for change in items(&report, "changes") {
        let name = format!("from #{}", number(change, "at"));
        let [confirmed, failed, denied, findings] = RATES.map(|rate| points(change, rate));
        table.row([&name, "", &confirmed, &failed, &denied, &findings]);
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    Ok(exit)
}

/// What was not looked at, or is erased, may change every rate.
fn ending(report: &Json) -> Exit {
    let more = "there is more than one answer looks at; --since narrows it";
    let uncounted = |name: &str, what: &str| match number(report, name) {
        0 => Exit::Ok,
        count => {
            note(&format!("{count} entries {what} and count nowhere; --since narrows it"));
            Exit::Undecidable
        }
    };
    incomplete::worst([
        incomplete::ending(report, more),
        uncounted("erased", "are erased"),
        uncounted("others", "of others, or refused, name models beyond those listed"),
    ])
}

/// A number with its rate.
fn counted(model: &Json, rate: &str) -> String {
    let percent = model.get(format!("{rate}_percent")).and_then(Json::as_u64);
    let percent = percent.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
    format!("{}{percent}", number(model, rate))
}

/// The difference of two rates.
fn points(change: &Json, rate: &str) -> String {
    let points = change.get(format!("{rate}_points")).and_then(Json::as_i64);
    points.map(|points| format!("{points:+} points")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_of_what_is_left_are_no_success() {
        for (erased, incomplete, exit) in [
            (0, json!(null), Exit::Ok),
            (1, json!(null), Exit::Undecidable),
            (0, json!({ "scanned_to": 7 }), Exit::Undecidable),
        ] {
            let report = json!({ "erased": erased, "incomplete": incomplete });
            assert_eq!(ending(&report), exit, "{report}");
        }
    }
}
