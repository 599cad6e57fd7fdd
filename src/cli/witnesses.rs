//! `witness`: being one, asking how far they are, and comparing what was cosigned.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use schemas::checkpoint::{Checkpoint, Note, NoteKey, WitnessKey, valid_name};
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::cli::out::{Format, Tone, note};
use crate::client::ClientError;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::keyfile::KeyFile;
use crate::serve::Signals;
use crate::table::Table;
use crate::witness::{Store, Witness, run as serve};

/// Subcommands of `witness`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Witness logs for others (C2SP tlog-witness)
    Serve(Serve),
    /// The verifier key of a witness's key file, as policies name it
    Key {
        /// Its key file, made with: sworn key gen NAME FILE
        file: PathBuf,
    },
    /// How far the ledger's witnesses are
    Ls,
    /// What a witness cosigned for a log, and what contradicts it
    Show {
        #[command(flatten)]
        memory: Memory,
    },
    /// Compare a signed checkpoint with what was cosigned: two that contradict each other prove fraud
    Check {
        /// File with a signed checkpoint, from a server or from another witness
        file: PathBuf,
        #[command(flatten)]
        memory: Memory,
    },
}

/// Arguments of `witness serve`.
#[derive(clap::Args, Debug)]
pub(crate) struct Serve {
    /// Key file of this witness; its signer is the name on cosignatures, and it has no other use
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7421")]
    listen: SocketAddr,
    /// Directory of what is cosigned
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A log to witness, by its verifier key; again for each further one
    #[arg(long, value_name = "VKEY", required = true)]
    log: Vec<String>,
}

/// A witness's memory of one log.
#[derive(clap::Args, Debug)]
pub(crate) struct Memory {
    /// Directory of what was cosigned
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The log, by its verifier key
    #[arg(long, value_name = "VKEY")]
    log: String,
}

/// Runs a subcommand.
///
/// # Errors
/// [`Failure`]; [`Failure::Verdict`] for two checkpoints that contradict each other.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Serve(args) => run_witness(args),
        Command::Key { file } => {
            let (key, _secret) = witness_key(file)?;
            context.out().line(&key.vkey())?;
            Ok(Exit::Ok)
        }
        Command::Ls => list(context),
        Command::Show { memory } => show(memory, context),
        Command::Check { file, memory } => check(file, memory, context),
    }
}

fn witness_key(file: &Path) -> Result<(WitnessKey, KeyFile), Failure> {
    let secret = KeyFile::load(file)?;
    let name = secret.signer.as_str().to_owned();
    if !valid_name(&name) {
        let expected = "a name without spaces and plus signs, as in witness.example/w1";
        return Err(Failure::Argument { name: "the key file's signer", value: name, expected });
    }
    let public = *secret.public().verifying_key();
    Ok((WitnessKey { name, public }, secret))
}

fn log_key(vkey: &str) -> Result<NoteKey, Failure> {
    let expected = "a log's verifier key, as in host/tenant+…";
    NoteKey::parse(vkey).map_err(|_other| Failure::Argument {
        name: "--log",
        value: vkey.to_owned(),
        expected,
    })
}

