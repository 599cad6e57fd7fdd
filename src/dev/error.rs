//! Everything that can end a development server.

use std::path::PathBuf;

use ingest::ServerError;
use ledger::OpenError;
use schemas::id::Micros;

use super::examine::Unsound;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::demo::{self, DemoError};
use crate::keyfile::KeyFileError;
use crate::serve::ServeError;
use crate::telemetry::TelemetryError;

/// Why a development server does not start, or ended with a fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// Another process uses the directory.
    #[error("{dir} is in use by another `sworn dev`; stop it, or choose another --data", dir = .0.display())]
    InUse(PathBuf),
    /// The directory holds something else.
    #[error("{dir} holds other files and no development ledger; choose another --data", dir = .0.display())]
    NotOurs(PathBuf),
    /// An earlier run was killed, its broker was not.
    #[error("the nats-server of an earlier run still runs on this directory; stop it: kill {0}")]
    Orphan(u32),
    /// A file.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that no signer can have.
    #[error("{0:?} is no signer's name")]
    Name(String),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Logging.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] ServerError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system.
    #[error("the system: {0}")]
    System(#[from] std::io::Error),
    /// The broker was up and submissions were still not taken in.
    #[error("submissions did not begin to come in; SWORN_LOG=info shows why")]
    NotReady,
    /// The clock of an existing ledger began elsewhere.
    #[error(
        "this ledger's clock began at {began}, not at {asked}; leave --clock-start out, or start anew with --fresh"
    )]
    OtherStart {
        /// In genesis.
        began: Micros,
        /// On the command line.
        asked: Micros,
    },
    /// An existing ledger runs on real time.
    #[error(
        "this ledger runs on the system's clock, so its clock cannot start at {asked}; start anew with --fresh"
    )]
    RealTime {
        /// On the command line.
        asked: Micros,
    },
    /// The worked example has its own dates.
    #[error(
        "the worked example needs a clock that starts at {}: use --fresh, and no other --clock-start",
        demo::BEGINS
    )]
    OtherTimes,
    /// A replay broke off.
    #[error(
        "an earlier replay of the worked example broke off in the middle; start anew with --fresh"
    )]
    Half,
    /// The worked example.
    #[error("the demo: {0}")]
    Demo(#[from] DemoError),
    /// The API.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Reading the ledger.
    #[error(transparent)]
    Read(#[from] ledger::ReadError),
    /// The self-check found something.
    #[error("self-check failed: {0}")]
    Unsound(#[from] Unsound),
    /// A second signal came before the end.
    #[error("interrupted; nothing that was acknowledged is lost")]
    Interrupted,
}
