//! Agents: who answers for them, what is expected of them, whether they may act.

use crate::body::Body;
use crate::contract::ExecutionMode;
use crate::deterministic::Item;
use crate::id::{Digest, Index};
use crate::mark::Mark;

/// Whether an agent may act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentState {
    /// It may.
    Active,
    /// Stopped, reversibly, by a responder or an operator.
    Suspended,
    /// Stopped by the kill switch.
    Disabled,
    /// Stopped for ever.
    Retired,
}

impl AgentState {
    const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Disabled, Self::Retired];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
            Self::Retired => "retired",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A registered agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentRecord {
    /// Its id.
    pub id: String,
    /// The mark of its id, by which the rules remember it.
    pub mark: Mark,
    /// Who answers for it.
    pub owner: String,
    /// Whether it may act.
    pub state: AgentState,
    /// What its registration says besides.
    pub profile: Profile,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry that gave it to its owner.
    pub owned: Index,
    /// Entry that changed it last.
    pub changed: Index,
}

/// What is known of an agent besides its owner.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Profile {
    /// What it is for.
    pub purpose: Option<String>,
    /// How it may act.
    pub mode: Option<ExecutionMode>,
    /// The build that it runs.
    pub build: Option<Digest>,
    /// The environment that it runs in.
    pub environment: Option<String>,
    /// Mailboxes, telephone numbers.
    pub addresses: Vec<String>,
    /// Its names elsewhere, as `entra:…` or a SPIFFE id.
    pub external: Vec<String>,
}

impl Profile {
    /// Takes over what `registry` of a registration or an update says.
    pub(super) fn update(&mut self, body: &Body<'_>) {
        let text = |path: &str| body.text(path).map(str::to_owned);
        let list = |path: &str| {
            let items = body.field(path)?.array()?;
            Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect())
        };
        let build = body.field("registry.build").and_then(Item::bytes);
        let mode = body.text("registry.execution_mode").and_then(ExecutionMode::parse);
        self.purpose = text("registry.purpose").or(self.purpose.take());
        self.mode = mode.or(self.mode);
        self.build = build.and_then(Digest::from_slice).or(self.build);
        self.environment = text("registry.environment").or(self.environment.take());
        if let Some(addresses) = list("registry.addresses") {
            self.addresses = addresses;
        }
        if let Some(external) = list("registry.external") {
            self.external = external;
        }
    }

    /// Its addresses and its names elsewhere.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().chain(&self.external).map(String::as_str)
    }
}
