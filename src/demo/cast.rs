//! Who plays: agents with their contracts and credentials, people, gates and witnesses.

use serde_json::{Value as Json, json};

use super::contract::Contract;

/// Operator of every development ledger; genesis names it.
pub(crate) const OPERATOR: &str = "operator";

/// The agents of the worked example.
pub(crate) const BILLING: &str = "billing-ops-agent";
pub(crate) const ORCHESTRATOR: &str = "orchestrator-v2";
pub(crate) const MIGRATION: &str = "db-migration-agent";
pub(crate) const REVIEW: &str = "pr-review-agent";

/// The agents of the worked example.
pub(crate) const CAST: [&str; 4] = [BILLING, ORCHESTRATOR, MIGRATION, REVIEW];

/// Those that publish besides agents.
pub(crate) const MAIL: &str = "mail-boundary";
pub(crate) const WEBHOOK: &str = "webhook-boundary";
pub(crate) const VOICE_GATE: &str = "voice-gate";
pub(crate) const REPLY_GATE: &str = "reply-gate";
pub(crate) const TELEPHONY: &str = "telephony";
pub(crate) const DATABASE: &str = "database-proxy";
pub(crate) const ONCALL: &str = "oncall@example.com";
pub(crate) const REQUESTER: &str = "requester@company.com";

/// The agents of the live load.
pub(crate) const LOAD: [&str; 4] =
    ["outreach-agent", "support-agent", "invoice-agent", "catalog-agent"];

/// A person or service, with its roles.
pub(crate) struct Principal {
    pub(crate) id: &'static str,
    pub(crate) roles: &'static [&'static str],
}

const fn principal(id: &'static str, roles: &'static [&'static str]) -> Principal {
    Principal { id, roles }
}

/// Everyone but the agents and the operator.
pub(crate) const PRINCIPALS: &[Principal] = &[
    principal(MAIL, &["boundary"]),
    principal(WEBHOOK, &["boundary"]),
    principal(VOICE_GATE, &["gate"]),
    principal(REPLY_GATE, &["gate"]),
    principal(TELEPHONY, &["witness"]),
    principal(DATABASE, &["witness"]),
    principal(ONCALL, &["human"]),
    principal(REQUESTER, &["human"]),
    principal("billing-lead@example.com", &["human", "owner"]),
    principal("release-lead@example.com", &["human", "owner"]),
    principal("data-platform@example.com", &["human", "owner"]),
    principal("platform-team@company.com", &["owner"]),
    principal("operations@example.com", &["owner"]),
];

/// An agent, with what it acts with and within.
pub(crate) struct Agent {
    pub(crate) id: &'static str,
    pub(crate) credential: &'static str,
    pub(crate) credential_type: &'static str,
    pub(crate) scopes: &'static [&'static str],
    pub(crate) model: Model,
    pub(crate) version: &'static str,
    contract: fn() -> Json,
}

/// A model, as `session.start` names it.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    name: &'static str,
    version: &'static str,
}

impl Model {
    pub(crate) fn to_json(self) -> Json {
        json!({ "provider": "example-ai", "name": self.name, "version": self.version })
    }
}

const LARGE: Model = Model { name: "example-large", version: "2026-02-10" };
const SMALL: Model = Model { name: "example-small", version: "2026-03-01" };

impl Agent {
    pub(crate) fn contract(&self) -> Contract {
        Contract::new((self.contract)())
    }
}

/// The agent with this id.
pub(crate) fn agent(id: &str) -> Option<&'static Agent> {
    AGENTS.iter().find(|agent| agent.id == id)
}

/// Every agent.
pub(crate) const AGENTS: &[Agent] = &[
    Agent {
        id: BILLING,
        credential: "cred-billing-01",
        credential_type: "oauth-client",
        scopes: &["email.send", "voice.call"],
        model: LARGE,
        version: "2.3",
        contract: billing,
    },
    Agent {
        id: ORCHESTRATOR,
        credential: "cred-release-03",
        credential_type: "oauth-client",
        scopes: &["deploy", "db:migrate"],
        model: LARGE,
        version: "2.3",
        contract: orchestrator,
    },
    Agent {
        id: MIGRATION,
        credential: "cred-db-07",
        credential_type: "database-role",
        scopes: &["db:migrate"],
        model: SMALL,
        version: "2.3",
        contract: migration,
    },
    Agent {
        id: REVIEW,
        credential: "cred-github-05",
        credential_type: "app-installation",
        scopes: &["repo:read", "pull_request:comment"],
        model: LARGE,
        version: "2.3",
        contract: review,
    },
    Agent {
        id: LOAD[0],
        credential: "cred-outreach-11",
        credential_type: "oauth-client",
        scopes: &["voice.call"],
        model: SMALL,
        version: "2.3",
        contract: outreach,
    },
    Agent {
        id: LOAD[1],
        credential: "cred-support-12",
        credential_type: "oauth-client",
        scopes: &["ticket.reply"],
        model: SMALL,
        version: "2.3",
        contract: support,
    },
    Agent {
        id: LOAD[2],
        credential: "cred-invoice-13",
        credential_type: "oauth-client",
        scopes: &["invoice.read"],
        model: SMALL,
        version: "2.3",
        contract: invoice,
    },
    Agent {
        id: LOAD[3],
        credential: "cred-catalog-14",
        credential_type: "oauth-client",
        scopes: &["catalog.search"],
        model: SMALL,
        version: "2.3",
        contract: catalog,
    },
];

