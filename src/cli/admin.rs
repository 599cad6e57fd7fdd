//! `admin`: what operators do to a ledger.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::doctor;
use crate::cli::failure::Failure;
use crate::cli::init::is_filled;
use crate::cli::key::load_or_generate;
use crate::cli::out::{Format, note};
use crate::cli::progress::Meter;
use crate::cli::redact;
use crate::cli::trust::fingerprint;
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::exit::Exit;
use crate::keyfile::KeyFile;

/// Commands for whoever runs the ledger.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Look at what a server needs, one by one: its key, ledger, mark, disk, broker and files. Changes nothing
    /// that is in the log
    Doctor {
        #[command(flatten)]
        flags: Flags,
    },
    /// Drop everything derived from the log and make it anew, to identical bytes; the server is stopped
    Rebuild {
        #[command(flatten)]
        flags: Flags,
    },
    /// Erase details or bodies, by an entry that says so; the server is running
    Redact(redact::Redact),
    /// Legal holds: what may not be erased
    #[command(subcommand)]
    Hold(redact::Hold),
    /// Replace the ledger's own key; the server is stopped
    RotateKey {
        /// File of the new key, which is made if it is not there
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Runs it.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Open`].
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Doctor { flags } => doctor::examine(&load(flags)?, context),
        Command::Redact(args) => redact::redact(args, context),
        Command::Hold(command) => redact::hold(command, context),
        Command::Rebuild { flags } => rebuild(flags, context),
        Command::RotateKey { new_key, flags } => rotate_key(new_key, flags, context),
    }
}

fn load(flags: &Flags) -> Result<Config, Failure> {
    Config::load(flags).map_err(|error| Failure::Config(error.into()))
}

fn rotate_key(new_key: &Path, flags: &Flags, context: &Context) -> Result<Exit, Failure> {
    let config = load(flags)?;
    let old = KeyFile::load(&config.key)?;
    let mut writer = ledger::open(&config.ledger(), old.key)?;
    // On disk before the ledger depends on it.
    let new = load_or_generate(&old.signer, new_key)?;
    let rotated = writer.rotate_key(new.key, Clock::system().now());
    rotated.map_err(|error| Failure::Serve(error.into()))?;
    let key = writer.ledger().identity().note_key();
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&json!({ "trust": key.vkey(), "fingerprint": fingerprint(&key) }))?;
        return Ok(Exit::Ok);
    }
    out.line(&format!("TRUST     {}", key.vkey()))?;
    out.line(&format!("          {}", fingerprint(&key)))?;
    note(&format!("Set the ledger's key to {} before you start the server.", new_key.display()));
    note("Who trusts the old key may go on doing so: both keys signed the entry that links them.");
    Ok(Exit::Ok)
}

fn rebuild(flags: &Flags, context: &Context) -> Result<Exit, Failure> {
    let place = load(flags)?.ledger();
    if !is_filled(&place.store) {
        return Err(ledger::OpenError::Absent(place.store).into());
    }
    let meter = Meter::new("entries");
    let size = ledger::rebuild(&place, |done, total| meter.show(done, total));
    meter.finish();
    context.out().line(&format!("rebuilt from {} entries; check with: sworn verify", size?))?;
    Ok(Exit::Ok)
}
