//! What an answer says that it does not tell: it is noted, and ends the command.

use serde_json::Value as Json;

use crate::cli::member::number;
use crate::cli::out::note;
use crate::exit::Exit;

/// Whether an answer, or an item of one, says that there may be more than it tells.
pub(crate) fn is_cut(answer: &Json) -> bool {
    let incomplete = answer.get("incomplete");
    incomplete.is_some_and(|incomplete| !matches!(incomplete, Json::Null | Json::Bool(false)))
}

/// How a command ends with this answer; `what` says what is not told, if it is not all.
pub(crate) fn ending(answer: &Json, what: &str) -> Exit {
    if !is_cut(answer) {
        return Exit::Ok;
    }
    note(what);
    Exit::Undecidable
}

/// How a command ends that lists `what` of entries: some may not have been looked at, or have more than is listed.
pub(crate) fn listed(answer: &Json, what: &str, hint: &str) -> Exit {
    let reached = answer.pointer("/incomplete/scanned_to").and_then(Json::as_u64);
    let others = number(answer, "others");
    if let Some(reached) = reached {
        note(&format!("older entries than #{reached} were not looked at{hint}"));
    }
    if others > 0 {
        note(&format!("{others} entries have {what} beyond those listed{hint}"));
    }
    if reached.is_some() || others > 0 { Exit::Undecidable } else { Exit::Ok }
}

/// The first of several endings that is no success.
pub(crate) fn worst<const N: usize>(endings: [Exit; N]) -> Exit {
    endings.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_cut_ends_with_a_code_of_its_own() {
        for (incomplete, exit) in [
            (json!(true), Exit::Undecidable),
            (json!({ "scanned_to": 0 }), Exit::Undecidable),
            (json!(false), Exit::Ok),
            (json!(null), Exit::Ok),
        ] {
            assert_eq!(ending(&json!({ "incomplete": incomplete }), "more"), exit);
        }
        assert_eq!(ending(&json!({ "items": [] }), "more"), Exit::Ok);
    }

    #[test]
    fn a_list_that_is_not_whole_is_no_success() {
        for (answer, exit) in [
            (json!({ "incomplete": null, "others": 0 }), Exit::Ok),
            (json!({ "incomplete": { "scanned_to": 0 }, "others": 0 }), Exit::Undecidable),
            (json!({ "incomplete": null, "others": 1 }), Exit::Undecidable),
        ] {
            assert_eq!(listed(&answer, "values", ""), exit, "{answer}");
        }
    }

    #[test]
    fn one_ending_that_is_no_success_is_enough() {
        assert_eq!(worst([Exit::Ok, Exit::Undecidable, Exit::Ok]), Exit::Undecidable);
        assert_eq!(worst([Exit::Ok, Exit::Ok]), Exit::Ok);
    }
}
