//! A release at night: a person delegates to an orchestrator, that delegates to a worker, and the worker
//! drops a table it was never given. Then the worker is stopped.

use schemas::id::{EventId, SessionId, hex};
use schemas::reject::Reason;
use serde_json::{Value as Json, json};

use super::DemoError;
use super::cast::{Agent, DATABASE, MIGRATION, ONCALL, OPERATOR, ORCHESTRATOR};
use super::event::{self, Action, with};
use super::troupe::{Signature, Troupe, micros};
use crate::sign::{fresh_id, random};

/// The workflow's correlation.
pub(crate) const WORKFLOW: &str = "release-2026-04-08";
/// What the proxy sees after the kill is nobody's workflow.
const SEEN: &str = "database-proxy-2026-04-08T03:53Z";
const RELEASE_TASK: &str = "deploy staging release";
const WORKER_TASK: &str = "run pending migrations";

/// Who acted for whom, kept from the release for the kill.
pub(crate) struct Cast<'a> {
    pub(crate) orchestrator: &'a Agent,
    pub(crate) worker: &'a Agent,
}

/// What the kill drill continues from.
pub(crate) struct Released {
    principals: Json,
    grants: Json,
    worker_started: EventId,
    last: EventId,
}

fn alter() -> Action {
    Action {
        name: "ALTER TABLE",
        class: "write",
        system: "postgres",
        target: "postgres:staging/sessions".to_owned(),
        scope: &["db:migrate"],
        environment: "staging",
    }
}

fn drop_table() -> Action {
    Action {
        name: "DROP TABLE",
        class: "destructive",
        system: "postgres",
        target: "postgres:prod/sessions".to_owned(),
        scope: &["db:drop"],
        environment: "production",
    }
}

fn select() -> Action {
    Action {
        name: "SELECT",
        class: "read",
        system: "postgres",
        target: "postgres:prod/accounts".to_owned(),
        scope: &[],
        environment: "production",
    }
}

fn grant_id(time: &str) -> Result<EventId, DemoError> {
    micros(time).map(fresh_id)
}

/// The release, up to the dropped table.
pub(crate) async fn play(troupe: &mut Troupe, cast: &Cast<'_>) -> Result<Released, DemoError> {
    let first = grant_id("2026-04-08T03:40:00Z")?;
    let human = json!({
        "type": "human", "id": ONCALL, "authorized_at": "2026-04-08T03:40:00Z",
        "task": RELEASE_TASK, "evidence": hex(&random::<32>()),
    });
    troupe.at("2026-04-08T03:40:00Z")?;
    let granted = troupe.act(ONCALL, first_grant(first, &human)).await?;

    let orchestrator = json!({
        "type": "agent", "id": ORCHESTRATOR, "grant_id": first.to_string(), "task": RELEASE_TASK,
    });
    troupe.at("2026-04-08T03:41:00Z")?;
    let session = troupe.enter(ORCHESTRATOR).await?;
    let start = event::start(cast.orchestrator, WORKFLOW, RELEASE_TASK, &[granted]);
    let start = with(start, json!({ "principals": [human, orchestrator] }));
    let started = troupe.act(ORCHESTRATOR, start).await?;

    let second = grant_id("2026-04-08T03:42:30Z")?;
    troupe.at("2026-04-08T03:42:30Z")?;
    let chain = json!([human, orchestrator]);
    let granted = troupe.act(ORCHESTRATOR, second_grant([first, second], &chain, started)).await?;

    let worker = json!({
        "type": "agent", "id": MIGRATION, "grant_id": second.to_string(), "task": WORKER_TASK,
    });
    let principals = json!([human, orchestrator, worker]);
    let grants = json!({ "root_grant": first.to_string(), "parent_grant": first.to_string() });
    let worker_started = start_worker(troupe, cast.worker, session, granted, &principals).await?;
    let mut released = Released { principals, grants, worker_started, last: worker_started };
    let staging =
        [Step::new("03:45:05", "planned by the migration plan"), Step::new("03:45:09", "")];
    released.migrate(troupe, cast.worker, &alter(), &staging).await?;
    let production = [Step::new("03:47:10", "sessions must be rebuilt"), Step::new("03:47:12", "")];
    released.migrate(troupe, cast.worker, &drop_table(), &production).await?;
    Ok(released)
}

