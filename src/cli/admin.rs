//! `admin`: work on a ledger that no server has open.

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::init::is_filled;
use crate::cli::progress::Meter;
use crate::config::{Config, Flags};
use crate::exit::Exit;

/// Commands for whoever runs the ledger.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Drop everything derived from the log and make it anew, to identical bytes; the server is stopped
    Rebuild {
        #[command(flatten)]
        flags: Flags,
    },
}

/// Runs it.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Open`].
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    let Command::Rebuild { flags } = command;
    let config = Config::load(flags).map_err(|error| Failure::Config(error.into()))?;
    let place = config.ledger();
    if !is_filled(&place.store) {
        return Err(ledger::OpenError::Absent(place.store).into());
    }
    let meter = Meter::new("entries");
    let size = ledger::rebuild(&place, |done, total| meter.show(done, total));
    meter.finish();
    context.out().line(&format!("rebuilt from {} entries; check with: sworn verify", size?))?;
    Ok(Exit::Ok)
}
