//! What a verification found, as four verdicts: integrity, completeness, attribution, redaction.

use ledger::{Divergence, Fault, Report};
use serde_json::{Value as Json, json};

use crate::cli::failure::Failure;
use crate::cli::out::{Format, Out, Tone, note};
use crate::exit::Exit;

/// Divergences that are listed for people; the JSON has them all.
const SHOWN_MAX: usize = 10;

/// Which verdict a divergence speaks against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aspect {
    Integrity,
    Completeness,
    Attribution,
    Redaction,
}

/// The verdicts over one report.
#[derive(Debug)]
pub(crate) struct Verdicts {
    exit: Exit,
    origin: String,
    fingerprint: String,
    /// Entries that there should be.
    requested: u64,
    /// Entries before the first that is wrong.
    valid: u64,
    rows: Vec<Row>,
    divergences: Vec<Divergence>,
    json: Json,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    holds: bool,
    word: &'static str,
    text: String,
}

fn judged(fault: &Fault) -> (Aspect, Exit) {
    match fault {
        Fault::NotRedacted => (Aspect::Redaction, Exit::Undecidable),
        Fault::Leftover => (Aspect::Redaction, Exit::HashMismatch),
        Fault::Missing => (Aspect::Completeness, Exit::Gap),
        Fault::Short { .. } => (Aspect::Completeness, Exit::Conflict),
        Fault::Root => (Aspect::Integrity, Exit::Conflict),
        Fault::Signature | Fault::Note | Fault::Untrusted | Fault::NotAgreed { .. } => {
            (Aspect::Attribution, Exit::BadSignature)
        }
        Fault::UnknownKey(_) => (Aspect::Attribution, Exit::Undecidable),
        Fault::Admission(_) => (Aspect::Attribution, Exit::HashMismatch),
        Fault::Extra
        | Fault::Damaged
        | Fault::Digest
        | Fault::Chain
        | Fault::Counts
        | Fault::Derived => (Aspect::Integrity, Exit::HashMismatch),
    }
}

impl Verdicts {
    /// Of a report. `mark` is the note that the log had to reach; `trusted` whether its key is the one
    /// that the user trusts, `None` where he named none.
    pub(crate) fn of(
        report: &Report,
        mark: Option<&str>,
        trusted: Option<bool>,
        fingerprint: &str,
    ) -> Self {
        let found: Vec<_> = report.divergences.iter().map(|d| judged(&d.fault)).collect();
        let mut exit = found.iter().fold(Exit::Ok, |exit, (_, other)| exit.worst(*other));
        if trusted == Some(false) {
            exit = exit.worst(Exit::BadSignature);
        }
        let size = report.size.0;
        let first = report.divergences.iter().filter_map(|divergence| divergence.index).min();
        let valid = first.map_or(size, |index| index.0.min(size));
        let holds = |aspect| found.iter().all(|(other, _)| *other != aspect);
        let attributed = holds(Aspect::Attribution) && trusted != Some(false);
        let rows = vec![
            integrity(report, holds(Aspect::Integrity)),
            completeness(report, holds(Aspect::Completeness), mark.is_some()),
            attribution(report, attributed, trusted, fingerprint),
            redaction(report, holds(Aspect::Redaction)),
        ];
        let json = to_json(report, exit, valid, &rows);
        Self {
            exit,
            origin: report.identity.origin.clone(),
            fingerprint: fingerprint.to_owned(),
            requested: report.divergences.iter().filter_map(marked).fold(size, u64::max),
            valid,
            rows,
            divergences: report.divergences.clone(),
            json,
        }
    }
}

/// Entries that were acknowledged, where that is more than there are.
fn marked(divergence: &Divergence) -> Option<u64> {
    match divergence.fault {
        Fault::Short { marked } => Some(marked.0),
        _ => None,
    }
}

fn integrity(report: &Report, holds: bool) -> Row {
    let word = if holds { "intact" } else { "BROKEN" };
    let text = match report.before.0 {
        0 => format!("chain, tree, digests, indexes; root {}", report.root),
        before => format!(
            "from #{before} on chain, tree, digests, indexes; before that as verified {}; root {}",
            report.before_at.map_or_else(|| "then".to_owned(), |at| format!("at {at}")),
            report.root
        ),
    };
    Row { name: "integrity", holds, word, text }
}

