//! `init`: a new ledger, its key, and the TRUST to hand to auditors.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use ledger::Genesis;
use schemas::body::LEDGER_SIGNER;
use schemas::checkpoint::NoteKey;
use schemas::id::SignerId;
use schemas::key::PublicKey;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::key::load_or_generate;
use crate::cli::out::{Format, note};
use crate::cli::parse;
use crate::cli::trust::fingerprint;
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::exit::Exit;
use crate::keyfile::KeyFile;

/// Arguments of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The first operator's public key as 64 hex digits, or his key file, which is made if it is not there
    #[arg(long, value_name = "FILE|HEX")]
    operator_key: String,
    /// Id of the first operator
    #[arg(long, value_name = "ID", default_value = "operator", value_parser = parse::signer)]
    operator: SignerId,
    #[command(flatten)]
    flags: Flags,
}

/// Makes the ledger.
///
/// # Errors
/// [`Failure`] of configuration, key files and store. A ledger that exists is never touched.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let config = Config::load(&args.flags).map_err(|error| Failure::Config(error.into()))?;
    let place = config.ledger();
    if place.mark.exists() || is_filled(&place.store) {
        return Err(ledger::OpenError::Exists(place.store).into());
    }
    for directory in [&config.data, &config.mark] {
        make(directory)?;
    }
    let operator_key = operator_key(args)?;
    // On disk before the ledger is: a ledger without its key could never be written again.
    let key = ledger_key(&config.key)?;
    let genesis = Genesis {
        tenant: config.tenant.clone(),
        host: config.host.clone(),
        operator: args.operator.clone(),
        operator_key,
        clock_start: None,
        finds: true,
    };
    let writer = ledger::create(&place, key.key, &genesis, Clock::system().now())?;
    let trust = writer.ledger().identity().note_key();
    drop(writer);
    print(context, &config, &trust, args)?;
    Ok(Exit::Ok)
}

/// Whether there is anything in the directory.
pub(crate) fn is_filled(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

fn make(directory: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| Failure::File { path: directory.to_owned(), source })
}

fn operator_key(args: &Args) -> Result<PublicKey, Failure> {
    if let Ok(key) = parse::public_key(&args.operator_key) {
        return Ok(key);
    }
    let hex = args.operator_key.len() == 64 && schemas::id::unhex(&args.operator_key).is_some();
    if hex {
        // What it is may be a secret: it is neither shown nor made a file's name.
        let (name, value) = ("--operator-key", "these hex digits".to_owned());
        return Err(Failure::Argument { name, value, expected: "an Ed25519 public key" });
    }
    load_or_generate(&args.operator, Path::new(&args.operator_key)).map(|file| file.public())
}

fn ledger_key(path: &Path) -> Result<KeyFile, Failure> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent)?;
    }
    let signer = SignerId::parse(LEDGER_SIGNER).expect("the ledger's id is one");
    load_or_generate(&signer, path)
}

fn print(context: &Context, config: &Config, trust: &NoteKey, args: &Args) -> Result<(), Failure> {
    let out = context.out();
    if out.format() != Format::Table {
        return out.json(&json!({
            "origin": trust.name,
            "trust": trust.vkey(),
            "fingerprint": fingerprint(trust),
            "store": config.ledger().store,
            "mark": config.ledger().mark,
            "key": config.key,
            "operator": args.operator.as_str(),
        }));
    }
    out.line(&format!("ledger    {} in {}", trust.name, config.ledger().store.display()))?;
    out.line(&format!("mark      {}", config.ledger().mark.display()))?;
    out.line(&format!("key       {} (secret: it stays here)", config.key.display()))?;
    out.line(&format!("operator  {}", schemas::printable::printable(args.operator.as_str())))?;
    out.line(&format!("TRUST     {}", trust.vkey()))?;
    out.line(&format!("          {}", fingerprint(trust)))?;
    note(
        "Hand the TRUST to auditors by another way than this server; `sworn verify --trust` takes it.",
    );
    note("Next: sworn serve");
    Ok(())
}
