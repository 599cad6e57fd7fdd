//! What a rule says of an entry that breaks it.

use std::borrow::Cow;

use crate::id::EventId;
use crate::limits::FINDING_DETAIL_BYTES_MAX;

/// An entry breaks a rule.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flag {
    /// What of it, where there are several ways.
    pub(crate) detail: Option<Cow<'static, str>>,
    /// Entries that the finding rests on besides.
    pub(crate) also: Vec<EventId>,
}

impl Flag {
    /// It does, and there is one way only.
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    /// It does, in this way.
    pub(crate) fn of(detail: &'static str) -> Self {
        Self { detail: Some(Cow::Borrowed(detail)), also: Vec::new() }
    }

    /// It does, and a name tells how; a long one is cut.
    pub(crate) fn named(name: &str) -> Self {
        let mut end = name.len().min(FINDING_DETAIL_BYTES_MAX);
        while !name.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let detail = name.get(..end).unwrap_or_default().to_owned();
        Self { detail: Some(Cow::Owned(detail)), also: Vec::new() }
    }

    /// It does in each of these ways, if there are any: each once, in their order.
    pub(crate) fn each(ways: impl Iterator<Item = &'static str>) -> Option<Self> {
        let mut told: Vec<&'static str> = Vec::new();
        for way in ways {
            if !told.contains(&way) {
                told.push(way);
            }
        }
        match told.as_slice() {
            [] => None,
            [one] => Some(Self::of(one)),
            several => Some(Self::named(&several.join(","))),
        }
    }

    /// Cites another entry besides.
    pub(crate) fn citing(mut self, id: EventId) -> Self {
        self.also.push(id);
        self
    }
}