fn completeness(report: &Report, holds: bool, marked: bool) -> Row {
    let (word, text) = match (holds, marked) {
        (true, true) => {
            ("complete", format!("reaches its high-water mark, {} entries", report.size))
        }
        (true, false) => {
            ("open", "no gap inside; nothing vouches for the end: give --mark FILE".to_owned())
        }
        (false, _) => ("GAP", "something that was acknowledged is not there".to_owned()),
    };
    Row { name: "completeness", holds, word, text }
}

fn attribution(report: &Report, holds: bool, trusted: Option<bool>, fingerprint: &str) -> Row {
    let word = if holds { "proven" } else { "NOT PROVEN" };
    let under = match trusted {
        Some(true) => format!("under the trusted key {fingerprint}"),
        Some(false) => format!("but under {fingerprint}, which is not the trusted key"),
        None => format!("under {fingerprint}, on the ledger's own word: pin it with --trust"),
    };
    let (signatures, notes) = (report.signatures, report.notes);
    let text = format!("signatures {signatures}, checkpoints {notes}, {under}");
    Row { name: "attribution", holds, word, text }
}

fn redaction(report: &Report, holds: bool) -> Row {
    let word = match (holds, report.redacted) {
        (false, _) => "BROKEN",
        (true, 0) => "none",
        (true, _) => "redacted",
    };
    let text = format!("{} redacted", report.redacted);
    Row { name: "redaction", holds, word, text }
}

fn to_json(report: &Report, exit: Exit, valid: u64, rows: &[Row]) -> Json {
    let divergence = |divergence: &Divergence| {
        let (_, exit) = judged(&divergence.fault);
        json!({
            "family": divergence.family.to_string(),
            "index": divergence.index.map(|index| index.0),
            "key": divergence.key,
            "fault": divergence.fault.to_string(),
            "exit": exit.code(),
        })
    };
    let verdicts = rows.iter().map(|row| (row.name.to_owned(), row.word.to_lowercase().into()));
    json!({
        "origin": report.identity.origin,
        "key": schemas::id::hex(report.identity.key.as_bytes()),
        "exit": exit.code(),
        "size": report.size.0,
        "verified_before": report.before.0,
        "verified_before_at": report.before_at.map(|at| at.to_string()),
        "root": report.root.to_string(),
        "valid": valid,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "redacted": report.redacted,
        "signatures": report.signatures,
        "checkpoints": report.notes,
        "verdicts": verdicts.collect::<serde_json::Map<_, _>>(),
        "divergences": report.divergences.iter().map(divergence).collect::<Vec<_>>(),
    })
}

/// Prints them.
///
/// # Errors
/// Those of the output.
pub(crate) fn print(verdicts: &Verdicts, out: Out) -> Result<Exit, Failure> {
    if out.format() == Format::Table {
        print_lines(verdicts, out)?;
    } else {
        out.json(&verdicts.json)?;
    }
    if verdicts.exit != Exit::Ok {
        note(error(verdicts).render().trim_end());
    }
    Ok(verdicts.exit)
}

fn print_lines(verdicts: &Verdicts, out: Out) -> Result<(), Failure> {
    let Verdicts { requested, valid, .. } = verdicts;
    let last = requested.saturating_sub(1);
    out.line(&format!("ledger           {}  {}", verdicts.origin, verdicts.fingerprint))?;
    out.line(&format!("requested range  #0 to #{last}"))?;
    match valid.checked_sub(1) {
        None => out.line("found range      none")?,
        Some(last) => out.line(&format!("found range      #0 to #{last}"))?,
    }
    for divergence in verdicts.divergences.iter().take(SHOWN_MAX) {
        out.line(&out.paint(Tone::Bad, &format!("  ✗ {divergence}")))?;
    }
    if let Some(more) = verdicts.divergences.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        out.line(&format!("  ✗ and at least {more} more"))?;
    }
    for row in &verdicts.rows {
        let (tone, mark) = match (row.holds, row.word) {
            (true, "open" | "redacted") => (Tone::Notable, "!"),
            (true, _) => (Tone::Good, "✓"),
            (false, _) => (Tone::Bad, "✗"),
        };
        let verdict = out.paint(tone, &format!("{mark} {:<10}", row.word));
        out.line(&format!("{:<15}  {verdict}  {}", row.name, row.text))?;
    }
    out.line(&format!("{valid} of {requested} valid"))
}