fn run_witness(args: &Serve) -> Result<Exit, Failure> {
    let (key, secret) = witness_key(&args.key)?;
    let logs = args.log.iter().map(|vkey| log_key(vkey)).collect::<Result<_, _>>()?;
    note(&format!("witness {} on http://{}", key.vkey(), args.listen));
    let witness = Witness {
        key,
        secret: secret.key,
        logs,
        store: Mutex::new(Store::new(args.data.clone())),
        clock: Clock::system(),
    };
    let failed = |error| Failure::Serve(error);
    super::runtime()?.block_on(async {
        let signals = Signals::listen().map_err(|error| failed(error.into()))?;
        let served = serve(witness, args.listen, signals.shutdown.clone()).await;
        served.map(|()| Exit::Ok).map_err(|error| failed(error.into()))
    })
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let path = "/api/v1/witnesses";
    let answer = context.client()?.json(path, &[])?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let expected = "a list of witnesses";
    let items = answer.get("items").and_then(Json::as_array);
    let items = items.ok_or(ClientError::Answer { path: path.to_owned(), expected })?;
    let number = |json: &Json, name: &str| {
        json.get(name).and_then(Json::as_u64).map(|number| number.to_string()).unwrap_or_default()
    };
    let mut table = Table::new(["WITNESS", "COSIGNED", "URL", "ERROR"]);
    for item in items {
        let text = |name| text(item, name).unwrap_or_default();
        table.row([text("name"), &number(item, "size"), text("url"), text("error")]);
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    let (witnessed, published) = (number(&answer, "witnessed"), number(&answer, "published"));
    out.line(&format!("witnessed {witnessed} of {published} published entries"))?;
    Ok(Exit::Ok)
}

fn show(memory: &Memory, context: &Context) -> Result<Exit, Failure> {
    let (store, log) = (Store::new(memory.data.clone()), log_key(&memory.log)?);
    let failed = |error: crate::witness::StoreError| Failure::Serve(error.into());
    let latest = store.latest(&log).map_err(failed)?;
    let sizes = store.sizes(&log).map_err(failed)?;
    let forks = store.forks(&log).map_err(failed)?;
    let out = context.out();
    if out.format() != Format::Table {
        let sizes: Vec<_> = sizes.iter().map(|size| size.0).collect();
        let forks: Vec<_> = forks.iter().map(|path| path.display().to_string()).collect();
        let latest = latest.map(|kept| kept.note);
        out.json(&json!({ "log": log.name, "latest": latest, "sizes": sizes, "forks": forks }))?;
    } else {
        out.line(&format!("{}: {} checkpoints cosigned", log.name, sizes.len()))?;
        if let Some(latest) = latest {
            out.bytes(latest.note.as_bytes())?;
        }
        for fork in &forks {
            out.line(&out.paint(Tone::Bad, &format!("✗ CONTRADICTION  {}", fork.display())))?;
        }
    }
    Ok(if forks.is_empty() { Exit::Ok } else { Exit::Conflict })
}

fn check(file: &Path, memory: &Memory, context: &Context) -> Result<Exit, Failure> {
    let (store, log) = (Store::new(memory.data.clone()), log_key(&memory.log)?);
    let failed = |error: crate::witness::StoreError| Failure::Serve(error.into());
    let read = std::fs::read_to_string(file);
    let read = read.map_err(|source| Failure::File { path: file.to_owned(), source })?;
    let found = Note::parse(&read).and_then(|note| note.verify_checkpoint(&log));
    let found = found.map_err(|fault| Failure::Verdict {
        exit: Exit::BadSignature,
        what: format!("{} is not signed by {}: {fault}", file.display(), log.name),
        details: Vec::new(),
    })?;
    let kept = store.at(&log, found.size).map_err(failed)?;
    match kept {
        None => {
            let what = format!("no checkpoint of {} entries was cosigned here", found.size.0);
            Err(Failure::Verdict { exit: Exit::Undecidable, what, details: Vec::new() })
        }
        Some(kept) if kept.checkpoint == found => {
            let text =
                format!("the same {} entries of {} were cosigned here", found.size.0, log.name);
            let out = context.out();
            out.line(&format!("{}  {text}", out.paint(Tone::Good, "✓ agrees")))?;
            Ok(Exit::Ok)
        }
        Some(kept) => Err(fraud(&log, &kept.checkpoint, &found)),
    }
}

fn fraud(log: &NoteKey, kept: &Checkpoint, found: &Checkpoint) -> Failure {
    Failure::Verdict {
        exit: Exit::Conflict,
        what: format!("{} signed two roots for {} entries: proof of fraud", log.name, found.size.0),
        details: vec![
            format!("cosigned here  {}", kept.root),
            format!("shown there    {}", found.root),
        ],
    }
}
