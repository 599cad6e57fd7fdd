//! The audit ledger for AI agents: one program for server, agents, operators and auditors.

mod access;
mod cli;
mod client;
mod clock;
mod config;
mod contexts;
mod demo;
mod dev;
mod disk;
mod exit;
mod files;
mod http;
mod keyfile;
mod numbers;
#[cfg(test)]
mod patience;
mod pin;
mod private;
mod receipts;
mod routes;
mod runtimes;
#[cfg(test)]
mod scripted;
mod serve;
mod sign;
mod spool;
mod stamp;
mod table;
mod telemetry;
mod witness;
mod yaml;

use std::io::Write as _;
use std::process::ExitCode;

use cli::failure::Failure;
use mimalloc::MiMalloc;

/// A commit makes many small rows, on one thread of bytes that others checked.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Cli::read()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !matches!(failure, Failure::ClosedPipe) {
                // Where nobody listens, the exit code still says it.
                let _unread = std::io::stderr().write_all(failure.render().as_bytes());
            }
            failure.exit().into()
        }
    }
}
