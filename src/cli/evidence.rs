//! `verify FILE`: an evidence bundle judged offline, from the trusted key alone.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use schemas::checkpoint::{Checkpoint, Note};
use schemas::era::Era;
use schemas::evidence::{
    self, Completeness, Fault, Judgement, Opened, Step, Trust as Trusted, Verdicts, Weight,
};
use schemas::limits::{BUNDLE_BYTES_MAX, NOTE_BYTES_MAX};
use schemas::policy::Policy;
use serde_json::{Value as Json, json};

use crate::cli::context::{Context, given};
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Out, Tone, note};
use crate::cli::trust::Trust;
use crate::exit::Exit;

/// Faults that are listed for people; the JSON has them all.
const SHOWN_MAX: usize = 20;

/// Arguments of `verify` for a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Evidence bundle to check offline, instead of a ledger
    #[arg(value_name = "FILE", conflicts_with_all = ["store", "mark", "config"])]
    pub(crate) file: Option<PathBuf>,
    /// Show every comparison: what was computed, and what it had to be
    #[arg(long, requires = "file")]
    explain: bool,
    /// Witnesses that must have cosigned the bundle's checkpoint (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "file")]
    policy: Option<PathBuf>,
    /// Checkpoint of the same ledger that was kept before: the bundle's must not contradict it
    #[arg(long, value_name = "FILE", requires = "file")]
    known: Vec<PathBuf>,
}

/// Checks a bundle and prints the verdicts.
///
/// # Errors
/// [`Failure`] when a file cannot be read; what is wrong with the bundle is reported with its exit code.
pub(crate) fn verify(
    file: &Path,
    args: &Args,
    trust: Option<&String>,
    context: &Context,
) -> Result<Exit, Failure> {
    let trust = given(trust, "SWORN_TRUST").map(|value| Trust::read(&value)).transpose()?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let known =
        args.known.iter().map(|file| read_checkpoint(file)).collect::<Result<Vec<_>, _>>()?;
    let accepts = trust.as_ref().map(|trust| |era: &Era| trust.accept(era.note_key()).is_ok());
    let trusted = Trusted {
        accepts: match &accepts {
            Some(accepts) => Some(accepts),
            None => None,
        },
        policy: policy.as_ref(),
        known: &known,
    };
    let out = context.out();
    let judged = open(file)?.map(|opened| {
        let mut explainer = Explainer { out, on: args.explain, failed: None };
        let found = evidence::verify(&opened, &trusted, &mut |step| explainer.show(&step));
        explainer.failed.map_or(Ok((opened, found)), Err)
    });
    let (opened, found) = match judged {
        Ok(judged) => {
            let (opened, found) = judged?;
            (Some(opened), found)
        }
        Err(fault) => (None, Judgement { faults: vec![fault], ..Judgement::default() }),
    };
    print(file, opened.as_ref(), &found, out)
}

/// The bundle in a file; the inner error is a verdict on it.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn open(file: &Path) -> Result<Result<Opened, Fault>, Failure> {
    let bytes = read(file, BUNDLE_BYTES_MAX)?;
    Ok(evidence::open(&bytes))
}

