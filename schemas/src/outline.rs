//! A body's bytes as they are kept and shown, without a tree of their items: entries are shown far more often than
//! looked into.

use std::borrow::Cow;

use serde::ser::{self, Serializer};

use crate::body::Body;
use crate::cursor::{Cursor, Lead};
use crate::fields::{FIELDS, registry_fields};
use crate::id::{EventId, Micros};
use crate::kind::Kind;
use crate::shown::{Record, Shown};

/// The longest name of a field that an outline reads.
const LONGEST: usize = "signer".len();

/// A body's bytes, with what is asked of every one. It serialises as its JSON form.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// As they were admitted; others are shown as far as they can be read.
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) kind: Kind,
    pub(crate) id: EventId,
    pub(crate) time: Micros,
    pub(crate) agent: Option<&'a str>,
    pub(crate) signer: &'a str,
}

impl<'a> Outline<'a> {
    /// Reads a body that was admitted, which its digest in an accepted entry's leaf tells: that its encoding is the one
    /// it has to be is not looked at again. `None` if it is no body.
    #[must_use]
    pub fn admitted(bytes: &'a [u8]) -> Option<Self> {
        let (mut kind, mut id, mut time, mut agent, mut signer) = (None, None, None, None, None);
        let cursor = Cursor::new(bytes);
        let Lead::Map(len) = cursor.next() else { return None };
        cursor.pairs(len, |name, value, inside| {
            match (name, value) {
                ("kind", Lead::Text(name)) => kind = Kind::parse(name),
                ("id", Lead::Bytes(bytes)) => id = EventId::from_slice(bytes),
                ("time", Lead::Uint(us)) => time = Some(Micros(us)),
                ("agent", Lead::Map(len)) => agent = inside.text("id", len),
                ("signer", Lead::Text(name)) => signer = Some(name),
                _ => {}
            }
            // Shorter names come first.
            name.len() <= LONGEST
        });
        Some(Self {
            bytes: Cow::Borrowed(bytes),
            kind: kind?,
            id: id?,
            time: time?,
            agent,
            signer: signer.or(agent)?,
        })
    }

    /// Who signs: `signer`, else the agent.
    #[must_use]
    pub fn signer(&self) -> &'a str {
        self.signer
    }
}

impl<'a> From<Body<'a>> for Outline<'a> {
    fn from(body: Body<'a>) -> Self {
        body.outline
    }
}

impl ser::Serialize for Outline<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cursor = &Cursor::new(&self.bytes);
        Record { fields: FIELDS, registry: registry_fields(self.kind), at: Shown::open(cursor) }
            .serialize(serializer)
    }
}
