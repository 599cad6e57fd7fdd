//! The second form of the high-water mark: a note in a key-value bucket of the broker.
//!
//! The first form, a file, goes back in time with the machine that it is on; this one does not. It is raised by
//! compare-and-set before any receipt leaves by the broker, so two writers of one tenant cannot both go on.

use async_nats::jetstream;
use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use bytes::Bytes;
use ledger::{Ledger, Vouched};

use crate::broker::Config;
use crate::error::{IngestError, MarkFault, Stop, Trouble};

/// Name of the bucket; its keys are tenants.
const BUCKET: &str = "sworn-marks";
/// Attempts to raise it: the first may find that an earlier one had worked.
const TRIES: usize = 2;

/// The mark at the broker.
pub(crate) struct Mark {
    bucket: kv::Store,
    tenant: String,
    /// What is there, and its revision.
    last: Option<(Bytes, u64)>,
}

impl Mark {
    /// Finds the mark and holds it against the ledger.
    ///
    /// # Errors
    /// [`IngestError::Mark`] when it vouches for more than the ledger holds, or for something else.
    pub(crate) async fn open(
        context: &jetstream::Context,
        config: &Config,
        ledger: &Ledger,
    ) -> Result<Self, Stop> {
        let bucket = match context.get_key_value(BUCKET).await {
            Err(error) if error.kind() == KeyValueErrorKind::GetBucket => {
                create(context, config).await?
            }
            found => found.map_err(|error| trouble("it cannot be opened", error))?,
        };
        let mut mark = Self { bucket, tenant: config.tenant.as_str().to_owned(), last: None };
        mark.look(ledger).await?;
        if mark.last.is_none() {
            tracing::warn!(tenant = mark.tenant, "the broker holds no mark of this ledger yet");
        }
        Ok(mark)
    }

    /// Raises it to the ledger's head.
    ///
    /// # Errors
    /// [`IngestError::Mark`] when somebody else has raised it to what the ledger does not hold.
    pub(crate) async fn raise(&mut self, ledger: &Ledger) -> Result<(), Stop> {
        for _try in 0..TRIES {
            let note = Bytes::from(ledger.head().note.clone());
            if self.last.as_ref().is_some_and(|(last, _)| *last == note) {
                return Ok(());
            }
            let revision = self.last.as_ref().map_or(0, |(_, revision)| *revision);
            match self.bucket.update(&self.tenant, note.clone(), revision).await {
                Ok(revision) => {
                    self.last = Some((note, revision));
                    return Ok(());
                }
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    self.look(ledger).await?;
                }
                Err(error) => return Err(trouble("it cannot be raised", error).into()),
            }
        }
        // It changes as fast as we look, and always to what we hold: somebody else writes the same ledger.
        Err(IngestError::Mark(MarkFault::Contended).into())
    }

    async fn look(&mut self, ledger: &Ledger) -> Result<(), Stop> {
        let entry = self.bucket.entry(&self.tenant).await;
        self.last = entry
            .map_err(|error| trouble("it cannot be read", error))?
            .map(|entry| (entry.value, entry.revision));
        let Some((note, _)) = &self.last else { return Ok(()) };
        let note = String::from_utf8_lossy(note).into_owned();
        let size = ledger.head().size;
        match ledger.vouched(&note).map_err(IngestError::from)? {
            Vouched::Held(_) | Vouched::Superseded => Ok(()),
            Vouched::Beyond(marked) => Err(MarkFault::Beyond { marked, size, note }),
            Vouched::Forked(marked) => Err(MarkFault::Forked(marked)),
            Vouched::Foreign => Err(MarkFault::Foreign),
        }
        .map_err(|fault| IngestError::Mark(fault).into())
    }
}

async fn create(context: &jetstream::Context, config: &Config) -> Result<kv::Store, Trouble> {
    let num_replicas = usize::from(config.replicas);
    let wanted = kv::Config { bucket: BUCKET.to_owned(), num_replicas, ..kv::Config::default() };
    context.create_key_value(wanted).await.map_err(|error| trouble("it cannot be created", error))
}

fn trouble(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Trouble {
    let request = format!("the mark in bucket {BUCKET}: {what}");
    Trouble::Answer { request, error: Box::new(error) }
}
