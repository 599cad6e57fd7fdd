//! `admin doctor`: what a server needs, looked at one by one, so that nothing of it is found out only while it starts.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ledger::OpenError;
use schemas::printable::printable;
use serde_json::json;

use crate::access::{Gate, Tokens};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::number;
use crate::cli::out::{Format, Tone};
use crate::cli::runtime;
use crate::client::without_password;
use crate::clock::Clock;
use crate::config::Config;
use crate::disk::Disk;
use crate::exit::Exit;
use crate::http::Tls;
use crate::keyfile::KeyFile;
use crate::serve::read_policy;

/// What a look found; `None` where there is nothing to look at. A failure is what is wrong.
type Looked = Result<Option<Found>, Failure>;

enum Found {
    Good(String),
    /// Nothing wrong, and worth a thought.
    Notable(String),
    /// Wrong, and what to do.
    Wrong(String, &'static str),
}

/// One line of the answer.
struct Row {
    name: &'static str,
    tone: Tone,
    state: &'static str,
    text: String,
    next: Option<String>,
    exit: Exit,
}

/// Looks at everything that is configured.
///
/// # Errors
/// Those of the output; what is wrong is reported, and the most serious of it is the exit code.
pub(super) fn examine(config: &Config, context: &Context) -> Result<Exit, Failure> {
    let looked = [
        ("key", key(config)),
        ("ledger", ledger(config, context)),
        ("mark", mark(config)),
        ("disk", disk(config)),
        ("broker", broker(config)),
        ("tls", tls(config)),
        ("access", access(config)),
        ("witnesses", witnesses(config)),
    ];
    let rows: Vec<_> =
        looked.into_iter().filter_map(|(name, looked)| Row::of(name, looked)).collect();
    let out = context.out();
    if out.format() == Format::Table {
        for row in &rows {
            let state = out.paint(row.tone, row.state);
            out.line(&format!("{state}  {:<9}  {}", row.name, row.text))?;
            if let Some(next) = &row.next {
                out.line(&format!("{:9}{:<9}  {next}", "", "next"))?;
            }
        }
    } else {
        out.jsons(&rows.iter().map(Row::json).collect::<Vec<_>>())?;
    }
    Ok(rows.iter().fold(Exit::Ok, |exit, row| exit.worst(row.exit)))
}

impl Row {
    fn of(name: &'static str, looked: Looked) -> Option<Self> {
        let (tone, state, text, next, exit) = match looked {
            Ok(None) => return None,
            Ok(Some(Found::Good(text))) => (Tone::Good, "✓ ok   ", text, None, Exit::Ok),
            Ok(Some(Found::Notable(text))) => (Tone::Notable, "! note ", text, None, Exit::Ok),
            Ok(Some(Found::Wrong(text, next))) => {
                (Tone::Bad, "✗ wrong", text, Some(next.to_owned()), Exit::Other)
            }
            Err(failure) => {
                let (text, next) = (failure.reasons().join(": "), failure.next());
                (Tone::Bad, "✗ wrong", text, next, failure.exit())
            }
        };
        let (text, next) = (printable(&text), next.as_deref().map(printable));
        Some(Self { name, tone, state, text, next, exit })
    }

    fn json(&self) -> serde_json::Value {
        let state = self.state.split_whitespace().next_back();
        json!({ "check": self.name, "state": state, "text": self.text, "next": self.next })
    }
}

fn key(config: &Config) -> Looked {
    let kid = KeyFile::load(&config.key)?.kid();
    Ok(Some(Found::Good(format!("{}, {kid}", config.key.display()))))
}

/// Whether it would open; where it is open, whether its server is ready.
fn ledger(config: &Config, context: &Context) -> Looked {
    // What is wrong with the key is said already.
    let Ok(key) = KeyFile::load(&config.key) else { return Ok(None) };
    let found = match ledger::inspect(&config.ledger(), &key.key) {
        Ok(found) => found,
        Err(OpenError::Locked(_)) => {
            let ready = context.unwatched()?.json("/readyz", &[])?;
            let (size, age_s) = (number(&ready, "size"), number(&ready, "age_s"));
            return Ok(Some(Found::Good(format!(
                "served: {size} entries, the last {age_s} s ago"
            ))));
        }
        Err(error) => return Err(error.into()),
    };
    let ahead_us = found.received_at.0.saturating_sub(Clock::system().now().0);
    if ahead_us > 0 {
        let text = format!(
            "the clock is {} s behind the last entry: times of receipt stand still for as long",
            ahead_us.div_ceil(1_000_000)
        );
        return Ok(Some(Found::Notable(text)));
    }
    let (size, marked) = (found.size, found.marked);
    Ok(Some(Found::Good(format!("{size} entries, of which the mark vouches for {marked}"))))
}

/// What the mark says is held against the ledger; here, whether it would survive what happens to the store.
fn mark(config: &Config) -> Looked {
    let device = |path: &Path| {
        let failed = |source| Failure::File { path: path.to_owned(), source };
        metadata(path).map(|found| found.dev()).map_err(failed)
    };
    let place = config.mark.display();
    if device(&config.mark)? == device(&config.ledger().store)? {
        let text =
            format!("{place} is on the disk of the store: what rolls one back may roll back both");
        return Ok(Some(Found::Notable(text)));
    }
    Ok(Some(Found::Good(format!("{place}, on another disk than the store"))))
}

fn disk(config: &Config) -> Looked {
    let store = config.ledger().store;
    let disk = Disk { store: store.clone(), reserve: config.reserve_mib << 20 };
    let room = disk.room().map_err(|source| Failure::File { path: store, source })?;
    let text = format!("{} MiB free, events leave {} MiB", room.free >> 20, room.reserve >> 20);
    if room.is_short() {
        return Ok(Some(Found::Wrong(text, "make room, or lower reserve_mib under [store]")));
    }
    Ok(Some(Found::Good(text)))
}

fn broker(config: &Config) -> Looked {
    let broker = &config.nats.broker;
    let urls: Vec<_> = broker.urls.iter().map(|url| without_password(url)).collect();
    let url = urls.join(",");
    match runtime()?.block_on(broker.greet()) {
        Ok(version) => Ok(Some(Found::Good(format!("{url}, nats-server {version}")))),
        Err(source) => Err(Failure::Broker { url, source: source.into() }),
    }
}

fn tls(config: &Config) -> Looked {
    let Some((certificate, key)) = &config.http.tls else { return Ok(None) };
    Tls::load(certificate, key).map_err(|error| Failure::Config(error.into()))?;
    Ok(Some(Found::Good(certificate.display().to_string())))
}

fn access(config: &Config) -> Looked {
    if !config.http.auth {
        let text = "everybody on this machine may read and administer: [http] auth is not set";
        return Ok(Some(Found::Notable(text.to_owned())));
    }
    let (tokens, oidc) = (Tokens::below(&config.data), config.http.oidc.clone());
    let gate = Gate::open(config.tenant.clone(), tokens, oidc, Clock::system());
    gate.map_err(|error| Failure::Config(error.into()))?;
    Ok(Some(Found::Good("tokens and the issuer's keys can be read".to_owned())))
}

fn witnesses(config: &Config) -> Looked {
    let Some(file) = &config.policy else { return Ok(None) };
    read_policy(file).map_err(|error| Failure::Config(error.into()))?;
    Ok(Some(Found::Good(file.display().to_string())))
}
