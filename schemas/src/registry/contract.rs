//! Contracts in force.

use crate::contract::Contract;
use crate::deterministic::{Bounds, decode};
use crate::id::{Index, Micros};

/// An agent's newest contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContractRecord {
    /// What it says.
    pub contract: Contract,
    /// `registry` of its entry, encoded.
    pub fields: Vec<u8>,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry in which its owner looked at it again.
    pub reviewed: Option<Index>,
    /// Entry that withdrew it.
    pub withdrawn: Option<Index>,
}

impl ContractRecord {
    /// A contract from its encoded fields; `None` if they are none.
    #[must_use]
    pub fn new(
        fields: &[u8],
        registered: Index,
        reviewed: Option<Index>,
        withdrawn: Option<Index>,
    ) -> Option<Self> {
        let item = decode(fields, Bounds::WIRE).ok()?;
        let contract = Contract::kept(&item).ok()?;
        Some(Self { contract, fields: fields.to_vec(), registered, reviewed, withdrawn })
    }

    /// Whether it binds the agent as of now.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.withdrawn.is_none()
    }

    /// Whether it binds the agent, was to be reviewed by this time, and was not.
    #[must_use]
    pub fn is_unreviewed(&self, at: Micros) -> bool {
        let is_over = self.contract.review_by.is_some_and(|review_by| review_by <= at);
        is_over && self.is_in_force() && self.reviewed.is_none()
    }
}
