//! The live load: four agents at work, a gate before each action, some of it denied.

use std::time::Duration;

use ledger::{Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{EventId, Index};
use schemas::leaf::Status;
use schemas::terms::Key;
use serde_json::{Value as Json, json};

use super::DemoError;
use super::cast::{self, Agent, LOAD, REPLY_GATE, VOICE_GATE};
use super::event::{self, Action, Rule, with};
use super::troupe::Troupe;

/// Between two events, in milliseconds.
const PAUSE_MS: u64 = 280;
/// Why calls without consent are denied.
pub(crate) const DENIAL: &str = "consent_source_missing";
/// One call in so many has no source of consent.
const DENIED_EVERY: u64 = 3;

/// Agents at work, without end.
pub(crate) struct Load<'a> {
    troupe: &'a mut Troupe,
    ledger: &'a Ledger,
    /// Workflows so far.
    count: u64,
}

/// One workflow's action and the gate before it.
struct Work {
    action: Action,
    gate: &'static str,
    rules: Vec<Rule>,
    said: &'static str,
    /// Where consent comes from, if anybody knows.
    consent: Option<&'static str>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(troupe: &'a mut Troupe, ledger: &'a Ledger) -> Self {
        troupe.live();
        Self { troupe, ledger, count: 0 }
    }

    /// Runs until dropped.
    pub(crate) async fn run(mut self) -> Result<std::convert::Infallible, DemoError> {
        let agents: Vec<_> = LOAD.iter().filter_map(|id| cast::agent(id)).collect();
        for agent in &agents {
            self.start(agent).await?;
        }
        loop {
            for agent in &agents {
                self.count += 1;
                self.work(agent).await?;
            }
        }
    }

    async fn start(&mut self, agent: &Agent) -> Result<(), DemoError> {
        let correlation = format!("load-{}", agent.id);
        let contract = agent.contract();
        let start = event::start(agent, &correlation, contract.purpose(), &[]);
        let previous = previous(self.ledger, agent.id)?;
        self.troupe.try_act(agent.id, with(start, json!({ "previous": previous }))).await?;
        Ok(())
    }

    async fn work(&mut self, agent: &Agent) -> Result<(), DemoError> {
        let work = work(agent, self.count);
        // The time keeps a workflow apart from those of an earlier run.
        let begun = self.troupe.clock().now();
        let correlation = format!("load-{}-{}", agent.id, begun.0 / 1000);
        let principals = event::alone(agent, &begun.to_string(), agent.contract().purpose());
        let said = [work.said, work.action.target.as_str()];
        let intent = event::intent(agent, &work.action, &correlation, &principals, &[], said);
        let assertions = work.consent.map(|source| json!({ "consent_source": source }));
        let intent = match assertions {
            Some(assertions) => with(intent, json!({ "assertions": assertions })),
            None => intent,
        };
        // Whoever watches may disable an agent: then it tries in vain, and the others go on.
        let Some(intent) = self.act(agent.id, intent).await? else { return Ok(()) };
        let verdict = event::verdict(agent, &work.action, &correlation, intent, &work.rules);
        let Some(verdict) = self.act(work.gate, verdict).await? else { return Ok(()) };
        if work.rules.iter().all(|rule| rule.decision == "allow") {
            let confirmed = json!({ "status": "confirmed" });
            let causes = [intent, verdict];
            let outcome =
                event::outcome(agent, &work.action, &correlation, &principals, &causes, &confirmed);
            self.act(agent.id, outcome).await?;
        }
        Ok(())
    }

    async fn act(&mut self, signer: &str, event: Json) -> Result<Option<EventId>, DemoError> {
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        self.troupe.try_act(signer, event).await
    }
}

fn work(agent: &Agent, count: u64) -> Work {
    let scope = agent.scopes;
    let action = |class, system, target| Action {
        name: scope.first().copied().unwrap_or_default(),
        class,
        system,
        target,
        scope,
        environment: "production",
    };
    let content = || vec![rule("content_policy", "allow", "clean", "content-scanner")];
    match agent.id {
        "outreach-agent" => call(
            action("communication", "voice", format!("+1415555{:04}", 100 + count % 100)),
            count,
        ),
        "support-agent" => Work {
            action: action("communication", "helpdesk", format!("helpdesk:OPS-{}", 7000 + count)),
            gate: REPLY_GATE,
            rules: content(),
            said: "Answer the ticket.",
            consent: None,
        },
        "invoice-agent" => Work {
            action: action("read", "erp", format!("erp:invoice/{}", 4500 + count)),
            gate: REPLY_GATE,
            rules: content(),
            said: "Compare the invoice with its order.",
            consent: None,
        },
        _ => Work {
            action: action("read", "catalog", "catalog:products".to_owned()),
            gate: REPLY_GATE,
            rules: content(),
            said: "Find the product that the customer means.",
            consent: None,
        },
    }
}

fn call(action: Action, count: u64) -> Work {
    let denied = (count / 4).is_multiple_of(DENIED_EVERY);
    let consent = (!denied).then_some("callback-request");
    let [decision, reason, source] = match consent {
        Some(source) => ["allow", "consent_on_record", source],
        None => ["deny", DENIAL, "consent-register"],
    };
    let rules = vec![
        rule("local_hours", "allow", "within_hours", "numbering-plan"),
        rule("tcpa_consent", decision, reason, source),
    ];
    Work { action, gate: VOICE_GATE, rules, said: "Call the customer back.", consent }
}

fn rule(
    gate: &'static str,
    decision: &'static str,
    reason: &'static str,
    source: &'static str,
) -> Rule {
    Rule { gate, decision, reason, source, as_of: "2026-04-08T00:00:00Z" }
}

/// The signer's session before, as `session.start` names it.
fn previous(ledger: &Ledger, signer: &str) -> Result<Json, ReadError> {
    let mut postings = ledger.postings(Key::Signer, signer);
    let mut before = postings.at_or_before(u64::MAX)?;
    while let Some(Index(index)) = before {
        let entry = ledger.entry(Index(index))?;
        let last = entry.as_ref().filter(|entry| entry.leaf.status == Status::Accepted);
        if let Some(last) = last.and_then(|entry| Some((entry.body()?, entry.leaf.body)))
            && let Some(link) = link(&last.0, &last.1.to_string())
        {
            return Ok(link);
        }
        before = match index.checked_sub(1) {
            Some(index) => postings.at_or_before(index)?,
            None => None,
        };
    }
    Ok("none".into())
}

fn link(body: &Body<'_>, digest: &str) -> Option<Json> {
    let (session, seq) = (body.session()?, body.seq()?);
    Some(json!({ "n": seq.n, "digest": digest, "session": session.to_string() }))
}
