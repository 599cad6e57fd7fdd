//! How far routing came: a file beside the store, so that a restart neither begins anew nor forgets.
//!
//! Whether a finding was delivered is told by the ledger. The file only says where to begin to look: without it, at the
//! first finding that was ever delivered, or at the head.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger::{Ledger, ReadError};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::terms::Key;

use super::RoutingError;

/// Where routing began, and up to where each route has dealt with its findings.
pub(super) struct Position {
    file: PathBuf,
    began: u64,
    places: Mutex<Vec<u64>>,
}

impl Position {
    /// That of a ledger without routes.
    pub(super) fn nowhere() -> Self {
        Self { file: PathBuf::new(), began: 0, places: Mutex::default() }
    }

    /// Reads the file, or makes it.
    ///
    /// # Errors
    /// [`RoutingError`].
    pub(super) fn open(
        file: PathBuf,
        ledger: &Ledger,
        places: usize,
    ) -> Result<Self, RoutingError> {
        let size = ledger.head().size.0;
        let kept = std::fs::read_to_string(&file).ok();
        let kept = kept.and_then(|text| parse(&text)).filter(|(_, settled)| *settled <= size);
        let (began, settled) = match kept {
            Some(kept) => kept,
            None => {
                let first = first_delivered(ledger)?.unwrap_or(size);
                (first, first)
            }
        };
        let position = Self { file, began, places: Mutex::new(vec![settled; places]) };
        // Only where routing began cannot be found again, so only that has to survive a loss of power.
        let written = write(&position.file, began, settled)
            .and_then(|()| std::fs::File::open(&position.file)?.sync_all());
        written.map_err(|source| RoutingError::File { path: position.file.clone(), source })?;
        Ok(position)
    }

    /// Findings before it are older than routing, and not delivered.
    pub(super) fn began(&self) -> u64 {
        self.began
    }

    /// Where a route goes on.
    pub(super) fn at(&self, place: usize) -> u64 {
        self.places().get(place).copied().unwrap_or(self.began)
    }

    /// Notes that a route has dealt with everything before `index`.
    pub(super) fn moved(&self, place: usize, index: u64) {
        if let Some(at) = self.places().get_mut(place) {
            *at = index;
        }
    }

    /// Writes what was noted. Losing it costs only time: what is written again is looked at again.
    pub(super) fn keep(&self) {
        let settled = self.places().iter().copied().min().unwrap_or_default();
        if let Err(error) = write(&self.file, self.began, settled) {
            tracing::warn!(%error, "the position of the routes cannot be written");
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<u64>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two numbers: where routing began, and before where everything is settled.
fn parse(text: &str) -> Option<(u64, u64)> {
    let (began, settled) = text.trim_end().split_once(' ')?;
    let (began, settled) = (began.parse().ok()?, settled.parse().ok()?);
    (began <= settled).then_some((began, settled))
}

fn write(path: &Path, began: u64, settled: u64) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{began} {settled}")?;
    file.persist(path).map(|_file| ()).map_err(|error| error.error)
}

/// The finding of the first delivery.
fn first_delivered(ledger: &Ledger) -> Result<Option<u64>, ReadError> {
    let mut deliveries = ledger.postings(Key::Kind, Kind::Delivery.as_str());
    let mut at = 0;
    while let Some(index) = deliveries.at_or_after(at)? {
        let entry = ledger.entry(index)?.filter(|entry| entry.leaf.status == Status::Accepted);
        let cause = entry.as_ref().and_then(|entry| entry.body()?.causes().first().copied());
        if let Some(finding) = cause.map_or(Ok(Vec::new()), |id| ledger.find(id))?.first() {
            return Ok(Some(finding.0));
        }
        at = index.0 + 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_cannot_be_is_none() {
        for (text, expected) in [
            ("3 7\n", Some((3, 7))),
            ("7 7", Some((7, 7))),
            ("8 7\n", None),
            ("7\n", None),
            ("", None),
            ("a b", None),
            ("-1 3", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
