//! `verify`: the whole log re-derived and compared; four verdicts and an exit code.

use std::path::{Path, PathBuf};

use ledger::{Audit, AuditError, AuditState, OpenError, ReadError, Report};
use schemas::checkpoint::NoteKey;
use schemas::key::PublicKey;
use serde_json::Value as Json;

use crate::cli::context::{Context, given};
use crate::cli::evidence;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::member::text;
use crate::cli::out::note;
use crate::cli::progress::Meter;
use crate::cli::trust::{Trust, fingerprint, public};
use crate::cli::verdict::{self, Verdicts};
use crate::client::{Client, ClientError};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::exit::Exit;

/// Arguments of `verify`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    evidence: evidence::Args,
    /// Directory of a store that nobody has open, as a copy or a backup [default: a copy that the running
    /// server makes, else the configured store]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// High-water mark that the store must reach
    #[arg(long, value_name = "FILE", requires = "store")]
    mark: Option<PathBuf>,
    /// Ledger key to trust: verifier key, fingerprint or file [env: SWORN_TRUST]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
    /// Go on where the last verification with --resume ended or was interrupted: only what came since is
    /// checked. Bytes of older entries that changed meanwhile are found by a verification without it alone.
    /// What is verified is kept in DIR, where nobody else may write [default: this user's cache]
    #[arg(long, value_name = "DIR")]
    resume: Option<Option<PathBuf>>,
    /// Configuration file, for the configured store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Verifies.
///
/// # Errors
/// [`Failure::Unreadable`] when it could not be carried out. What is wrong with the log is reported with
/// its exit code.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if let Some(file) = &args.evidence.file {
        return evidence::verify(file, &args.evidence, args.trust.as_ref(), context);
    }
    let trust = given(args.trust.as_ref(), "SWORN_TRUST");
    let trust = trust.map(|value| Trust::read(&value)).transpose()?;
    let state = args.resume.clone().map(kept_in).transpose()?;
    let desk = Desk { context, trust, state, interrupt: Interrupt::catch()? };
    let exit = if let Some(store) = &args.store {
        let mark = args.mark.as_deref().map(read_mark).transpose()?;
        desk.audit(store, mark.flatten().as_deref())?
    } else {
        let client = match context.client() {
            // What keeps a server from saying how far its log is, is for verification to find.
            Err(Failure::Client(_)) => context.unwatched()?,
            watched => watched?,
        };
        match ServerCopy::make(client)? {
            // The copy is taken away as this arm ends, whichever way it does.
            Ok(copy) => desk.audit_copy(&copy)?,
            Err(unreachable) => desk.audit_configured(args, unreachable)?,
        }
    };
    match exit {
        Some(exit) => Ok(exit),
        None => Interrupt::end(),
    }
}

/// Audits, and says what came of it; `None` if the user did not wait for it.
struct Desk<'c> {
    context: &'c Context,
    trust: Option<Trust>,
    /// Where what was verified is kept.
    state: Option<PathBuf>,
    interrupt: Interrupt,
}

/// The directory that was named, or this user's own.
fn kept_in(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let (name, expected) = ("--resume", "a directory, as neither XDG_CACHE_HOME nor HOME is set");
    let cache = cache.ok_or(Failure::Argument { name, value: String::new(), expected })?;
    Ok(cache.join("sworn/verified"))
}