fn first_grant(id: EventId, human: &Json) -> Json {
    json!({
        "kind": "delegation.granted",
        "correlation": WORKFLOW,
        "principals": [human],
        "grant": {
            "id": id.to_string(), "to": ORCHESTRATOR, "task": RELEASE_TASK,
            "scope": ["deploy", "db:migrate"], "systems": ["deploy", "postgres"],
            "environment": "staging", "expires": "2026-04-08T08:00:00Z",
        },
        "environment": "staging",
    })
}

fn second_grant([first, second]: [EventId; 2], chain: &Json, started: EventId) -> Json {
    json!({
        "kind": "delegation.granted",
        "agent": { "id": ORCHESTRATOR },
        "correlation": WORKFLOW,
        "causes": [started.to_string()],
        "principals": chain,
        "root_grant": first.to_string(),
        "grant": {
            "id": second.to_string(), "to": MIGRATION, "task": WORKER_TASK,
            "scope": ["db:migrate"], "systems": ["postgres"], "targets": ["postgres:staging/*"],
            "environment": "staging", "expires": "2026-04-08T06:00:00Z",
            "parent": first.to_string(),
        },
        "environment": "staging",
    })
}

async fn start_worker(
    troupe: &mut Troupe,
    worker: &Agent,
    parent: SessionId,
    granted: EventId,
    principals: &Json,
) -> Result<EventId, DemoError> {
    troupe.at("2026-04-08T03:43:40Z")?;
    let start = event::start(worker, WORKFLOW, WORKER_TASK, &[granted]);
    let more = json!({ "parent_session": parent.to_string(), "principals": principals });
    troupe.act(MIGRATION, with(start, more)).await
}

/// When one half of an action happens, and what the agent was told.
struct Step {
    time: String,
    said: &'static str,
}

impl Step {
    fn new(time: &str, said: &'static str) -> Self {
        Self { time: format!("2026-04-08T{time}Z"), said }
    }
}

impl Released {
    /// Intent and confirmed outcome of one statement.
    async fn migrate(
        &mut self,
        troupe: &mut Troupe,
        worker: &Agent,
        action: &Action,
        [intended, done]: &[Step; 2],
    ) -> Result<(), DemoError> {
        let intent = self.intent(worker, action, intended.said);
        troupe.at(&intended.time)?;
        let intent = troupe.act(MIGRATION, intent).await?;
        let confirmed = json!({ "status": "confirmed" });
        let outcome =
            event::outcome(worker, action, WORKFLOW, &self.principals, &[intent], &confirmed);
        troupe.at(&done.time)?;
        self.last = troupe.act(MIGRATION, with(outcome, self.grants.clone())).await?;
        Ok(())
    }

    fn intent(&self, worker: &Agent, action: &Action, said: &str) -> Json {
        let statement = format!("{} {}", action.name, action.target);
        let causes = [self.worker_started];
        let given = [said, statement.as_str()];
        let intent = event::intent(worker, action, WORKFLOW, &self.principals, &causes, given);
        with(intent, self.grants.clone())
    }

    /// The kill: the worker is disabled, tries again, is seen anyway; nobody else is stopped.
    pub(crate) async fn kill(&self, troupe: &mut Troupe, cast: &Cast<'_>) -> Result<(), DemoError> {
        troupe.at("2026-04-08T03:52:00Z")?;
        let disabled = json!({
            "kind": "agent.disabled", "agent": { "id": MIGRATION }, "note": "case-42",
        });
        troupe.act(OPERATOR, disabled).await?;

        troupe.at("2026-04-08T03:52:20Z")?;
        let again = self.intent(cast.worker, &drop_table(), "sessions must be rebuilt");
        let refused = Reason::DisabledAgent;
        troupe.fail(MIGRATION, again, Signature::Genuine, refused).await?;
        troupe.leave(MIGRATION).await;

        troupe.at("2026-04-08T03:53:00Z")?;
        let seen = event::witness(cast.worker, &select(), SEEN, "pg-audit-88121");
        troupe.act(DATABASE, seen).await?;

        troupe.at("2026-04-08T03:53:30Z")?;
        let end = event::end(cast.orchestrator, WORKFLOW, &[self.last]);
        troupe.act(ORCHESTRATOR, end).await?;
        troupe.leave(ORCHESTRATOR).await;
        Ok(())
    }
}
