//! A vendor's reference: what joins an outcome and a witness that name the same call.

use super::deed::Deed;
use super::pack::{Pack, Unpack};
use crate::id::{EventId, Index};

/// What was told under a reference.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Reference {
    /// The intent of the first outcome, or the first witness, that has one.
    pub(crate) intent: Option<(EventId, Index)>,
    /// What the first witness saw, and where.
    pub(crate) witness: Option<(Index, Deed)>,
}

impl Reference {
    pub(crate) fn pack(&self, until: u64, row: &mut Pack<'_>) {
        row.room(89).u64(until).maybe(self.intent.map(|(id, _)| id.0));
        if let Some((_, index)) = self.intent {
            row.u64(index.0);
        }
        if let Some((index, deed)) = &self.witness {
            row.u64(index.0);
            deed.pack(row);
        }
    }

    pub(crate) fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        row.u64()?;
        let intent = match row.maybe()? {
            Some(id) => Some((EventId(id), Index(row.u64()?))),
            None => None,
        };
        let witness = match row.u64() {
            Some(index) => Some((Index(index), Deed::unpack(&mut row)?)),
            None => None,
        };
        Some(Self { intent, witness })
    }
}