impl Desk<'_> {
    fn audit_copy(&self, copy: &ServerCopy) -> Result<Option<Exit>, Failure> {
        if copy.store.exists() {
            return self.audit(&copy.store, Some(&copy.note));
        }
        note("the server's copy is not on this machine; verify there, or give --store DIR");
        let source = std::io::Error::from(std::io::ErrorKind::NotFound).into();
        Err(Failure::Unreadable { path: copy.store.clone(), source })
    }

    /// The configured ledger, while no server runs.
    fn audit_configured(
        &self,
        args: &Args,
        unreachable: ClientError,
    ) -> Result<Option<Exit>, Failure> {
        let flags = Flags {
            config: args.config.clone(),
            tenant: self.context.given_tenant(),
            ..Flags::default()
        };
        let config = Config::load(&flags).ok().map(|config| config.ledger());
        let Some(config) = config.filter(|config| config.store.exists()) else {
            note("give --store DIR to verify a store without its server");
            return Err(unreachable.into());
        };
        note(&format!("no server answers; reading {}", config.store.display()));
        self.audit(&config.store, read_mark(&config.mark)?.as_deref())
    }

    fn audit(&self, store: &Path, mark: Option<&str>) -> Result<Option<Exit>, Failure> {
        let trust = match &self.trust {
            Some(Trust::Key(key)) => public(key),
            _ => None,
        };
        let (meter, interrupt) = (Meter::new("entries"), &self.interrupt);
        let now = Clock::system().now();
        let state = self.state.as_deref().map(|directory| AuditState { directory, now });
        let audit = Audit { store, trust, mark, state };
        let report = interrupt.run(|| {
            ledger::audit(&audit, &|progress| {
                interrupt.check();
                // Each entry is counted twice, once in either half.
                let held = format!(" (held up to {})", progress.held);
                meter.show_with(progress.done / 2, progress.total / 2, &held);
            })
        });
        meter.finish();
        match report {
            None => Ok(None),
            Some(Ok(report)) => self.conclude(&report, mark).map(Some),
            Some(Err(error)) => verdict_of(error, store).map(Some),
        }
    }

    fn conclude(&self, report: &Report, mark: Option<&str>) -> Result<Exit, Failure> {
        if report.is_anew {
            note(
                "what was kept for --resume is of another build of sworn; everything was verified anew",
            );
        }
        let ledger = note_key(&report.identity.origin, report.identity.key);
        // Rotations link the keys: whoever trusts one of them trusts them all.
        let trusted = self
            .trust
            .as_ref()
            .map(|trust| report.eras.iter().any(|era| trust.accept(era.note_key()).is_ok()));
        let verdicts = Verdicts::of(report, mark, trusted, &fingerprint(&ledger));
        verdict::print(&verdicts, self.context.out())
    }
}

fn read_mark(path: &Path) -> Result<Option<String>, Failure> {
    Ok(ledger::read_mark(path)?)
}

fn note_key(origin: &str, key: PublicKey) -> NoteKey {
    NoteKey { name: origin.to_owned(), public: *key.verifying_key() }
}

/// A store that is damaged so badly that it cannot be read through is a finding as well.
fn verdict_of(error: AuditError, store: &Path) -> Result<Exit, Failure> {
    let exit = match &error {
        AuditError::Open(OpenError::Read(ReadError::Missing { .. })) => Exit::Gap,
        AuditError::Open(OpenError::Read(
            ReadError::Damaged { .. } | ReadError::BrokenChain(_) | ReadError::BeyondTree { .. },
        )) => Exit::HashMismatch,
        // NOTE: the store's own checksums say so in words only.
        AuditError::Open(OpenError::Read(ReadError::Store(error)))
            if error.to_string().starts_with("Corruption") =>
        {
            Exit::HashMismatch
        }
        AuditError::Open(
            OpenError::Absent(_) | OpenError::Locked(_) | OpenError::Format { .. },
        ) => {
            let AuditError::Open(error) = error else { return Ok(Exit::Other) };
            return Err(error.into());
        }
        AuditError::OtherState => Exit::Conflict,
        AuditError::DamagedState(path) => {
            let path = path.clone();
            return Err(Failure::Unreadable { path, source: error.into() });
        }
        _ => return Err(Failure::Unreadable { path: store.to_owned(), source: error.into() }),
    };
    Err(Failure::Verdict { exit, what: error.to_string(), details: Vec::new() })
}

/// A hard-linked copy that the server made for us, and that we must take away.
struct ServerCopy {
    client: Client,
    number: u64,
    store: PathBuf,
    note: String,
}

impl ServerCopy {
    /// Asks for a copy. The inner error: there is no server.
    fn make(client: Client) -> Result<Result<Self, ClientError>, Failure> {
        const PATH: &str = "/api/v1/admin/copy";
        let copy = match client.post(PATH) {
            Ok(copy) => copy,
            Err(unreachable @ ClientError::Unreachable { .. }) => return Ok(Err(unreachable)),
            Err(error) => return Err(error.into()),
        };
        let parts = || {
            let number = copy.get("copy").and_then(Json::as_u64)?;
            Some((number, PathBuf::from(text(&copy, "path")?), text(&copy, "note")?.to_owned()))
        };
        let expected = "a copy of the store";
        let answer = || ClientError::Answer { path: PATH.to_owned(), expected };
        let (number, store, note) = parts().ok_or_else(answer)?;
        Ok(Ok(Self { client, number, store, note }))
    }

    fn path(number: u64) -> String {
        format!("/api/v1/admin/copy/{number}")
    }
}

impl Drop for ServerCopy {
    fn drop(&mut self) {
        if let Err(error) = self.client.delete(&Self::path(self.number)) {
            note(&format!("the server keeps the copy {}: {error}", self.store.display()));
        }
    }
}
