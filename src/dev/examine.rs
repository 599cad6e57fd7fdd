//! The check at the end of `--for`: what was promised is there, and the whole ledger verifies.

use std::path::Path;
use std::time::Duration;

use ledger::{Audit, AuditError, Ledger, Report};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::follow::Follower;
use crate::cli::out::Out;
use crate::client::{Client, ClientError, segment};
use crate::demo;

/// How long the tail may take to reach the head.
const TAIL_S_MAX: u64 = 20;
/// How long the deliveries of findings may take.
const DELIVERY_S_MAX: u64 = 20;
/// Between two looks for them.
const DELIVERY_LOOK: Duration = Duration::from_millis(100);

/// What is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsound {
    /// The API does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ledger cannot be verified.
    #[error("verification could not be carried out: {0}")]
    Audit(#[from] AuditError),
    /// The check itself broke.
    #[error("the check broke off: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The ledger does not verify.
    #[error("the ledger does not verify: {0}")]
    Divergence(ledger::Divergence),
    /// A chain is not what was played.
    #[error("the chain of {workflow} lacks {lacks:?}")]
    Chain {
        /// Its correlation.
        workflow: &'static str,
        /// What should be in it.
        lacks: String,
    },
    /// A query finds another number of entries.
    #[error("{query} finds {found} entries, expected {expected}")]
    Query {
        /// The query.
        query: String,
        /// Found.
        found: usize,
        /// Expected.
        expected: &'static str,
    },
    /// The findings are not those of the worked example.
    #[error("the findings of the worked example are {}", .0.join(", "))]
    Findings(Vec<String>),
    /// A finding did not come to its owner.
    #[error("a finding was not delivered: {0}")]
    Undelivered(String),
    /// The tail left something out, or gave it twice, or late.
    #[error("the tail: {0}")]
    Tail(String),
    /// An answer of the API is not what it is documented to be.
    #[error("the answer for {0} is not what it should be")]
    Answer(&'static str),
}

/// Checks everything and says so line by line.
pub(super) async fn examine(
    client: &Client,
    ledger: &Ledger,
    follower: &mut Follower,
    demo: bool,
    out: Out,
) -> Result<(), Unsound> {
    say(out, "\nSelf-check:");
    if demo {
        let client = client.clone();
        let story = tokio::task::spawn_blocking(move || story(&client, out));
        story.await??;
    }
    if demo {
        delivered(client).await?;
        say(out, "  ok  deliveries: one to the owner's route for each finding");
    }
    let size = ledger.head().size.0;
    let seen = follower.reach(size, Duration::from_secs(TAIL_S_MAX)).await;
    if let Some(fault) = seen.fault {
        return Err(Unsound::Tail(fault));
    }
    if seen.next < size {
        let fault = format!("#{} did not come within {TAIL_S_MAX} s", seen.next);
        return Err(Unsound::Tail(fault));
    }
    let delivered = seen.delivered;
    say(out, &format!("  ok  tail: {delivered} entries, each once and in order"));
    let (client, trust) = (client.clone(), ledger.identity().key);
    let report = tokio::task::spawn_blocking(move || verify(&client, trust)).await??;
    let verified = format!(
        "  ok  verify: {} entries ({} accepted, {} rejected), {} signatures, root {}",
        report.size, report.accepted, report.rejected, report.signatures, report.root,
    );
    say(out, &verified);
    say(out, "Self-check passed.");
    Ok(())
}

/// A closed standard output changes nothing of what is true.
fn say(out: Out, text: &str) {
    let _ = out.line(text);
}

/// Agents of the worked example with what they break, in its order.
const FINDINGS: &[(&str, &str)] = &[
    (demo::MIGRATION, "out_of_contract"),
    (demo::MIGRATION, "out_of_scope"),
    (demo::MIGRATION, "unapproved_destructive"),
    (demo::MIGRATION, "acted_after_disable"),
    (demo::MIGRATION, "out_of_contract"),
    (demo::MIGRATION, "unclaimed_action"),
    (demo::REVIEW, "out_of_contract"),
];

/// The findings about the agents of the worked example must be those, and no other.
fn findings(client: &Client) -> Result<(), Unsound> {
    let page = client.json("/api/v1/findings", &[("limit", "1000")])?;
    let items = page.get("items").and_then(Json::as_array).ok_or(Unsound::Answer("findings"))?;
    let text = |item: &Json, name: &str| {
        item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let told = items.iter().rev().map(|item| (text(item, "agent"), text(item, "rule")));
    let found: Vec<_> = told.filter(|(agent, _)| demo::CAST.contains(&agent.as_str())).collect();
    let expected = FINDINGS.iter().map(|(agent, rule)| ((*agent).to_owned(), (*rule).to_owned()));
    if found.iter().cloned().eq(expected) {
        return Ok(());
    }
    Err(Unsound::Findings(found.iter().map(|(agent, rule)| format!("{agent} {rule}")).collect()))
}

/// Each finding of the worked example must have come to its owner's receiver, which verified the signature.
async fn delivered(client: &Client) -> Result<(), Unsound> {
    let end = Instant::now() + Duration::from_secs(DELIVERY_S_MAX);
    loop {
        let asking = client.clone();
        let open = tokio::task::spawn_blocking(move || undelivered(&asking)).await??;
        match open.first() {
            None => return Ok(()),
            Some(_) if Instant::now() < end => tokio::time::sleep(DELIVERY_LOOK).await,
            Some(first) => return Err(Unsound::Undelivered(first.clone())),
        }
    }
}

/// Findings about the cast that were not delivered, with how that ended.
fn undelivered(client: &Client) -> Result<Vec<String>, Unsound> {
    let page = client.json("/api/v1/findings", &[("limit", "1000")])?;
    let items = page.get("items").and_then(Json::as_array).ok_or(Unsound::Answer("findings"))?;
    let of_cast = |item: &&Json| {
        let agent = item.get("agent").and_then(Json::as_str).unwrap_or_default();
        demo::CAST.contains(&agent)
    };
    let code = |item: &Json| Some(item.get("delivery")?.get("code")?.as_str()?.to_owned());
    let told =
        items.iter().filter(of_cast).filter(|item| code(item).as_deref() != Some("delivered"));
    Ok(told.map(Json::to_string).collect())
}

/// What the worked example must have left.
fn story(client: &Client, out: Out) -> Result<(), Unsound> {
    let billing = chain(client, demo::BILLING_WORKFLOW)?;
    let text = query::render_chain(&billing);
    for line in text.lines() {
        say(out, &format!("      {line}"));
    }
    let whole = ["9 entries (8 counted, 1 joined)", "0 gaps", "complete", "verified"];
    contains(demo::BILLING_WORKFLOW, &text, &whole)?;
    steps(demo::BILLING_WORKFLOW, &billing, 3, 3)?;
    say(out, "  ok  chain workflow-abc-123: 3 steps, 3 verdicts");

    let release = chain(client, demo::RELEASE_WORKFLOW)?;
    let text = query::render_chain(&release);
    let acts = [
        "ALTER TABLE",
        "DROP TABLE",
        "postgres:prod/sessions",
        "3 findings",
        "complete",
        "verified",
    ];
    contains(demo::RELEASE_WORKFLOW, &text, &acts)?;
    say(out, "  ok  chain release-2026-04-08: ALTER TABLE in staging, DROP TABLE in production");

    finds(client, "agent:db-migration-agent reason:disabled_agent since:0", 1..=1, "1")?;
    finds(client, "kind:agent.disabled agent:db-migration-agent since:0", 1.., "1 or more")?;
    say(out, "  ok  kill drill: the disabled agent's next event was rejected");
    findings(client)?;
    say(out, "  ok  findings: those of the worked example, and no other of its agents");
    finds(client, "claimed:billing-ops-agent reason:bad_signature since:0", 1..=1, "1")?;
    say(out, "  ok  forgery: rejected, recorded, and in nobody's workflow");
    finds(
        client,
        "kind:gate.verdict verdict:deny reason:consent_source_missing since:0",
        1..,
        "1 or more",
    )?;
    say(out, "  ok  live load: calls without a source of consent were denied");
    Ok(())
}

fn chain(client: &Client, workflow: &str) -> Result<Json, ClientError> {
    client.json(&format!("/api/v1/workflows/{}", segment(workflow)), &[])
}

fn contains(workflow: &'static str, text: &str, parts: &[&str]) -> Result<(), Unsound> {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(Unsound::Chain { workflow, lacks: (*part).to_owned() }),
    }
}

fn steps(
    workflow: &'static str,
    chain: &Json,
    steps: usize,
    verdicts: usize,
) -> Result<(), Unsound> {
    let found = chain.get("steps").and_then(Json::as_array).ok_or(Unsound::Answer("the chain"))?;
    let judged = found.iter().filter_map(|step| step.get("verdicts")?.as_array());
    if found.len() == steps && judged.map(Vec::len).sum::<usize>() == verdicts {
        return Ok(());
    }
    Err(Unsound::Chain { workflow, lacks: format!("{steps} steps and {verdicts} verdicts") })
}

fn finds(
    client: &Client,
    query: &str,
    expected: impl std::ops::RangeBounds<usize>,
    words: &'static str,
) -> Result<(), Unsound> {
    let answer = client.json("/api/v1/entries", &[("q", query)])?;
    let items = answer.get("items").and_then(Json::as_array);
    let found = items.ok_or(Unsound::Answer("entries"))?.len();
    if expected.contains(&found) {
        return Ok(());
    }
    Err(Unsound::Query { query: query.to_owned(), found, expected: words })
}

/// Verifies a copy of everything, against the mark of when it was made.
fn verify(client: &Client, trust: schemas::key::PublicKey) -> Result<Report, Unsound> {
    let copy = client.post("/api/v1/admin/copy")?;
    let text = |name: &str| copy.get(name).and_then(Json::as_str);
    let (Some(store), Some(note), Some(number)) =
        (text("path"), text("note"), copy.get("copy").and_then(Json::as_u64))
    else {
        return Err(Unsound::Answer("a copy"));
    };
    let audit =
        Audit { store: Path::new(store), trust: Some(trust), mark: Some(note), state: None };
    let report = ledger::audit(&audit, &|_progress| {});
    client.delete(&format!("/api/v1/admin/copy/{number}"))?;
    let report = report?;
    match report.divergences.first() {
        None => Ok(report),
        Some(first) => Err(Unsound::Divergence(first.clone())),
    }
}