/// The verdict as an error, naming the first entry that is wrong.
fn error(verdicts: &Verdicts) -> Failure {
    let worst = verdicts.divergences.iter().find(|d| judged(&d.fault).1 == verdicts.exit);
    let first = worst.or_else(|| verdicts.divergences.first());
    let mut details = Vec::new();
    let what = match first {
        Some(Divergence { index: Some(index), fault: Fault::Digest, family, .. }) => {
            details.push(format!("{family}: {}", Fault::Digest));
            format!("entry {index} does not match its stored hash")
        }
        Some(Divergence { fault: Fault::Short { marked }, .. }) => {
            format!("the log is shorter than the {marked} entries that were acknowledged")
        }
        Some(divergence) => divergence.to_string(),
        None => format!("the ledger's key {} is not the trusted one", verdicts.fingerprint),
    };
    if let Some(last) = verdicts.valid.checked_sub(1).filter(|_| first.is_some()) {
        details.push(format!("good up to #{last}"));
    }
    Failure::Verdict { exit: verdicts.exit, what, details }
}

#[cfg(test)]
mod tests {
    use ledger::{ColumnFamily, Identity};
    use schemas::era::Eras;
    use schemas::id::{Index, Tenant, TreeHash, TreeSize};
    use schemas::key::PublicKey;

    use super::*;

    fn report(faults: &[(Option<u64>, Fault)]) -> Report {
        let key = PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[1; 32]));
        let tenant = Tenant::parse("acme").expect("a tenant");
        let origin = "localhost/acme".to_owned();
        let divergence = |(index, fault): &(Option<u64>, Fault)| Divergence {
            family: ColumnFamily::Bodies,
            index: index.map(Index),
            key: "00".to_owned(),
            fault: fault.clone(),
        };
        Report {
            eras: Eras::first(tenant.clone(), origin.clone(), key),
            identity: Identity { tenant, origin, key, clock_start: None },
            size: TreeSize(100),
            before: TreeSize(0),
            before_at: None,
            is_anew: false,
            root: TreeHash::ZERO,
            accepted: 90,
            rejected: 10,
            redacted: 1,
            signatures: 95,
            notes: 3,
            divergences: faults.iter().map(divergence).collect(),
        }
    }

    fn check(faults: &[(Option<u64>, Fault)], trusted: Option<bool>, exit: u8, valid: u64) {
        let verdicts = Verdicts::of(&report(faults), Some("mark"), trusted, "SHA256:00");
        assert_eq!((verdicts.exit.code(), verdicts.valid), (exit, valid), "{faults:?}");
        let broken = verdicts.rows.iter().filter(|row| !row.holds).count();
        assert_eq!(broken == 0, exit == 0, "{faults:?}");
        if exit != 0 {
            assert_eq!(error(&verdicts).exit().code(), exit);
        }
    }

    #[test]
    fn each_fault_has_its_exit_code_and_the_worst_wins() {
        check(&[], None, 0, 100);
        check(&[], Some(true), 0, 100);
        check(&[], Some(false), 11, 100);
        check(&[(Some(41), Fault::Digest)], None, 10, 41);
        check(&[(Some(41), Fault::Damaged)], None, 10, 41);
        check(&[(Some(41), Fault::Chain)], None, 10, 41);
        check(&[(None, Fault::Derived)], None, 10, 100);
        check(&[(None, Fault::Extra)], None, 10, 100);
        check(&[(Some(7), Fault::Counts)], None, 10, 7);
        check(&[(Some(7), Fault::Admission("x".into()))], None, 10, 7);
        check(&[(Some(7), Fault::Signature)], None, 11, 7);
        check(&[(None, Fault::Note)], None, 11, 100);
        check(&[(Some(0), Fault::Untrusted)], None, 11, 0);
        check(&[(Some(7), Fault::NotAgreed { needed: 2, found: 1 })], None, 11, 7);
        check(&[(Some(7), Fault::Missing)], None, 12, 7);
        check(&[(None, Fault::Short { marked: TreeSize(101) })], None, 13, 100);
        check(&[(Some(99), Fault::Root)], None, 13, 99);
        check(&[(Some(7), Fault::Missing), (Some(9), Fault::Signature)], None, 11, 7);
        check(&[(Some(7), Fault::Digest), (Some(9), Fault::Signature)], None, 10, 7);
    }

    #[test]
    fn the_first_wrong_entry_is_named() {
        let report = report(&[(Some(41), Fault::Digest), (Some(57), Fault::Digest)]);
        let verdicts = Verdicts::of(&report, None, None, "SHA256:00");
        let text = error(&verdicts).render();
        assert!(
            text.starts_with("error[SW0412]: entry #41 does not match its stored hash\n"),
            "{text}"
        );
        assert!(text.contains("good up to #40"), "{text}");
        assert_eq!(verdicts.json["divergences"][1]["index"], 57);
    }
}
