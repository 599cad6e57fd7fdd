//! An overdue invoice: mail comes in, the agent writes back and calls, the gate and the telephone
//! company have their say.

use schemas::id::EventId;
use schemas::reject::Reason;
use serde_json::json;

use super::DemoError;
use super::cast::{Agent, BILLING, MAIL, TELEPHONY, VOICE_GATE};
use super::event::{self, Action, Rule, with};
use super::troupe::{Signature, Troupe};

/// The workflow's correlation.
pub(crate) const WORKFLOW: &str = "workflow-abc-123";
/// `mail-` and 16 hex digits of SHA-256 of the message's id: it belongs to no thread that is known.
const THREAD: &str = "mail-a1ee17c948c506a6";
const MESSAGE: &str = "inv4471@vendor.example";
const TASK: &str = "settle invoice 4471";

fn mail() -> Action {
    Action {
        name: "email.send",
        class: "communication",
        system: "mail",
        target: "finance@example.com".to_owned(),
        scope: &["email.send"],
        environment: "production",
    }
}

fn call() -> Action {
    Action {
        name: "voice.call",
        class: "communication",
        system: "voice",
        target: "+14155550142".to_owned(),
        scope: &["voice.call"],
        environment: "production",
    }
}

const RULES: &[Rule] = &[
    Rule {
        gate: "local_hours",
        decision: "allow",
        reason: "within_hours",
        source: "numbering-plan",
        as_of: "2026-04-01T00:00:00Z",
    },
    Rule {
        gate: "reassigned_number",
        decision: "allow",
        reason: "not_reassigned",
        source: "reassigned-numbers-database",
        as_of: "2026-04-06T00:00:00Z",
    },
    Rule {
        gate: "tcpa_consent",
        decision: "allow",
        reason: "consent_on_record",
        source: "business-relationship",
        as_of: "2025-11-18T00:00:00Z",
    },
];

pub(crate) async fn play(troupe: &mut Troupe, agent: &Agent) -> Result<(), DemoError> {
    troupe.at("2026-04-07T22:00:05Z")?;
    let seen = "From: billing@vendor.example\nMessage-ID: inv4471@vendor.example\n\n\
                Invoice 4471 is overdue by 14 days.";
    let arrived = troupe.act(MAIL, event::trigger(THREAD, "mail", MESSAGE, seen)).await?;
    troupe.at("2026-04-07T22:00:06Z")?;
    let started = troupe.act(BILLING, event::start(agent, WORKFLOW, TASK, &[arrived])).await?;
    let mailed = write(troupe, agent, started).await?;
    let called = telephone(troupe, agent, mailed).await?;
    troupe.at("2026-04-07T22:03:00Z")?;
    troupe.act(BILLING, event::end(agent, WORKFLOW, &[called])).await?;
    // One process, one session.
    troupe.leave(BILLING).await;
    forge(troupe, agent).await
}

async fn write(troupe: &mut Troupe, agent: &Agent, started: EventId) -> Result<EventId, DemoError> {
    let action = mail();
    let principals = event::alone(agent, "2026-04-07T22:00:06Z", TASK);
    let said = ["Tell finance that invoice 4471 is overdue.", "{\"subject\":\"Invoice 4471\"}"];
    troupe.at("2026-04-07T22:00:20Z")?;
    let intent = event::intent(agent, &action, WORKFLOW, &principals, &[started], said);
    let intent = troupe.act(BILLING, intent).await?;
    troupe.at("2026-04-07T22:00:22Z")?;
    let confirmed = json!({ "status": "confirmed", "code": "250" });
    let outcome = event::outcome(agent, &action, WORKFLOW, &principals, &[intent], &confirmed);
    troupe.act(BILLING, outcome).await
}

async fn telephone(
    troupe: &mut Troupe,
    agent: &Agent,
    mailed: EventId,
) -> Result<EventId, DemoError> {
    let action = call();
    let principals = event::alone(agent, "2026-04-07T22:00:06Z", TASK);
    let said = ["Call the customer about invoice 4471.", "{\"to\":\"+14155550142\"}"];
    troupe.at("2026-04-07T22:00:40Z")?;
    let intent = event::intent(agent, &action, WORKFLOW, &principals, &[mailed], said);
    let consent = json!({ "assertions": { "consent_source": "business-relationship" } });
    let intent = troupe.act(BILLING, with(intent, consent)).await?;
    troupe.at("2026-04-07T22:00:41Z")?;
    troupe.act(VOICE_GATE, event::verdict(agent, &action, WORKFLOW, intent, RULES)).await?;
    troupe.at("2026-04-07T22:02:30Z")?;
    let confirmed =
        json!({ "status": "confirmed", "code": "answered", "external_ref": "call-4471" });
    let outcome = event::outcome(agent, &action, WORKFLOW, &principals, &[intent], &confirmed);
    let outcome = troupe.act(BILLING, outcome).await?;
    troupe.at("2026-04-07T22:02:31Z")?;
    troupe.act(TELEPHONY, event::witness(agent, &action, WORKFLOW, "call-4471")).await?;
    Ok(outcome)
}

/// Somebody puts a call into the workflow, one bit away from the agent's signature.
async fn forge(troupe: &mut Troupe, agent: &Agent) -> Result<(), DemoError> {
    troupe.at("2026-04-07T22:05:00Z")?;
    let principals = event::alone(agent, "2026-04-07T22:00:06Z", TASK);
    let action = Action { target: "+14155550199".to_owned(), ..call() };
    let said = ["Call another customer.", "{\"to\":\"+14155550199\"}"];
    let forged = event::intent(agent, &action, WORKFLOW, &principals, &[], said);
    troupe.fail(BILLING, forged, Signature::Forged, Reason::BadSignature).await?;
    troupe.leave(BILLING).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_is_named_for_the_message() {
        let digest = event::digest(MESSAGE);
        assert_eq!(THREAD, format!("mail-{}", digest.get(..16).unwrap_or_default()));
    }
}
