//! The worked example, played by processes of their own, and what may be tried on its ledger.

mod agent;
mod billing;
mod cast;
mod contract;
mod event;
mod load;
mod registration;
mod release;
mod review;
mod tamper;
mod troupe;

use schemas::id::Index;
use schemas::key::PublicKey;
use schemas::reject::Reason;

pub(crate) use billing::WORKFLOW as BILLING_WORKFLOW;
pub(crate) use cast::{AGENTS, CAST, LOAD, MIGRATION, OPERATOR, PRINCIPALS, REVIEW};
pub(crate) use load::{DENIAL, Load};
pub(crate) use release::WORKFLOW as RELEASE_WORKFLOW;
pub(crate) use review::WORKFLOW as REVIEW_WORKFLOW;
pub(crate) use troupe::{Troupe, Wiring};

use crate::cli::out::Out;
use crate::clock::StepError;

/// When the example begins: the start of the clock that it needs.
pub(crate) const BEGINS: &str = "2026-04-07T22:00:00Z";

/// Demonstrations on a development ledger.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum Command {
    /// Flip one byte in a COPY of the ledger and watch verify name it
    Tamper(tamper::Args),
    /// A signer's process of the example
    #[command(hide = true)]
    Agent(agent::Args),
}

/// Why a demonstration failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The tampering.
    #[error(transparent)]
    Tamper(#[from] tamper::TamperError),
    /// A signer's process.
    #[error(transparent)]
    Agent(#[from] agent::AgentError),
}

/// Runs it.
///
/// # Errors
/// [`CommandError`].
pub(crate) fn run(command: &Command, out: Out) -> Result<(), CommandError> {
    match command {
        Command::Tamper(args) => tamper::run(args, out)?,
        Command::Agent(args) => agent::run(args)?,
    }
    Ok(())
}

/// Why the example did not go as it is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// A process could not be started.
    #[error("the process of {signer} could not be started: {source}")]
    Spawn {
        /// Whose.
        signer: String,
        /// Why.
        source: std::io::Error,
    },
    /// A process cannot be spoken to any more.
    #[error("the process of {signer} is gone: {source}")]
    Gone {
        /// Whose.
        signer: String,
        /// Why.
        source: std::io::Error,
    },
    /// A process said something else than it should, or nothing in time.
    #[error("the process of {signer} gave no answer")]
    Silent {
        /// Whose.
        signer: String,
    },
    /// A process could not do what it was asked to.
    #[error("the process of {signer}: {what}")]
    Failed {
        /// Whose.
        signer: String,
        /// What it says.
        what: String,
    },
    /// An event was refused that should have been committed.
    #[error("{signer}'s event was refused: {index} {reason}")]
    Refused {
        /// Whose.
        signer: String,
        /// The leaf of the refusal.
        index: Index,
        /// Why.
        reason: Reason,
    },
    /// An event was not refused as it should have been.
    #[error("{signer}'s event {index} should have been refused: {expected}, and was: {}", found.map_or("committed", Reason::as_str))]
    NotRefused {
        /// Whose.
        signer: String,
        /// Its leaf.
        index: Index,
        /// Why it should have been.
        expected: Reason,
        /// Why it was, if it was.
        found: Option<Reason>,
    },
    /// A time of the script is none.
    #[error("{0:?} is no time")]
    Time(String),
    /// The clock cannot be where the script is.
    #[error("the clock: {0}")]
    Clock(#[from] StepError),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ledger::ReadError),
    /// An agent of the script is not in the cast.
    #[error("nobody plays {0}")]
    Cast(&'static str),
}

impl DemoError {
    fn silent(signer: &str) -> Self {
        Self::Silent { signer: signer.to_owned() }
    }
}

/// Registers everybody, then plays billing, release, kill drill and review in the order of their times.
pub(crate) async fn replay<E>(
    troupe: &mut Troupe,
    key: impl Fn(&str) -> Result<PublicKey, E>,
) -> Result<(), E>
where
    E: From<DemoError>,
{
    let registrations = registration::by_operator(key)?;
    troupe.publish(OPERATOR, registrations).await?;
    Ok(play(troupe).await?)
}

async fn play(troupe: &mut Troupe) -> Result<(), DemoError> {
    for owner in PRINCIPALS.iter().filter(|principal| principal.roles.contains(&"owner")) {
        let contracts = registration::by_owner(owner.id);
        if !contracts.is_empty() {
            troupe.publish(owner.id, contracts).await?;
            troupe.leave(owner.id).await;
        }
    }
    billing::play(troupe, player(cast::BILLING)?).await?;
    let cast = release::Cast {
        orchestrator: player(cast::ORCHESTRATOR)?,
        worker: player(cast::MIGRATION)?,
    };
    let released = release::play(troupe, &cast).await?;
    released.kill(troupe, &cast).await?;
    review::play(troupe, player(cast::REVIEW)?).await
}

fn player(id: &'static str) -> Result<&'static cast::Agent, DemoError> {
    cast::agent(id).ok_or(DemoError::Cast(id))
}
