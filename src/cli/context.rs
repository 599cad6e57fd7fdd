//! What every command needs: where the server is, whose ledger, which broker, how to print.

use std::cell::{OnceCell, RefCell};
use std::env;
use std::path::Path;
use std::time::Instant;

use schemas::checkpoint::NoteKey;
use schemas::era::{Era, Eras};
use schemas::id::{Micros, Tenant, TreeSize};
use serde_json::Value as Json;

use crate::cli::eras;
use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::cli::out::{Format, Out};
use crate::cli::trust::Trust;
use crate::cli::watch::{Basis, Watch};
use crate::client::{Bearer, Client, ClientError, CredentialError, authorities_in, token_in};
use crate::clock::{self, Clock};
use crate::contexts::{ContextError, Contexts, Settings};
use crate::exit::Exit;
use crate::pin::Pin;

const URL: &str = "http://127.0.0.1:7420";
/// What the server says of itself.
pub(crate) const STATUS: &str = "/api/v1/status";
const NATS_URL: &str = "nats://127.0.0.1:4222";

/// Options of every command.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the server [env: SWORN_URL] [default: http://127.0.0.1:7420]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Address of the NATS server [env: SWORN_NATS_URL] [default: nats://127.0.0.1:4222]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// Tenant [env: SWORN_TENANT] [default: the server's]
    #[arg(long, global = true)]
    pub(crate) tenant: Option<String>,
    /// Token to show the server; others on this machine can see arguments, so prefer the variable, or a context's
    /// token file [env: SWORN_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) token: Option<Bearer>,
    /// Authorities to know the server by, instead of public ones [env: SWORN_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<String>,
    /// How data is written [default: table]
    #[arg(short, long, global = true, value_enum, hide_possible_values = false)]
    pub(crate) output: Option<Format>,
    /// No colours, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// No pager, even on a terminal [env: SWORN_PAGER, PAGER] [default: less -FRX]
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
}

/// The options together with what the server says of itself, asked at most once.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
    out: Out,
    status: OnceCell<Option<Status>>,
    /// Why there is no status.
    unheard: RefCell<Option<ClientError>>,
    named: OnceCell<Option<Named>>,
    watched: OnceCell<()>,
    eras: OnceCell<Option<Eras>>,
}

