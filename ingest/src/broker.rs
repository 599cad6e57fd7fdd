//! How to reach the broker.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use ledger::Retention;
use schemas::id::{Tenant, unhex};
use schemas::limits::{BROKER_BACKOFF_MS_MAX, BROKER_REQUEST_S_MAX};
use tokio::sync::watch;

use crate::contact::check_server;
use crate::door::Door;
use crate::error::{BrokerError, IngestError};
use crate::room::Room;

/// Silence after which the server is asked whether it is still there.
const PING: Duration = Duration::from_secs(10);

/// The broker's address and what it takes to be let in.
#[derive(Clone, Default)]
pub struct Broker {
    /// `nats://host:port`, one or several servers of one cluster. User and password, or a token, may
    /// stand in the first: `nats://user:password@host`.
    pub urls: Vec<String>,
    /// Credentials file: a JWT and its seed.
    pub credentials: Option<PathBuf>,
    /// File that holds an nkey seed.
    pub nkey: Option<PathBuf>,
    /// TLS, where the server's certificate needs a root of its own or wants ours.
    pub tls: Option<Tls>,
}

impl std::fmt::Debug for Broker {
    /// Without the addresses, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut broker = f.debug_struct("Broker");
        broker.field("credentials", &self.credentials).field("nkey", &self.nkey);
        broker.field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Files for TLS, all PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Root certificates to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What [`crate::run`] needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the broker is.
    pub broker: Broker,
    /// Whose submissions to take; the ledger's own tenant.
    pub tenant: Tenant,
    /// Copies that a clustered broker keeps of each stream, 1 to 5.
    pub replicas: u8,
    /// Size at which each stream refuses more, in bytes.
    pub max_bytes: u64,
    /// What is erased on schedule.
    pub retention: Retention,
    /// Whether the high-water mark is kept at the broker, too.
    pub mark: bool,
    /// Whether committed entries are published for machines that follow.
    pub committed: bool,
    /// Room on the store's disk, as it was last seen.
    pub room: watch::Receiver<Room>,
    pub(crate) connection: watch::Sender<Connection>,
    pub(crate) door: Door,
}

/// Whether submissions are coming in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    /// No: the broker is out of reach, or is being set up.
    Down,
    /// Yes.
    Up,
}

impl Config {
    /// One copy of each stream, at most 512 MiB each; committed entries are not published, and nobody looks at the disk.
    #[must_use]
    pub fn new(broker: Broker, tenant: Tenant) -> Self {
        Self {
            broker,
            tenant,
            replicas: 1,
            max_bytes: 512 << 20,
            retention: Retention::default(),
            mark: false,
            committed: false,
            room: watch::channel(Room::UNLIMITED).1,
            connection: watch::Sender::new(Connection::Down),
            door: Door::default(),
        }
    }

    /// The way in for submissions that do not come by the broker.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Tells whether submissions are coming in, for readiness.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }
}

impl Broker {
    /// A broker that lets anyone in.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], ..Self::default() }
    }

    /// Connects once, and holds the server against what is needed of one; gives its version. Nothing is made there.
    ///
    /// # Errors
    /// [`IngestError::Broker`], [`IngestError::Refused`].
    pub async fn greet(&self) -> Result<String, IngestError> {
        let options = self.options().await.map_err(IngestError::Broker)?;
        let client = self.connect(options).await.map_err(IngestError::Broker)?;
        check_server(&client)?;
        Ok(client.server_info().version)
    }

    /// Number of servers that are named, for bounded attempts.
    pub(crate) fn servers(&self) -> usize {
        self.urls.len().max(1)
    }

    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, BrokerError> {
        // The text is left out of the error: it may hold a password.
        let parse = |(at, url): (usize, &String)| {
            url.parse().map_err(|source| BrokerError::Url { at, source })
        };
        let addresses: Vec<_> =
            self.urls.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        if addresses.is_empty() { Err(BrokerError::NoUrl) } else { Ok(addresses) }
    }

    /// Options with credentials and TLS in them. Reads files, so that a rotated key is taken up by the
    /// next connection.
    pub(crate) async fn options(&self) -> Result<ConnectOptions, BrokerError> {
        let mut options = ConnectOptions::new()
            .name("sworn")
            .ping_interval(PING)
            .request_timeout(Some(Duration::from_secs(BROKER_REQUEST_S_MAX)))
            .connection_timeout(Duration::from_secs(BROKER_REQUEST_S_MAX))
            .reconnect_delay_callback(pause);
        // The client library reads no names in addresses.
        if let Some(first) = self.addresses()?.first() {
            options = match (first.username(), first.password()) {
                (Some(user), Some(password)) => {
                    options.user_and_password(percent_decoded(user), percent_decoded(password))
                }
                (Some(token), None) => options.token(percent_decoded(token)),
                (None, _) => options,
            };
        }
        if let Some(path) = &self.credentials {
            let unreadable = |source| BrokerError::File { path: path.clone(), source };
            options = options.credentials_file(path).await.map_err(unreadable)?;
        }
        if let Some(path) = &self.nkey {
            let unreadable = |source| BrokerError::File { path: path.clone(), source };
            let seed = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
            options = options.nkey(seed.trim().to_owned());
        }
        if let Some(tls) = &self.tls {
            options = options.require_tls(true);
            if let Some(ca) = &tls.ca {
                options = options.add_root_certificates(ca.clone());
            }
            if let Some((certificate, key)) = &tls.client {
                options = options.add_client_certificate(certificate.clone(), key.clone());
            }
        }
        Ok(options)
    }

    pub(crate) async fn connect(&self, options: ConnectOptions) -> Result<Client, BrokerError> {
        Ok(options.connect(self.addresses()?).await?)
    }
}

/// Text of a part of an address, its `%xx` replaced.
fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.split_at_checked(2).and_then(|(code, rest)| Some((unhex(code)?, rest))) {
            Some((code, rest)) => bytes.extend(code.iter().chain(rest.as_bytes())),
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Pause before the `attempt`-th attempt, from 1: none, then 50 ms doubling up to the limit.
pub(crate) fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(2)).unwrap_or(u32::MAX).min(16);
    let limit = Duration::from_millis(BROKER_BACKOFF_MS_MAX);
    if attempt < 2 { Duration::ZERO } else { limit.min(Duration::from_millis(50 << doublings)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_escaped_passwords() {
        for (text, expected) in [
            ("p", "p"),
            ("a%40b%2Fc", "a@b/c"),
            ("%c3%a9", "é"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(percent_decoded(text), expected);
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pauses: Vec<_> = (0..6).map(|attempt| pause(attempt).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 50, 100, 200, 400]);
        assert_eq!(pause(usize::MAX), Duration::from_millis(BROKER_BACKOFF_MS_MAX));
    }

    #[test]
    fn shows_no_password() {
        let text = format!("{:?}", Broker::at("nats://user:secret@host"));
        assert!(!text.contains("secret"), "{text}");
    }
}
