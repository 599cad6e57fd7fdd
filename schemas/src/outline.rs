//! A body's bytes as they are kept and shown, without a tree of their items: entries are shown far more often than
//! looked into.

use std::borrow::Cow;

use serde::ser::{self, Serializer};

use crate::body::Body;
use crate::cursor::Cursor;
use crate::fields::{FIELDS, registry_fields};
use crate::id::{EventId, Micros};
use crate::kind::Kind;
use crate::shown::{Record, Shown};
use crate::walk::Walk;

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
        let walk = Walk::over(bytes);
        // Shorter names come first.
        for name in walk.pairs().take_while(|name| name.len() <= LONGEST) {
            match name {
                b"kind" => kind = walk.text().and_then(Kind::parse),
                b"id" => id = walk.bytes().and_then(EventId::from_slice),
                b"time" => time = walk.uint().map(Micros),
                b"agent" => agent = walk.within("id", Walk::text),
                b"signer" => signer = walk.text(),
                _ => walk.skip(),
            }
        }
        Some(Self {
            bytes: Cow::Borrowed(bytes),
            kind: kind?,
            id: id?,
            time: time?,
            agent,
            signer: signer.or(agent)?,
        })
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The event id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The agent that acted, or that a registry entry is about.
    #[must_use]
    pub fn agent(&self) -> Option<&'a str> {
        self.agent
    }

    /// The bytes where they lie; `None` of what a proposal proposes, which lies nowhere.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.bytes {
            Cow::Borrowed(bytes) => Some(bytes),
            Cow::Owned(_) => None,
        }
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
