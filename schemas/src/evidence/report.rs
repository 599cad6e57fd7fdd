//! The report for people: what happened, by whom, on whose authority, with what verdicts; what is missing, and
//! what was erased. It prints well.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::completeness;
use super::render;
use super::view::{Shown, View};
use crate::body::Body;
use crate::brief::{Brief, Mood, text};
use crate::html::{Cell, Html};
use crate::id::TreeSize;
use crate::json::Content;
use crate::shape::time_json;

const STYLE: &str = "\
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; width: 100%; font-size: .87rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #e4e4e4; overflow-wrap: anywhere }
th { border-bottom: 2px solid #999 } pre { background: #f5f5f5; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere }
.bad { color: #a40000; font-weight: 600 } .good { color: #14602b } .note { color: #7a4b00; font-weight: 600 } .quiet { color: #666 }
@media print { body { margin: 0; max-width: none; font-size: 10pt } tr { break-inside: avoid } h2 { break-after: avoid } thead { display: table-header-group } }
";

/// Which duties of record keeping such a report supports.
const SUPPORTS: &str = "SOC 2 CC6.1, CC7.2 and CC7.3; ISO 27001 A.8.15 to A.8.17; HIPAA 164.312(b); \
PCI DSS 10.5.1; EU AI Act articles 12, 19 and 26(6), which apply to high-risk systems from 2027-12-02 or 2028-08-02.";

/// The page.
pub(super) fn report(view: &View<'_>) -> String {
    let query = asked_for(view);
    Html::page(&format!("Evidence: {query}"), STYLE, |page| {
        page.element("h1", |page| page.text(&format!("Evidence: {query}")));
        overview(page, view);
        happened(page, view);
        actors(page, view);
        missing(page, view);
        erased(page, view);
        authority(page, view);
        integrity(page, view);
        limits(page);
    })
}

fn asked_for(view: &View<'_>) -> String {
    let manifest = &view.bundle.manifest;
    let window = format!("entries {} to {}", manifest.since, manifest.until.saturating_sub(1));
    match manifest.query.as_str() {
        "" => window,
        query if manifest.since == 0 => query.to_owned(),
        query => format!("{query}, {window}"),
    }
}

fn time(shown: &Shown<'_>) -> String {
    plain(&time_json(shown.leaf.received_at))
}

/// A JSON value without its quotes.
fn plain(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

fn overview(page: &mut Html, view: &View<'_>) {
    let manifest = &view.bundle.manifest;
    let asked: Vec<_> = view.asked().collect();
    let refused = asked.iter().filter(|shown| !shown.accepted()).count();
    let mut rows = vec![("Asked for", asked_for(view))];
    if let Some(eras) = &view.eras {
        let era = eras.at(TreeSize(manifest.until));
        rows.push(("Ledger", format!("{}, key SHA256:{}", era.origin, era.key.kid())));
    }
    rows.push((
        "As of",
        format!("the checkpoint below; window {} to {}", manifest.since, manifest.until),
    ));
    rows.push((
        "Entries",
        format!(
            "{}: {} accepted, {refused} refused; {} more make their signatures valid at their time",
            asked.len(),
            asked.len() - refused,
            view.entries.len() - asked.len()
        ),
    ));
    if let (Some(first), Some(last)) = (asked.first(), asked.last()) {
        rows.push(("Received", format!("{} to {}", time(first), time(last))));
    }
    let maker = manifest.maker.as_ref().map_or_else(String::new, |maker| format!(" for {maker}"));
    let made = format!("{} with {}{maker}", plain(&time_json(manifest.created)), manifest.tool);
    rows.push(("Made", format!("{made} (the exporter's word)")));
    let row = |(name, value): (&str, String)| vec![Cell::new(name), Cell::new(value)];
    page.table(&["", ""], rows.into_iter().map(row));
}

fn happened(page: &mut Html, view: &View<'_>) {
    page.heading("What happened");
    let head = ["Entry", "Received", "Who", "What", "On what", "For whom, through whom", "Verdict"];
    page.table(&head, view.asked().map(row));
}

fn row(shown: &Shown<'_>) -> Vec<Cell> {
    let entry = render::entry(shown);
    let brief = Brief::of(&entry);
    let class = match brief.mood {
        Mood::Good => "good",
        Mood::Bad => "bad",
        Mood::Notable => "note",
        Mood::Plain => "",
    };
    let ending = [Some(brief.ending), brief.reason].into_iter().flatten();
    let ending: Vec<_> = ending.filter(|part| !part.is_empty()).collect();
    vec![
        Cell::new(shown.leaf.index.to_string()),
        Cell::marked(time(shown), "quiet"),
        Cell::new(brief.actor),
        Cell::new(brief.deed),
        Cell::new(brief.object.unwrap_or_default()),
        Cell::new(shown.body().map(chain).unwrap_or_default()),
        Cell::marked(ending.join(" "), class),
    ]
}

/// The principal chain, and who it began with.
fn chain(body: &Body<'_>) -> String {
    let hops: Vec<_> = body.principals().iter().map(|hop| hop.id.to_owned()).collect();
    match (body.text("on_behalf_of"), hops.is_empty()) {
        (Some(user), true) => format!("for {user}"),
        (Some(user), false) if hops.first().is_some_and(|first| first != user) => {
            format!("for {user}: {}", hops.join(" > "))
        }
        _ => hops.join(" > "),
    }
}

/// What is known of one agent in the answer.
#[derive(Default)]
struct Actor {
    entries: usize,
    signers: BTreeSet<String>,
    models: BTreeSet<String>,
    tasks: BTreeSet<String>,
}

fn actors(page: &mut Html, view: &View<'_>) {
    let mut agents: BTreeMap<String, Actor> = BTreeMap::new();
    for shown in view.asked() {
        let Some(body) = shown.body() else { continue };
        let Some(agent) = body.agent() else { continue };
        let actor = agents.entry(agent.to_owned()).or_default();
        actor.entries += 1;
        actor.signers.insert(body.signer().to_owned());
        let model = [body.text("model.name"), body.text("model.version")];
        let model: Vec<_> = model.into_iter().flatten().collect();
        actor.models.extend((!model.is_empty()).then(|| model.join(" ")));
        actor.tasks.extend(body.text("task.summary").map(str::to_owned));
    }
    page.heading("Agents");
    let list =
        |words: BTreeSet<String>| Cell::new(words.into_iter().collect::<Vec<_>>().join("; "));
    let rows = agents.into_iter().map(|(agent, actor)| {
        let count = Cell::new(actor.entries.to_string());
        vec![Cell::new(agent), count, list(actor.signers), list(actor.models), list(actor.tasks)]
    });
    page.table(&["Agent", "Entries", "Signed by", "Model", "Task"], rows);
}

fn missing(page: &mut Html, view: &View<'_>) {
    page.heading("What is missing");
    let gaps: Vec<_> = completeness::inside(view).iter().map(ToString::to_string).collect();
    if gaps.is_empty() {
        page.paragraph(
            "No gap inside. That nothing follows is the ledger's signed claim, which the check compares.",
        );
    } else {
        page.list(gaps);
    }
    let declared = view.asked().filter(|shown| {
        shown.body().is_some_and(|body| body.kind() == crate::kind::Kind::GapDeclared)
    });
    page.list(declared.map(|shown| {
        format!("entry {}: its signer declares itself that it lost events", shown.leaf.index)
    }));
}

fn erased(page: &mut Html, view: &View<'_>) {
    page.heading("What was erased");
    let erased: Vec<_> = view.asked().filter(|shown| shown.is_redacted()).collect();
    if erased.is_empty() {
        page.paragraph("Nothing.");
    }
    page.list(erased.into_iter().map(|shown| {
        let index = shown.leaf.index;
        let by = view.redaction_of(index, true).map_or_else(
            || "no redaction here says so".to_owned(),
            |by| format!("by the redaction at {by}"),
        );
        format!("entry {index}: its body, {by}; the digest in the log still commits to it")
    }));
}

fn authority(page: &mut Html, view: &View<'_>) {
    page.heading("What makes the signatures valid");
    page.paragraph("Registry entries, each proved like the answer itself.");
    let rows = view.entries.iter().filter(|shown| !shown.asked).map(|shown| {
        let entry = render::entry(shown);
        let brief = Brief::of(&entry);
        let signer = text(&entry, "body.signer").unwrap_or_default().to_owned();
        vec![
            Cell::new(shown.leaf.index.to_string()),
            Cell::marked(time(shown), "quiet"),
            Cell::new(signer),
            Cell::new(brief.deed),
            Cell::new(brief.actor),
            Cell::new(brief.object.unwrap_or_default()),
        ]
    });
    page.table(&["Entry", "Received", "Signed by", "What", "About", ""], rows);
}

fn integrity(page: &mut Html, view: &View<'_>) {
    page.heading("How to check it");
    page.lines("sworn verify FILE --trust TRUST --explain");
    page.paragraph(
        "Every leaf is proved to be in the tree of this checkpoint, every body to be the one in its leaf, \
         every signature to be of a key that was valid at its place. The check needs no network and no ledger.",
    );
    page.lines(&view.bundle.head);
}

fn limits(page: &mut Html) {
    page.heading("What this does not show");
    page.list(
        [
            "That what an agent says happened did happen: a signature shows who says so. Entries of gates and \
             boundary witnesses corroborate.",
            "Events that were never sent, except where their signer counted past them.",
            "That there is no other log under the same key: witnesses who cosign the checkpoint, and checkpoints \
             that were kept before, show that.",
        ]
        .map(str::to_owned),
    );
    page.paragraph(&format!(
        "This report supports, and does not certify, record keeping under {SUPPORTS}"
    ));
}

impl Shown<'_> {
    /// Whether its body was erased.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        matches!(self.content, Content::Redacted(_))
    }
}
