//! Event kinds: who may sign them, where they travel, what they require.

use std::fmt;

/// What a registered principal may do. An agent has exactly the role [`Role::Agent`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// A registered agent.
    Agent,
    /// A person.
    Human,
    /// Changes the registry.
    Operator,
    /// Watches, suspends and disables.
    Responder,
    /// Reads, samples, annotates.
    Auditor,
    /// Decides approvals.
    Approver,
    /// Decides whether an action may run.
    Gate,
    /// Observes what comes in from outside.
    Boundary,
    /// Observes what is done: a service or gateway.
    Witness,
    /// Freezes and lifts.
    Authority,
    /// Attests builds and environments.
    Attester,
    /// Runs agents.
    Runtime,
    /// Owns agents and their contracts.
    Owner,
    /// A service that publishes.
    Service,
    /// Signs for people who logged in.
    Api,
    /// The ledger itself.
    Ledger,
}

impl Role {
    /// The roles that a registration may give, by name.
    pub const NAMES: &'static [&'static str] = &[
        "human",
        "operator",
        "responder",
        "auditor",
        "approver",
        "gate",
        "boundary",
        "witness",
        "authority",
        "attester",
        "runtime",
        "owner",
        "service",
        "api",
    ];

    /// The role's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Human => "human",
            Self::Operator => "operator",
            Self::Responder => "responder",
            Self::Auditor => "auditor",
            Self::Approver => "approver",
            Self::Gate => "gate",
            Self::Boundary => "boundary",
            Self::Witness => "witness",
            Self::Authority => "authority",
            Self::Attester => "attester",
            Self::Runtime => "runtime",
            Self::Owner => "owner",
            Self::Service => "service",
            Self::Api => "api",
            Self::Ledger => "ledger",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [Role; 16] = [
            Role::Agent,
            Role::Human,
            Role::Operator,
            Role::Responder,
            Role::Auditor,
            Role::Approver,
            Role::Gate,
            Role::Boundary,
            Role::Witness,
            Role::Authority,
            Role::Attester,
            Role::Runtime,
            Role::Owner,
            Role::Service,
            Role::Api,
            Role::Ledger,
        ];
        ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Which subject a kind is published on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// `…​.in.<token>`: agents and services, in their signer's order.
    In,
    /// `….op.<token>`: registry and control, drained before each batch.
    Op,
    /// None: the ledger writes it itself.
    Own,
}

