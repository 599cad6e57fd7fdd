//! What every command needs: where the server is, whose ledger, which broker, how to print.

use std::cell::OnceCell;
use std::env;
use std::time::Instant;

use schemas::checkpoint::NoteKey;
use schemas::id::{Micros, Tenant};
use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::line::text;
use crate::cli::out::{Format, Out};
use crate::cli::trust::Trust;
use crate::client::{Client, ClientError};
use crate::clock::Clock;

const URL: &str = "http://127.0.0.1:7420";
const NATS_URL: &str = "nats://127.0.0.1:4222";

/// Options of every command.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the server [env: SWORN_URL] [default: http://127.0.0.1:7420]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Address of the NATS server [env: SWORN_NATS_URL] [default: the server's]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// Tenant [env: SWORN_TENANT] [default: the server's]
    #[arg(long, global = true)]
    pub(crate) tenant: Option<String>,
    /// How data is written [default: table]
    #[arg(short, long, global = true, value_enum, hide_possible_values = false)]
    pub(crate) output: Option<Format>,
    /// No colours, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// The options together with what the server says of itself, asked at most once.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
    out: Out,
    status: OnceCell<Option<Status>>,
}

/// The server's word, and when it was heard.
#[derive(Debug)]
struct Status {
    json: Json,
    heard: Instant,
}

impl Context {
    /// With these options.
    pub(crate) fn new(global: Global) -> Self {
        let out = Out::new(global.output, global.no_color);
        Self { global, out, status: OnceCell::new() }
    }

    /// Where data goes.
    pub(crate) fn out(&self) -> Out {
        self.out
    }

    /// The server.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Client::new(&given(self.global.url.as_ref(), "SWORN_URL").unwrap_or_else(|| URL.into()))
    }

    /// Whose ledger: as given, else the server's.
    ///
    /// # Errors
    /// [`Failure::Argument`], [`Failure::Needed`].
    pub(crate) fn tenant(&self) -> Result<Tenant, Failure> {
        let (name, flag, variable) = ("tenant", "--tenant", "SWORN_TENANT");
        let value = given(self.global.tenant.as_ref(), variable).or_else(|| self.stated("tenant"));
        let value = value.ok_or(Failure::Needed { name, flag, variable })?;
        let expected = "[a-z0-9-]{1,63}";
        Tenant::parse(&value).ok_or(Failure::Argument { name: flag, value, expected })
    }

    /// The tenant as given, unread.
    pub(crate) fn given_tenant(&self) -> Option<String> {
        given(self.global.tenant.as_ref(), "SWORN_TENANT")
    }

    /// The broker: as given, else the server's, else the usual address.
    pub(crate) fn nats(&self) -> String {
        given(self.global.nats.as_ref(), "SWORN_NATS_URL")
            .or_else(|| self.stated("nats"))
            .unwrap_or_else(|| NATS_URL.into())
    }

    /// The ledger's key: as given with `--trust` or `SWORN_TRUST`, else the server's word for it.
    ///
    /// # Errors
    /// [`Failure::OtherKey`] when the server uses another one, [`Failure::Needed`].
    pub(crate) fn trust(&self, trust: Option<&String>) -> Result<NoteKey, Failure> {
        let (name, flag, variable) = ("the ledger's key", "--trust", "SWORN_TRUST");
        let trust = given(trust, variable).map(|value| Trust::read(&value)).transpose()?;
        let stated = self.stated("verifier_key").and_then(|vkey| NoteKey::parse(&vkey).ok());
        match (trust, stated) {
            (Some(trust), Some(stated)) => trust.accept(stated),
            (Some(Trust::Key(key)), None) => Ok(key),
            (None, Some(stated)) => Ok(stated),
            (_, None) => Err(Failure::Needed { name, flag, variable }),
        }
    }

    /// The ledger's time: in development its clock may be simulated, and what is signed for it should
    /// not seem to come from the future.
    pub(crate) fn now(&self) -> Micros {
        self.simulated_now().unwrap_or_else(|| Clock::system().now())
    }

    fn simulated_now(&self) -> Option<Micros> {
        let Status { json, heard } = self.status()?;
        text(json, "clock_start")?;
        let now = text(json, "now")?.parse::<jiff::Timestamp>().ok()?;
        let since_us = u64::try_from(heard.elapsed().as_micros()).ok()?;
        Some(Micros(u64::try_from(now.as_microsecond()).ok()?.saturating_add(since_us)))
    }

    fn stated(&self, name: &str) -> Option<String> {
        text(&self.status()?.json, name).map(str::to_owned)
    }

    /// What the server says of itself; `None` if there is none.
    fn status(&self) -> Option<&Status> {
        let ask = || {
            let json = self.client().ok()?.json("/api/v1/status", &[]).ok()?;
            Some(Status { json, heard: Instant::now() })
        };
        self.status.get_or_init(ask).as_ref()
    }
}

/// A flag, else a variable that is not empty.
pub(crate) fn given(flag: Option<&String>, variable: &str) -> Option<String> {
    flag.cloned().or_else(|| env::var(variable).ok()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use serde_json::json;

    use super::*;

    fn context(global: Global, status: Option<Json>) -> Context {
        let context = Context::new(global);
        let status = status.map(|json| Status { json, heard: Instant::now() });
        context.status.set(status).unwrap();
        context
    }

    #[test]
    fn a_flag_comes_before_the_servers_word() {
        let status = json!({ "tenant": "theirs", "nats": "nats://theirs" });
        let theirs = context(Global::default(), Some(status.clone()));
        let global = Global {
            tenant: Some("mine".into()),
            nats: Some("nats://mine".into()),
            ..Global::default()
        };
        let mine = context(global, Some(status));
        assert_eq!(mine.tenant().unwrap().as_str(), "mine");
        assert_eq!(mine.nats(), "nats://mine");
        assert_eq!(theirs.tenant().unwrap().as_str(), "theirs");
        assert_eq!(theirs.nats(), "nats://theirs");
        let alone = context(Global::default(), None);
        assert!(matches!(alone.tenant(), Err(Failure::Needed { .. })));
        assert_eq!(alone.nats(), NATS_URL);
    }

    #[test]
    fn the_trusted_key_is_the_ledgers_own() {
        let key = |seed| NoteKey {
            name: "localhost/acme".into(),
            public: SigningKey::from_bytes(&[seed; 32]).verifying_key(),
        };
        let status = json!({ "verifier_key": key(1).vkey() });
        let context = context(Global::default(), Some(status));
        assert_eq!(context.trust(None).unwrap(), key(1));
        assert_eq!(context.trust(Some(&key(1).vkey())).unwrap(), key(1));
        let other = context.trust(Some(&key(2).vkey()));
        assert!(matches!(other, Err(Failure::OtherKey { .. })));
    }

    #[test]
    fn a_simulated_clock_is_followed() {
        let now = "2026-04-08T03:47:12Z";
        let simulated = json!({ "now": now, "clock_start": "2026-04-07T22:00:00Z" });
        let simulated = context(Global::default(), Some(simulated));
        assert!(simulated.now().to_string().starts_with("2026-04-08T03:47:12."));
        let real = context(Global::default(), Some(json!({ "now": now, "clock_start": null })));
        assert!(real.now() > simulated.now());
    }
}