/// The context in use, and where its checkpoint is pinned.
#[derive(Debug)]
struct Named {
    settings: Settings,
    pin: Pin,
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
        Self {
            global,
            out,
            status: OnceCell::new(),
            unheard: RefCell::new(None),
            named: OnceCell::new(),
            watched: OnceCell::new(),
            eras: OnceCell::new(),
        }
    }

    /// Whether long output may be paged.
    pub(crate) fn pages(&self) -> bool {
        !self.global.no_pager
    }

    /// Where data goes.
    pub(crate) fn out(&self) -> Out {
        self.out
    }

    /// The server, after it has proved that its log extends the checkpoint that is pinned here.
    ///
    /// # Errors
    /// [`Failure::Client`]; [`Failure::Verdict`] when it does not; [`Failure::Contexts`].
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let client = self.unwatched()?;
        if self.watched.get().is_none() {
            self.watch(&client)?;
            let _first = self.watched.set(());
        }
        Ok(client)
    }

    /// The server, of which nothing is asked first.
    ///
    /// # Errors
    /// [`Failure::Client`], [`Failure::Contexts`].
    pub(crate) fn unwatched(&self) -> Result<Client, Failure> {
        let ca = self.setting(self.global.ca.as_ref(), "SWORN_CA", |named| named.ca.as_ref())?;
        let authorities = ca.map(|ca| authorities_in(Path::new(&ca))).transpose()?;
        Ok(Client::with(&self.url()?, self.bearer()?, authorities)?)
    }

    /// The token: as given, else in the file that the context in use names. One for another server is not shown.
    fn bearer(&self) -> Result<Option<Bearer>, Failure> {
        if let Some(bearer) = &self.global.token {
            return Ok(Some(bearer.clone()));
        }
        let variable = "SWORN_TOKEN";
        if let Some(text) = given(None, variable) {
            let unfit = |_unfit| CredentialError::Token { origin: variable.to_owned() };
            return Ok(Some(text.parse().map_err(unfit)?));
        }
        let file = self.named()?.and_then(|named| named.settings.token_file.as_ref());
        Ok(file.map(|file| token_in(Path::new(file))).transpose()?)
    }

    fn url(&self) -> Result<String, Failure> {
        let url =
            self.setting(self.global.url.as_ref(), "SWORN_URL", |named| named.url.as_ref())?;
        Ok(url.unwrap_or_else(|| URL.into()))
    }

    /// A server that does not say how far its log is gets asked nothing else: keeping silent must not be a way
    /// around the proof.
    fn watch(&self, client: &Client) -> Result<(), Failure> {
        let stated = self.stated("verifier_key").and_then(|vkey| NoteKey::parse(&vkey).ok());
        let (Some(stated), Some(note)) = (stated, self.stated_note()) else {
            return Err(self.unstated().into());
        };
        let trust = self.trusted()?;
        if let Some(trust) = &trust {
            self.accept(trust, stated.clone())?;
        }
        let keys = self.keys(stated)?;
        let pin = match self.pin() {
            Ok(pin) => pin,
            // A user without a home directory keeps nothing.
            Err(Failure::Contexts(ContextError::Nowhere)) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let by_address = trust.is_none() && self.named()?.is_none();
        let basis = if by_address { Basis::Address(self.url()?) } else { Basis::Chosen };
        Watch { client, keys: &keys, pin: &pin, basis }.see(&note)
    }

    /// Why the server's state is not known.
    fn unstated(&self) -> ClientError {
        let expected = "the state of a ledger";
        let unreadable = ClientError::Answer { path: STATUS.to_owned(), expected };
        self.unheard.take().unwrap_or(unreadable)
    }

    /// The ledger's key of now, which has to follow from `key`. The server is asked anew: the key may have been rotated
    /// since this command began.
    ///
    /// # Errors
    /// [`Failure::OtherKey`], [`Failure::Verdict`] when it does not follow, or does in a new epoch; failures of the server.
    pub(crate) fn successor(&self, key: &NoteKey) -> Result<NoteKey, Failure> {
        let now = Self::new(self.global.clone());
        let stated = now.stated("verifier_key").and_then(|vkey| NoteKey::parse(&vkey).ok());
        let next = now.accept(&Trust::Key(key.clone()), stated.ok_or_else(|| now.unstated())?)?;
        if next.name == key.name {
            return Ok(next);
        }
        // A rotation is followed in silence; that entries were lost is not.
        let origin = next.name;
        let what =
            format!("the ledger goes on in a new epoch, {origin}: its store was rolled back");
        Err(Failure::Verdict { exit: Exit::Conflict, what, details: Vec::new() })
    }

    /// Whom the user trusts for every command: `SWORN_TRUST`, else the context's key.
    fn trusted(&self) -> Result<Option<Trust>, Failure> {
        let trust = self.setting(None, "SWORN_TRUST", |named| named.trust.as_ref())?;
        trust.map(|trust| Trust::read(&trust)).transpose()
    }

    /// Where the last verified checkpoint is kept: in the context, else under the trusted key, else under
    /// the server's address.
    ///
    /// # Errors
    /// [`Failure::Contexts`], [`Failure::Argument`].
    pub(crate) fn pin(&self) -> Result<Pin, Failure> {
        if let Some(named) = self.named()? {
            return Ok(named.pin.clone());
        }
        let contexts = Contexts::of_user()?;
        Ok(match self.trusted()? {
            Some(trust) => contexts.pin_of_key(&trust.kid()),
            None => contexts.pin_of_url(&self.url()?),
        })
    }

    /// The key of a tree of `size` entries of the ledger whose key is `current` now.
    ///
    /// # Errors
    /// As for [`Context::keys`].
    pub(crate) fn key_at(&self, size: TreeSize, current: &NoteKey) -> Result<NoteKey, Failure> {
        self.keys(current.clone())?;
        let eras = self.eras()?;
        Ok(eras.map_or_else(|| current.clone(), |eras| eras.at(size).note_key()))
    }

    /// The ledger's keys and names so far, each proved to follow from the one before; the last is `current`.
    ///
    /// # Errors
    /// [`Failure::Verdict`] when the server's history of them does not hold; failures of the server.
    pub(crate) fn keys(&self, current: NoteKey) -> Result<Vec<NoteKey>, Failure> {
        let Some(eras) = self.eras()? else { return Ok(vec![current]) };
        let keys: Vec<_> = eras.iter().map(Era::note_key).collect();
        match keys.last() {
            Some(last) if *last != current => {
                Trust::Key(last.clone()).accept(current).map(|_| keys)
            }
            _ => Ok(keys),
        }
    }

    /// The current key, if `trust` is for it or for one that it follows from.
    fn accept(&self, trust: &Trust, current: NoteKey) -> Result<NoteKey, Failure> {
        match trust.accept(current.clone()) {
            Err(other @ Failure::OtherKey { .. }) => match self.eras()? {
                Some(eras) if eras::accepts(trust, eras) => {
                    let last = eras.current().note_key();
                    if last == current { Ok(current) } else { Err(other) }
                }
                _ => Err(other),
            },
            accepted => accepted,
        }
    }

    fn eras(&self) -> Result<Option<&Eras>, Failure> {
        if self.eras.get().is_none() {
            let proved = match self.status() {
                Some(status) => eras::proved(&self.unwatched()?, &status.json)?,
                None => None,
            };
            let _first = self.eras.set(proved);
        }
        Ok(self.eras.get().and_then(Option::as_ref))
    }

    /// Whether the server is there.
    pub(crate) fn is_served(&self) -> bool {
        self.status().is_some()
    }

    /// The newest note that the server shows.
    pub(crate) fn stated_note(&self) -> Option<String> {
        self.stated("note")
    }

    /// The options that a context can remember, as given.
    pub(crate) fn given(&self) -> Settings {
        Settings {
            url: given(self.global.url.as_ref(), "SWORN_URL"),
            tenant: given(self.global.tenant.as_ref(), "SWORN_TENANT"),
            nats: given(self.global.nats.as_ref(), "SWORN_NATS_URL"),
            trust: None,
            token_file: None,
            ca: given(self.global.ca.as_ref(), "SWORN_CA"),
        }
    }

    /// The context in use; none where another server is named than its own.
    fn named(&self) -> Result<Option<&Named>, Failure> {
        if self.named.get().is_none() {
            let found = self.find_named()?;
            let _first = self.named.set(found);
        }
        Ok(self.named.get().and_then(Option::as_ref))
    }

    fn find_named(&self) -> Result<Option<Named>, Failure> {
        let contexts = match Contexts::of_user() {
            Ok(contexts) => contexts,
            Err(ContextError::Nowhere) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(name) = contexts.in_use()? else { return Ok(None) };
        let settings = contexts.settings(&name)?;
        let pin = contexts.pin(&name)?;
        let url = self.given().url.filter(|url| Some(url) != settings.url.as_ref());
        Ok(url.is_none().then_some(Named { settings, pin }))
    }

    /// An option: as given, else as the context in use has it.
    fn setting(
        &self,
        flag: Option<&String>,
        variable: &str,
        remembered: impl Fn(&Settings) -> Option<&String>,
    ) -> Result<Option<String>, Failure> {
        if let Some(value) = given(flag, variable) {
            return Ok(Some(value));
        }
        Ok(self.named()?.and_then(|named| remembered(&named.settings).cloned()))
    }

    /// Whose ledger: as given, else the server's.
    ///
    /// # Errors
    /// [`Failure::Argument`], [`Failure::Needed`].
    pub(crate) fn tenant(&self) -> Result<Tenant, Failure> {
        let (name, flag, variable) = ("tenant", "--tenant", "SWORN_TENANT");
        let value =
            self.setting(self.global.tenant.as_ref(), variable, |named| named.tenant.as_ref())?;
        let value = value.or_else(|| self.stated("tenant"));
        let value = value.ok_or(Failure::Needed { name, flag, variable })?;
        let expected = "[a-z0-9-]{1,63}";
        Tenant::parse(&value).ok_or(Failure::Argument { name: flag, value, expected })
    }

    /// The tenant as given, unread.
    pub(crate) fn given_tenant(&self) -> Option<String> {
        given(self.global.tenant.as_ref(), "SWORN_TENANT")
    }

    /// The broker: as given, else the usual address.
    pub(crate) fn nats(&self) -> String {
        self.setting(self.global.nats.as_ref(), "SWORN_NATS_URL", |named| named.nats.as_ref())
            .unwrap_or_default()
            .unwrap_or_else(|| NATS_URL.into())
    }

    /// The ledger's key: as given with `--trust` or `SWORN_TRUST`, else the server's word for it.
    ///
    /// # Errors
    /// [`Failure::OtherKey`] when the server uses another one, [`Failure::Needed`].
    pub(crate) fn trust(&self, trust: Option<&String>) -> Result<NoteKey, Failure> {
        let (name, flag, variable) = ("the ledger's key", "--trust", "SWORN_TRUST");
        let trust = self.setting(trust, variable, |named| named.trust.as_ref())?;
        let trust = trust.map(|value| Trust::read(&value)).transpose()?;
        let stated = self.stated("verifier_key").and_then(|vkey| NoteKey::parse(&vkey).ok());
        match (trust, stated) {
            (Some(trust), Some(stated)) => self.accept(&trust, stated),
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
        let now = clock::parse(text(json, "now")?)?;
        Some(clock::after(now, heard.elapsed()))
    }

    fn stated(&self, name: &str) -> Option<String> {
        text(&self.status()?.json, name).map(str::to_owned)
    }

    /// What the server says of itself; `None` if there is none.
    fn status(&self) -> Option<&Status> {
        let ask = || match self.unwatched().ok()?.json(STATUS, &[]) {
            Ok(json) => Some(Status { json, heard: Instant::now() }),
            Err(error) => {
                self.unheard.replace(Some(error));
                None
            }
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
        // Which broker is talked to is nothing that a server decides.
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
        assert_eq!(theirs.nats(), NATS_URL);
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

    #[test]
    fn a_server_that_keeps_silent_about_its_log_is_asked_nothing_else() {
        let answer = |status: &str, body: &str| {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}");
            format!("{head}\r\n\r\n{body}")
        };
        let cases = [
            (answer("500 Internal Server Error", "{}"), 1),
            (answer("404 Not Found", "{}"), 3),
            (answer("200 OK", "{}"), 1),
            ("HTTP/1.1 200 OK\r\n".to_owned(), 5),
        ];
        for (answer, code) in cases {
            let (url, asked) = crate::scripted::server(vec![answer.clone()]);
            let context = Context::new(Global { url: Some(url), ..Global::default() });
            assert_eq!(context.client().unwrap_err().exit().code(), code, "{answer}");
            assert_eq!(asked.join().unwrap().len(), 1);
        }
    }
}
