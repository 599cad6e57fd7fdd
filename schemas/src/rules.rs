//! The rules: what an entry may break, and the findings that follow.
//!
//! One file a rule, named as the rule, with what it means and its examples as tests. A rule that flags an entry at
//! once is a pure function of what the engine shows it: the entry, the registry as of the one before, what is
//! remembered. A rule on a deadline says what it waits for, and is asked again when the time has come. A new rule is
//! a file and a line in the list below.
//!
//! Names and versions are part of the format: a rule that comes to flag something else has another version.

mod engine;
mod entry;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use engine::{DEADLINE, Deadline, Engine, Key, Rows, emptied};
use engine::{Flag, Late, Ruling, Sorts, View, Wait};

use crate::id::{Digest, EventId, Index};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u64,
    /// Its bound, which a contract's `thresholds` may replace under the rule's name; seconds where it is a time.
    pub threshold: Option<u64>,
    /// It holds entries against a contract, which its findings cite.
    pub by_contract: bool,
    /// What it means that an entry is flagged, and what to do about it.
    pub text: &'static str,
    /// The sorts of entries that it is asked about.
    about: Sorts,
    when: When,
}

/// When a rule is asked.
#[derive(Debug)]
enum When {
    /// About each accepted entry.
    Entry(fn(&View<'_>) -> Option<Flag>),
    /// At a deadline that an entry sets.
    Deadline { watch: Watch, judge: fn(&Late<'_>) -> Ruling },
}

/// What a rule waits for after an entry.
type Watch = for<'v> fn(&View<'v>, &mut dyn FnMut(Wait<'v>));

impl Rule {
    /// Whether its findings follow a deadline instead of the entry that they flag.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        matches!(self.when, When::Deadline { .. })
    }

    const fn at_entry(
        name: &'static str,
        check: fn(&View<'_>) -> Option<Flag>,
        text: &'static str,
    ) -> Self {
        Self::new(name, When::Entry(check), text)
    }

    const fn at_deadline(
        name: &'static str,
        watch: Watch,
        judge: fn(&Late<'_>) -> Ruling,
        text: &'static str,
    ) -> Self {
        Self::new(name, When::Deadline { watch, judge }, text)
    }

    const fn new(name: &'static str, when: When, text: &'static str) -> Self {
        let about = Sorts::ALL;
        Self { name, version: 1, threshold: None, by_contract: false, text, about, when }
    }

    const fn threshold(self, bound: u64) -> Self {
        Self { threshold: Some(bound), ..self }
    }

    /// It has nothing to say of entries of other sorts.
    const fn about(self, about: Sorts) -> Self {
        Self { about, ..self }
    }

    const fn by_contract(self) -> Self {
        Self { by_contract: true, ..self }
    }
}

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The entries that it rests on; the first is the one that it flags.
    pub causes: Vec<EventId>,
    /// Where the flagged entry is.
    pub cited: Index,
    /// The flagged entry's agent.
    pub agent: Option<String>,
    /// The flagged entry's workflow.
    pub correlation: Option<String>,
    /// What of the rule, where there are several ways; at most 64 bytes, of a name perhaps less than all.
    pub detail: Option<Cow<'static, str>>,
    /// The contract that the entry was held against.
    pub contract: Option<Digest>,
    /// So many more were held back within an hour, the flagged one the first of them.
    pub count: Option<u64>,
}

/// What an agent usually does, and the bounds in force for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Baseline {
    /// Actions that its habits rest on.
    pub actions: u64,
    /// Three times the 95th percentile of its active hours; zero if it has none yet.
    pub usual: u32,
    /// Each rule that has a bound, and that bound.
    pub thresholds: Vec<(&'static str, u64)>,
}

/// Version of the rules as a whole, which a ledger's genesis names.
pub const RULES_VERSION: u64 = 1;

/// The rule with this name.
#[must_use]
pub fn rule(name: &str) -> Option<&'static Rule> {
    let place = RULES.binary_search_by(|rule| rule.name.cmp(name)).ok()?;
    RULES.get(place).copied()
}

macro_rules! rules {
    ($($name:ident)*) => {
        $(mod $name;)*

        /// Every rule, by name.
        pub static RULES: &[&Rule] = &[$(&$name::RULE,)*];

        /// What each of them is about, side by side: most are not asked about most entries.
        static ABOUT: &[Sorts] = &[$($name::RULE.about,)*];
    };
}

rules! {
    acted_after_disable
    approval_missing
    build_mismatch
    cap_exceeded
    claim_mismatch
    clock_skew
    contract_expired
    credential_overage
    credential_overbroad
    during_freeze
    environment_mismatch
    grant_late
    grant_missing
    grantor_inactive
    id_reused
    intent_unproven
    late_witness
    new_target
    new_tool
    no_outcome
    obo_missing
    odd_hour
    out_of_contract
    out_of_scope
    principal_mismatch
    ran_after_deny
    review_overdue
    revoked_credential_use
    root_unregistered
    scope_widened
    self_approval
    seq_fork
    seq_gap
    session_unended
    shadow_agent
    shared_credential
    unapproved_destructive
    unattested
    unchecked_action
    unclaimed_action
    undeclared_session
    unregistered_credential
    unwitnessed
    volume
}
