//! A review: a webhook, a comment for the person who asked, and a push that the contract does not allow.

use serde_json::json;

use super::DemoError;
use super::cast::{Agent, REQUESTER, REVIEW, WEBHOOK};
use super::event::{self, Action, with};
use super::troupe::Troupe;

/// The workflow's correlation.
pub(crate) const WORKFLOW: &str = "pr-4521";
const TASK: &str = "review pull request 4521";

fn comment() -> Action {
    Action {
        name: "pull_request.comment",
        class: "communication",
        system: "github",
        target: "github:company/payments/pull/4521".to_owned(),
        scope: &["repo:read", "pull_request:comment"],
        environment: "production",
    }
}

fn push() -> Action {
    Action {
        name: "repo.push",
        class: "write",
        system: "github",
        target: "github:company/payments".to_owned(),
        scope: &["repo:push"],
        environment: "production",
    }
}

pub(crate) async fn play(troupe: &mut Troupe, agent: &Agent) -> Result<(), DemoError> {
    troupe.at("2026-04-08T16:00:00Z")?;
    let seen = "{\"action\":\"opened\",\"number\":4521,\"sender\":\"requester@company.com\"}";
    let trigger = event::trigger(WORKFLOW, "webhook", "pr-opened/4521", seen);
    let opened = troupe.act(WEBHOOK, trigger).await?;
    troupe.at("2026-04-08T16:00:03Z")?;
    let started = troupe.act(REVIEW, event::start(agent, WORKFLOW, TASK, &[opened])).await?;

    let principals = event::alone(agent, "2026-04-08T16:00:03Z", TASK);
    let for_requester = json!({
        "on_behalf_of": REQUESTER,
        "trigger": { "type": "webhook", "ref": "pr-opened/4521" },
    });
    let action = comment();
    let said = ["Review the change and comment.", "{\"body\":\"One query is not parameterised.\"}"];
    let intent = event::intent(agent, &action, WORKFLOW, &principals, &[started], said);
    let intent = with(with(intent, for_requester.clone()), json!({ "mode": "on_behalf_of" }));
    troupe.at("2026-04-08T16:00:20Z")?;
    let intent = troupe.act(REVIEW, intent).await?;
    let confirmed = json!({ "status": "confirmed", "code": "201" });
    let outcome = event::outcome(agent, &action, WORKFLOW, &principals, &[intent], &confirmed);
    troupe.at("2026-04-08T16:00:22Z")?;
    let commented = troupe.act(REVIEW, with(outcome, for_requester)).await?;

    let action = push();
    let said = ["Fix the query yourself.", "{\"branch\":\"fix-query\"}"];
    let intent = event::intent(agent, &action, WORKFLOW, &principals, &[commented], said);
    troupe.at("2026-04-08T16:00:40Z")?;
    let intent = troupe.act(REVIEW, intent).await?;
    let failed = json!({ "status": "failed", "code": "403" });
    let outcome = event::outcome(agent, &action, WORKFLOW, &principals, &[intent], &failed);
    troupe.at("2026-04-08T16:00:41Z")?;
    let failed = troupe.act(REVIEW, outcome).await?;
    troupe.at("2026-04-08T16:00:45Z")?;
    troupe.act(REVIEW, event::end(agent, WORKFLOW, &[failed])).await?;
    troupe.leave(REVIEW).await;
    Ok(())
}