macro_rules! kinds {
    ($($name:ident $text:literal $stream:ident [$($role:ident)*] [$($required:literal)*] $sentence:literal;)*) => {
        /// What an event says happened.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $(#[doc = $sentence] $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it is published.
            #[must_use]
            pub const fn stream(self) -> Stream {
                match self { $(Self::$name => Stream::$stream,)* }
            }

            /// Roles of which the signer needs one; empty for any registered signer.
            #[must_use]
            pub const fn signers(self) -> &'static [Role] {
                match self { $(Self::$name => &[$(Role::$role,)*],)* }
            }

            /// Fields required beyond those that every body has, as dotted paths.
            #[must_use]
            pub const fn required(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($required,)*],)* }
            }

            /// The kind with this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    TriggerObserved "trigger.observed" In [Boundary] ["correlation" "trigger" "input"] "Root of a workflow, seen at the boundary.";
    SessionStart "session.start" In [] ["attestation" "previous"] "A process declares itself.";
    SessionEnd "session.end" In [] ["outcome"] "A process ends its session.";
    ActionIntent "action.intent" In [Agent] ["agent" "correlation" "action" "mode" "credential" "principals" "scope" "environment" "prompt" "input"] "An agent is about to act.";
    ActionOutcome "action.outcome" In [Agent] ["agent" "correlation" "causes" "action" "credential" "principals" "outcome"] "What an agent says came of an action.";
    GateVerdict "gate.verdict" In [Gate] ["agent" "correlation" "causes" "verdicts"] "A gate allows or denies.";
    ApprovalRequested "approval.requested" In [Agent Gate] ["agent" "correlation" "causes" "approval"] "A human is asked.";
    ApprovalDecided "approval.decided" In [Approver] ["causes" "approval"] "A human decides.";
    DelegationGranted "delegation.granted" In [] ["grant" "grant.to"] "Authority is passed on.";
    DelegationRevoked "delegation.revoked" In [] ["grant"] "Authority is taken back.";
    ScopeRequested "scope.requested" In [Agent] ["agent" "correlation" "scope" "task"] "An agent asks for more.";
    AuthzTransition "authz.transition" Op [Authority Operator] ["transition"] "A freeze, its lifting, a change of mode.";
    WitnessObserved "witness.observed" In [Witness Service Boundary] ["agent" "action" "credential" "outcome.external_ref"] "A service saw an action.";
    AttestationPresented "attestation.presented" In [Attester] ["agent" "attestation"] "Proof of build or environment.";
    EpochOpened "epoch.opened" In [Agent Runtime] ["agent"] "Model or contract changes inside a session.";
    GapDeclared "gap.declared" In [] ["gap"] "A publisher's spool lost events.";
    AgentRegistered "agent.registered" Op [Operator] ["agent" "owner"] "An agent enters the registry.";
    AgentUpdated "agent.updated" Op [Operator] ["agent" "registry"] "An agent's registration changes.";
    AgentSuspended "agent.suspended" Op [Operator Responder] ["agent"] "Reversibly stopped.";
    AgentDisabled "agent.disabled" Op [Operator Responder] ["agent"] "The kill switch.";
    AgentEnabled "agent.enabled" Op [Operator] ["agent"] "Allowed to act again.";
    AgentRetired "agent.retired" Op [Operator] ["agent"] "Finally stopped.";
    PrincipalRegistered "principal.registered" Op [Operator] ["registry" "registry.id" "registry.roles"] "A person or service enters the registry.";
    PrincipalDisabled "principal.disabled" Op [Operator] ["registry" "registry.id"] "A person or service leaves.";
    KeyEnrolled "key.enrolled" Op [Operator] ["registry" "registry.signer" "registry.key"] "A signer's key becomes valid.";
    KeyRotated "key.rotated" Op [Operator Owner] ["registry" "registry.signer" "registry.key" "registry.replaces"] "A signer's key replaces another.";
    KeyRevoked "key.revoked" Op [Operator] ["registry" "registry.signer" "registry.kid"] "A signer's key stops being valid.";
    CredentialRegistered "credential.registered" Op [Operator] ["agent" "credential"] "A credential and whose it is.";
    CredentialRevoked "credential.revoked" Op [Operator] ["credential"] "A credential stops being valid.";
    ContractRegistered "contract.registered" Op [Owner] ["agent" "owner" "registry" "detail"] "An agent's boundary.";
    ContractReviewed "contract.reviewed" Op [Owner] ["agent" "contract"] "An owner has looked at a contract again.";
    ContractWithdrawn "contract.withdrawn" Op [Owner] ["agent" "contract"] "A contract ends.";
    PolicyRegistered "policy.registered" Op [Owner Operator] ["registry" "detail"] "A policy's text under its digest.";
    Proposal "proposal" Op [Operator] ["registry"] "A change that needs several operators.";
    ProposalApproved "proposal.approved" Op [Operator] ["causes"] "An operator agrees.";
    HoldPlaced "hold.placed" Op [Operator Auditor] ["hold"] "Legal hold.";
    HoldLifted "hold.lifted" Op [Operator Auditor] ["causes"] "A legal hold ends.";
    Annotation "annotation" Op [Auditor Responder] ["causes" "note"] "A case note.";
    FindingResolved "finding.resolved" Op [Auditor Responder] ["causes" "note"] "A finding is dealt with.";
    Redaction "redaction" Op [Operator Ledger] ["redact"] "Bodies or details are erased.";
    Finding "finding" Own [Ledger] ["causes" "rule"] "A rule was broken.";
    Delivery "delivery" Own [Ledger] ["causes" "code"] "An alert reached its route, or failed.";
    LedgerFlood "ledger.flood" Own [Ledger] ["reason" "count"] "Rejections beyond the bound, counted.";
    LedgerAccess "ledger.access" Own [Ledger] ["reader" "query"] "Somebody read.";
    LedgerGenesis "ledger.genesis" Own [Ledger] ["code" "registry"] "The first entry.";
    LedgerIncident "ledger.incident" Own [Ledger] ["code"] "Something that an auditor must know.";
    LedgerKeyRotated "ledger.key_rotated" Own [Ledger] ["code" "registry"] "The ledger's key changes.";
}

impl Kind {
    /// Whether the ledger itself writes it: then it has no session and no sequence.
    #[must_use]
    pub fn is_own(self) -> bool {
        self.stream() == Stream::Own
    }

    /// Whether a body of this kind may be erased: what the registry and the ledger itself say may not, nor what
    /// authority rests on.
    #[must_use]
    pub fn is_erasable(self) -> bool {
        self.stream() == Stream::In
            && !matches!(self, Self::DelegationGranted | Self::DelegationRevoked)
    }

    /// Whether an accepted entry of this kind may change the registry.
    #[must_use]
    pub fn changes_registry(self) -> bool {
        !self.is_erasable()
            && !matches!(
                self,
                Self::Annotation
                    | Self::FindingResolved
                    | Self::Redaction
                    | Self::Finding
                    | Self::Delivery
                    | Self::LedgerFlood
                    | Self::LedgerAccess
                    | Self::LedgerIncident
            )
    }

    /// Whether an accepted entry of this kind is announced to everybody who takes part: what changes what a signer may
    /// do, and nothing else. What is only proposed, held or written about a case is for those who may read.
    #[must_use]
    pub fn is_announced(self) -> bool {
        self.stream() == Stream::Op
            && self.changes_registry()
            && !matches!(self, Self::Proposal | Self::HoldPlaced | Self::HoldLifted)
    }

    /// Whether it is an action: an intent, an outcome or a witness.
    #[must_use]
    pub fn is_action(self) -> bool {
        matches!(self, Self::ActionIntent | Self::ActionOutcome | Self::WitnessObserved)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_case_is_announced_to_nobody() {
        for kind in [Kind::AgentDisabled, Kind::KeyRevoked, Kind::AuthzTransition] {
            assert!(kind.is_announced(), "{kind}");
        }
        // The approval, for it puts the change into force.
        assert!(Kind::ProposalApproved.is_announced());
        for kind in [
            Kind::Annotation,
            Kind::FindingResolved,
            Kind::HoldPlaced,
            Kind::HoldLifted,
            Kind::Proposal,
            Kind::Redaction,
            Kind::DelegationGranted,
            Kind::ActionIntent,
            Kind::LedgerAccess,
        ] {
            assert!(!kind.is_announced(), "{kind}");
        }
    }
}