fn head(id: &str, owner: &str, purpose: &str, permissions: &Json, expiry: &str) -> Json {
    json!({
        "name": id,
        "owner": owner,
        "purpose": purpose,
        "permissions": permissions,
        "execution_mode": "autonomous",
        "expiry": expiry,
        "kill_switch": format!("/agents/{id}/disable"),
    })
}

fn billing() -> Json {
    let permissions = json!({ "mail": ["email.send"], "voice": ["voice.call"] });
    let purpose = "Settle overdue invoices by mail and telephone";
    json!({
        "agent": head(BILLING, "billing-lead@example.com", purpose, &permissions, "2026-12-31"),
        "domains": ["example.com"],
        "hours": [{ "action": "voice.call", "from": "09:00", "to": "18:00", "zone": "destination" }],
        "limits": { "caps": [{ "action": "voice.call", "per": "day", "max": 50 }] },
        "gates": { "voice.call": ["local_hours", "reassigned_number", "tcpa_consent"] },
        "witnessed": ["voice"],
    })
}

fn orchestrator() -> Json {
    let permissions = json!({ "deploy": ["deploy"], "postgres": ["db:migrate"] });
    let purpose = "Deploy releases to staging";
    json!({
        "agent": head(ORCHESTRATOR, "release-lead@example.com", purpose, &permissions, "2026-12-31"),
        "environments": ["staging"],
    })
}

fn migration() -> Json {
    let permissions = json!({ "postgres": ["db:migrate"] });
    let purpose = "Run reviewed schema migrations in staging";
    json!({
        "agent": head(MIGRATION, "data-platform@example.com", purpose, &permissions, "2026-12-31"),
        "environments": ["staging"],
        "targets": ["postgres:staging/*"],
        "actions": {
            "ALTER TABLE": { "class": "write", "system": "postgres", "scope": "db:migrate" },
            "DROP TABLE": { "class": "destructive", "system": "postgres", "scope": "db:drop" },
        },
    })
}

fn review() -> Json {
    let permissions = json!({
        "github": ["repo:read", "pull_request:comment"],
        "jira": ["issue:read", "issue:transition"],
    });
    let purpose = "Review pull requests for security and code quality";
    json!({
        "agent": head(REVIEW, "platform-team@company.com", purpose, &permissions, "2026-07-01"),
    })
}

fn outreach() -> Json {
    let permissions = json!({ "voice": ["voice.call"] });
    let purpose = "Call customers who asked to be called";
    json!({
        "agent": head(LOAD[0], "operations@example.com", purpose, &permissions, "2026-12-31"),
        "gates": { "voice.call": ["local_hours", "tcpa_consent"] },
    })
}

fn support() -> Json {
    let permissions = json!({ "helpdesk": ["ticket.reply"] });
    let purpose = "Answer support tickets";
    json!({
        "agent": head(LOAD[1], "operations@example.com", purpose, &permissions, "2026-12-31"),
        "gates": { "ticket.reply": ["content_policy"] },
    })
}

fn invoice() -> Json {
    let permissions = json!({ "erp": ["invoice.read"] });
    let purpose = "Compare invoices with orders";
    json!({
        "agent": head(LOAD[2], "operations@example.com", purpose, &permissions, "2026-12-31"),
        "gates": { "invoice.read": ["content_policy"] },
    })
}

fn catalog() -> Json {
    let permissions = json!({ "catalog": ["catalog.search"] });
    let purpose = "Answer questions about the catalogue";
    json!({
        "agent": head(LOAD[3], "operations@example.com", purpose, &permissions, "2026-12-31"),
        "gates": { "catalog.search": ["content_policy"] },
    })
}

/// A gate's rule in words, known to verdicts by its digest.
pub(crate) struct Policy {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// Every policy that a verdict cites.
pub(crate) const POLICIES: &[Policy] = &[
    Policy {
        name: "local_hours",
        text: "Calls only from 09:00 to 18:00 in the time zone of the number called.\n",
    },
    Policy {
        name: "reassigned_number",
        text: "No call to a number that was reassigned after consent was given.\n",
    },
    Policy {
        name: "tcpa_consent",
        text: "A call needs a consent_source: prior express consent, or a business relationship \
               younger than 18 months. Without one it is denied: consent_source_missing.\n",
    },
    Policy {
        name: "content_policy",
        text: "No personal data beyond what the recipient sent or owns.\n",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contract_has_an_owner_who_may_sign_it() {
        for agent in AGENTS {
            let contract = agent.contract();
            let owner = PRINCIPALS.iter().find(|principal| principal.id == contract.owner());
            assert!(owner.is_some_and(|owner| owner.roles.contains(&"owner")), "{}", agent.id);
        }
    }

    #[test]
    fn every_gate_of_a_contract_has_a_policy() {
        for agent in AGENTS {
            let gates = agent.contract().to_json();
            let gates = gates.get("gates").and_then(Json::as_object).cloned().unwrap_or_default();
            for gate in gates.values().filter_map(Json::as_array).flatten() {
                assert!(POLICIES.iter().any(|policy| Some(policy.name) == gate.as_str()), "{gate}");
            }
        }
    }
}
