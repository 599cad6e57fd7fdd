//! `prove --complete`: that every entry of a workflow, session or agent is shown, up to a checkpoint. The
//! server's evidence for it is fetched and judged as a bundle is.

use schemas::era::Era;
use schemas::evidence::{self, Aspect, Completeness, Judgement, Trust};
use schemas::printable::printable;
use schemas::terms::Key;
use serde_json::json;

use crate::cli::bundle;
use crate::cli::context::Context;
use crate::cli::evidence::exit;
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Tone};
use crate::exit::Exit;

/// What is to be complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Whole {
    key: Key,
    value: String,
}

/// Reads `corr:X`, `session:X` or `agent:X`: only these have ordinals in leaves.
pub(crate) fn whole(text: &str) -> Result<Whole, &'static str> {
    let expected = "expected corr:ID, session:ID or agent:ID";
    let (key, value) = text.split_once(':').ok_or(expected)?;
    let key = Key::parse(key)
        .filter(|key| matches!(key, Key::Corr | Key::Session | Key::Agent))
        .ok_or(expected)?;
    // The query language has no way to write a quote inside quotes.
    if value.is_empty() || value.contains('"') {
        Err(expected)
    } else {
        Ok(Whole { key, value: value.to_owned() })
    }
}

/// Fetches the evidence, and judges it.
///
/// # Errors
/// [`Failure::Verdict`]: 12 for a gap, 14 where nothing vouches for the end, 10, 11 or 13 for what does not
/// hold; failures of the server.
pub(crate) fn run(
    whole: &Whole,
    trust: Option<&String>,
    context: &Context,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = context.trust(trust)?;
    let query = format!("{}:\"{}\"", whole.key.as_str(), whole.value);
    let pairs = [("q", query.as_str()), ("since", "#0")];
    let bytes = bundle::made(&client, &pairs)?;
    let broken = |fault: &evidence::Fault| Failure::Verdict {
        exit: exit(fault),
        what: fault.to_string(),
        details: vec!["in the evidence that the server gave".to_owned()],
    };
    let opened = evidence::open(&bytes).map_err(|fault| broken(&fault))?;
    if opened.bundle.manifest.query != query {
        return Err(broken(&evidence::Fault::Open));
    }
    let accepts = |era: &Era| era.note_key() == key;
    let trusted = Trust { accepts: Some(&accepts), policy: None, known: &[] };
    let found = evidence::verify(&opened, &trusted, &mut |_step| {});
    // Nobody reads this bundle, so that its pages may be of another renderer.
    let faults = found.faults.iter();
    let faults = faults.filter(|fault| !matches!(fault, evidence::Fault::OtherRenderer { .. }));
    let serious = faults.max_by_key(|fault| {
        // Of several, what completeness itself says; else the most serious.
        (fault.judged().0 == Aspect::Completeness, exit(fault))
    });
    serious.map_or_else(|| show(whole, &found, context), |fault| Err(broken(fault)))
}

fn show(whole: &Whole, found: &Judgement, context: &Context) -> Result<Exit, Failure> {
    let Some(head) = &found.checkpoint else { return Ok(Exit::Undecidable) };
    let (out, count) = (context.out(), found.asked);
    let word = match found.verdicts().completeness {
        Completeness::Complete => "complete",
        Completeness::Gap => "gap",
        Completeness::Open => "open",
    };
    if out.format() != Format::Table {
        out.json(&json!({
            "key": whole.key.as_str(), "value": whole.value, "verdict": word, "count": count,
            "redacted": found.redacted, "size": head.size.0, "origin": head.origin,
        }))?;
        return Ok(Exit::Ok);
    }
    let text = format!(
        "{count} entries of {}:{}, no gap inside, none after, up to entry {} of {}",
        whole.key.as_str(),
        printable(&whole.value),
        head.size.0,
        head.origin
    );
    out.line(&format!("{}  {text}", out.paint(Tone::Good, &format!("✓ {word}"))))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_ordinals_can_be_whole() {
        assert!(whole("corr:a:b").is_ok_and(|whole| whole.value == "a:b"));
        for text in ["", "corr", "corr:", "user:u", "nothing:x"] {
            assert!(whole(text).is_err(), "{text}");
        }
    }
}
