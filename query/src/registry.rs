//! The registry as readers see it: who and what there is, as of the head or of any earlier entry, and who may do what.

pub(crate) mod access;
pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod control;
pub(crate) mod credentials;
pub(crate) mod findings;
pub(crate) mod holds;
pub(crate) mod impact;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod past;
pub(crate) mod texts;
pub(crate) mod view;
