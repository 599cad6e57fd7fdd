//! Logs of the process itself, to standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that chooses what is logged, as in `SWORN_LOG=info,ingest=debug`.
pub(crate) const FILTER_VARIABLE: &str = "SWORN_LOG";

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging was not set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter cannot be read.
    #[error("{FILTER_VARIABLE}: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("logging: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets logging up, once a process: [`FILTER_VARIABLE`], else `default`.
///
/// # Errors
/// [`TelemetryError`] for a filter that cannot be read, or the second time.
pub(crate) fn init(default: &str, format: Format) -> Result<(), TelemetryError> {
    let chosen = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::try_new(chosen.as_deref().unwrap_or(default))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => lines.compact().finish().try_init()?,
        Format::Json => lines.json().finish().try_init()?,
    }
    Ok(())
}
