//! What an answer says that it does not tell: it is noted, and ends the command.

use serde_json::Value as Json;

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
    fn one_ending_that_is_no_success_is_enough() {
        assert_eq!(worst([Exit::Ok, Exit::Undecidable, Exit::Ok]), Exit::Undecidable);
        assert_eq!(worst([Exit::Ok, Exit::Ok]), Exit::Ok);
    }
}
