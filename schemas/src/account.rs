//! Whose actions an entry gives an account of: what joins it to an intent, and what keeps it from another's.

use crate::kind::Kind;

/// Whose intents an entry may be joined to, whichever it cites.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Account<'a> {
    /// No one's.
    Nobody,
    /// This agent's.
    Agent(&'a str),
    /// Whoever's it cites: it names no agent.
    Anybody,
}

impl<'a> Account<'a> {
    /// What an entry of this kind gives, by who signed it and which agent it names. An agent may have several names:
    /// whoever compares accounts gives its id.
    ///
    /// What an agent is about to do, and what came of it, only itself says, what others saw, allowed or asked of it whoever
    /// has the role; but all of them name the agent. An agent that decides on an approval names itself and not the one that acts.
    #[must_use]
    pub fn of(kind: Kind, signer: &'a str, agent: Option<&'a str>) -> Self {
        match (kind, agent) {
            (Kind::ActionOutcome | Kind::WitnessObserved, None) => Self::Nobody,
            (Kind::ActionIntent | Kind::ActionOutcome, Some(agent)) if agent != signer => {
                Self::Nobody
            }
            (Kind::ApprovalDecided, Some(agent)) if agent == signer => Self::Anybody,
            (_, Some(agent)) => Self::Agent(agent),
            (_, None) => Self::Anybody,
        }
    }

    /// The agent, where it is one's.
    #[must_use]
    pub fn agent(self) -> Option<&'a str> {
        match self {
            Self::Agent(agent) => Some(agent),
            Self::Nobody | Self::Anybody => None,
        }
    }

    /// Whether it may be of this agent's actions.
    #[must_use]
    pub fn is_of(self, agent: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Agent(own) => own == agent,
            Self::Anybody => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_agent_says_what_it_does_and_what_came_of_it() {
        for (kind, signer, agent, of_a) in [
            (Kind::ActionIntent, "a", Some("a"), true),
            (Kind::ActionIntent, "b", Some("a"), false),
            (Kind::ActionOutcome, "a", Some("a"), true),
            (Kind::ActionOutcome, "b", Some("a"), false),
            (Kind::ActionOutcome, "b", Some("b"), false),
            (Kind::ActionOutcome, "a", None, false),
            (Kind::WitnessObserved, "gateway", Some("a"), true),
            (Kind::WitnessObserved, "gateway", Some("b"), false),
            (Kind::GateVerdict, "gate", Some("a"), true),
            (Kind::GateVerdict, "gate", Some("b"), false),
            (Kind::ApprovalDecided, "boss", None, true),
            (Kind::ApprovalDecided, "boss", Some("a"), true),
            (Kind::ApprovalDecided, "boss", Some("b"), false),
            (Kind::ApprovalDecided, "b", Some("b"), true),
        ] {
            let account = Account::of(kind, signer, agent);
            assert_eq!(account.is_of("a"), of_a, "{kind:?} by {signer} of {agent:?}");
        }
    }
}