/// The file's bytes, or one more than `limit` of them.
fn read(file: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::File { path: file.to_owned(), source };
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn read_policy(file: &Path) -> Result<Policy, Failure> {
    let text =
        String::from_utf8_lossy(&read(file, schemas::limits::POLICY_BYTES_MAX)?).into_owned();
    Policy::parse(&text).map_err(|fault| Failure::Argument {
        name: "--policy",
        value: format!("{}: {fault}", file.display()),
        expected: "a witness policy (C2SP tlog-policy)",
    })
}

fn read_checkpoint(file: &Path) -> Result<Checkpoint, Failure> {
    let text = String::from_utf8_lossy(&read(file, NOTE_BYTES_MAX)?).into_owned();
    let checkpoint = Note::parse(&text).and_then(|note| note.checkpoint());
    checkpoint.map_err(|fault| Failure::Argument {
        name: "--known",
        value: format!("{}: {fault}", file.display()),
        expected: "a checkpoint, as `sworn checkpoint show` prints it",
    })
}

/// Prints comparisons as they are made.
struct Explainer {
    out: Out,
    on: bool,
    failed: Option<Failure>,
}

impl Explainer {
    fn show(&mut self, step: &Step) {
        if !self.on || self.failed.is_some() || self.out.format() != Format::Table {
            return;
        }
        let (tone, mark) = if step.holds() { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        let mark = self.out.paint(tone, mark);
        let mut lines = vec![
            format!("{mark} {}", schemas::printable::printable(&step.subject)),
            format!("    computed  {}", schemas::printable::printable(&step.computed)),
        ];
        if !step.holds() {
            lines.push(format!("    expected  {}", schemas::printable::printable(&step.expected)));
        }
        self.failed = lines.iter().find_map(|line| self.out.line(line).err());
    }
}

/// How a command ends that found this.
pub(crate) fn exit(fault: &Fault) -> Exit {
    match fault.judged().1 {
        Weight::Hash => Exit::HashMismatch,
        Weight::Signature => Exit::BadSignature,
        Weight::Gap => Exit::Gap,
        Weight::Conflict => Exit::Conflict,
        Weight::Undecidable => Exit::Undecidable,
    }
}

fn print(
    file: &Path,
    opened: Option<&Opened>,
    found: &Judgement,
    out: Out,
) -> Result<Exit, Failure> {
    let end = found.faults.iter().fold(Exit::Ok, |end, fault| end.worst(exit(fault)));
    if out.format() == Format::Table {
        print_lines(opened, found, out)?;
    } else {
        out.json(&to_json(opened, found, end))?;
    }
    if let Some(worst) = found.faults.iter().find(|fault| exit(fault) == end) {
        let what = worst.to_string();
        let failure = match (worst, opened) {
            (Fault::OtherRenderer { .. }, Some(opened)) => {
                Failure::OtherRenderer { what, tool: opened.bundle.manifest.tool.clone() }
            }
            _ => {
                let details = vec![format!("in {}", file.display())];
                Failure::Verdict { exit: end, what, details }
            }
        };
        note(failure.render().trim_end());
    }
    Ok(end)
}

fn print_lines(opened: Option<&Opened>, found: &Judgement, out: Out) -> Result<(), Failure> {
    if let Some(opened) = opened {
        let manifest = &opened.bundle.manifest;
        let query = match manifest.query.as_str() {
            "" => "everything".to_owned(),
            query => schemas::printable::printable(query),
        };
        let last = manifest.until.saturating_sub(1);
        out.line(&format!("asked for        {query}, entries #{} to #{last}", manifest.since))?;
    }
    if let (Some(head), Some(eras)) = (&found.checkpoint, &found.eras) {
        let key = eras.at(head.size).key.kid();
        out.line(&format!("ledger           {}  SHA256:{key}", head.origin))?;
        out.line(&format!("checkpoint       {} entries  {}", head.size, head.root))?;
    }
    if let Some(witnessed) = &found.witnessed {
        let cosigned = witnessed.times.iter().flatten().count();
        out.line(&format!("witnesses        {cosigned} of {} cosigned", witnessed.times.len()))?;
    }
    let plural = if found.rejected == 1 { "rejection" } else { "rejections" };
    out.line(&format!(
        "found            {} entries and {} {plural}; {} more make their signatures valid",
        found.asked - found.rejected,
        found.rejected,
        found.supporting
    ))?;
    for fault in found.faults.iter().take(SHOWN_MAX) {
        out.line(&out.paint(Tone::Bad, &format!("  ✗ {fault}")))?;
    }
    if let Some(more) = found.faults.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        out.line(&format!("  ✗ and {more} more"))?;
    }
    for (name, holds, word, text) in rows(found) {
        let (tone, mark) = match holds {
            Some(true) => (Tone::Good, "✓"),
            Some(false) => (Tone::Bad, "✗"),
            None => (Tone::Notable, "!"),
        };
        let verdict = out.paint(tone, &format!("{mark} {word:<10}"));
        out.line(&format!("{name:<15}  {verdict}  {text}"))?;
    }
    Ok(())
}

/// The verdicts with a word and a sentence each.
fn rows(found: &Judgement) -> Vec<(&'static str, Option<bool>, &'static str, String)> {
    let Verdicts { integrity, completeness, attribution, redaction, report } = found.verdicts();
    let word = |holds, good, bad| match holds {
        Some(true) => good,
        Some(false) => bad,
        None => "undecided",
    };
    let (complete, ended) = match completeness {
        Completeness::Complete => (Some(true), "complete"),
        Completeness::Gap => (Some(false), "GAP"),
        Completeness::Open => (None, "open"),
    };
    let claims = found.claims;
    let redacted = if found.redacted == 0 { "none" } else { "redacted" };
    let pages = if report.is_some() { " and what was rendered from them" } else { " alone" };
    let mut rows = vec![
        (
            "integrity",
            integrity,
            word(integrity, "intact", "BROKEN"),
            format!("leaves, proofs, digests{pages}"),
        ),
        (
            "completeness",
            complete,
            ended,
            format!("ordinals, the signers' numbers, {claims} claims signed by the ledger"),
        ),
        (
            "attribution",
            attribution,
            word(attribution, "proven", "NOT PROVEN"),
            format!("{} signatures, each by a key valid at its place", found.signatures),
        ),
        (
            "redaction",
            redaction,
            word(redaction, redacted, "BROKEN"),
            format!("{} redacted", found.redacted),
        ),
    ];
    if report.is_none() {
        let text = "what people read was made by another renderer: it proves nothing here";
        rows.push(("report", report, "undecided", text.to_owned()));
    }
    rows
}

fn to_json(opened: Option<&Opened>, found: &Judgement, end: Exit) -> Json {
    let verdicts: serde_json::Map<_, _> =
        rows(found).iter().map(|row| (row.0.to_owned(), row.2.to_lowercase().into())).collect();
    let fault = |fault: &Fault| json!({ "fault": fault.to_string(), "exit": exit(fault).code() });
    json!({
        "exit": end.code(),
        "query": opened.map(|opened| opened.bundle.manifest.query.clone()),
        "origin": found.checkpoint.as_ref().map(|head| head.origin.clone()),
        "size": found.checkpoint.as_ref().map(|head| head.size.0),
        "root": found.checkpoint.as_ref().map(|head| head.root.to_string()),
        "entries": found.asked - found.rejected,
        "rejected": found.rejected,
        "redacted": found.redacted,
        "supporting": found.supporting,
        "signatures": found.signatures,
        "claims": found.claims,
        "verdicts": verdicts,
        "faults": found.faults.iter().map(fault).collect::<Vec<_>>(),
    })
}
