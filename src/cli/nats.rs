//! `nats permissions`: what a signer's user on the broker may do.

use schemas::id::SignerId;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::parse;
use crate::exit::Exit;

/// Commands about the broker.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Print the permissions block of a signer's user for nats-server's configuration
    Permissions {
        /// Id of the signer
        #[arg(value_parser = parse::signer)]
        signer: SignerId,
        /// Also registry and control statements: for operators and responders
        #[arg(long)]
        op: bool,
    },
}

/// Runs it.
///
/// # Errors
/// [`Failure`] of the tenant and the output.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    let Command::Permissions { signer, op } = command;
    let block = ingest::permissions(&context.tenant()?, signer, *op);
    context.out().line(block.trim_end())?;
    Ok(Exit::Ok)
}
