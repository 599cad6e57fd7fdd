//! An item of a body where it lies: what is asked of it is read, the rest is passed over.

use crate::cursor::{Cursor, Lead, Raw};

/// An item in bytes that were admitted. Of others it is as much as can be read.
#[derive(Clone, Debug)]
pub struct Peek<'a> {
    lead: Raw<'a>,
    /// Right behind the lead.
    inside: Cursor<'a>,
}

impl<'a> Peek<'a> {
    /// The item that these bytes are.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let inside = Cursor::new(bytes);
        Self { lead: inside.pass(), inside }
    }

    /// The text that it is.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        if let Lead::Text(text) = self.lead { std::str::from_utf8(text).ok() } else { None }
    }

    /// The unsigned integer that it is.
    #[must_use]
    pub fn uint(&self) -> Option<u64> {
        if let Lead::Uint(uint) = self.lead { Some(uint) } else { None }
    }

    /// The bytes that it is.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Lead::Bytes(bytes) = self.lead { Some(bytes) } else { None }
    }

    /// The pairs of the map that it is, by the bytes of their names, in wire order: shorter names come first.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], Self)> + use<'a> {
        let left = if let Lead::Map(len) = self.lead { len } else { 0 };
        let mut within = Within::of(self);
        let pairs = (0..left).map(move |_| (within.next(), within.next()));
        pairs.filter_map(|(name, value)| match name.lead {
            Lead::Text(name) => Some((name, value)),
            _ => None,
        })
    }

    /// The items of the array that it is.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let left = if let Lead::Array(len) = self.lead { len } else { 0 };
        let mut within = Within::of(self);
        (0..left).map(move |_| within.next())
    }

    /// The item called `name` in the map that it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Self> {
        self.pairs().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }
}

/// What lies inside an item, one after the other.
struct Within<'a> {
    at: Cursor<'a>,
    /// The last one, which `at` is inside of.
    last: Raw<'a>,
}

impl<'a> Within<'a> {
    fn of(item: &Peek<'a>) -> Self {
        Self { at: item.inside.clone(), last: Lead::Null }
    }

    fn next(&mut self) -> Peek<'a> {
        self.at.skip(self.last);
        self.last = self.at.pass();
        Peek { lead: self.last, inside: self.at.clone() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::encode::{Value, encode};

    fn nested() -> Vec<u8> {
        let inner = Value::Map(vec![("n".into(), Value::from(7)), ("to".into(), "b".into())]);
        let list = Value::Array(vec![Value::Bytes(vec![1, 2]), inner.clone(), Value::from(3)]);
        encode(&Value::Map(vec![
            ("id".into(), "x".into()),
            ("seq".into(), inner),
            ("causes".into(), list),
        ]))
    }

    #[test]
    fn what_is_not_asked_for_is_passed_over() {
        let bytes = nested();
        let whole = Peek::of(&bytes);
        let names: Vec<_> = whole.pairs().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"id"[..], b"seq", b"causes"]);
        assert_eq!(whole.get("seq").unwrap().get("n").unwrap().uint(), Some(7));
        assert_eq!(whole.get("seq").unwrap().get("to").unwrap().text(), Some("b"));
        let items: Vec<_> = whole.get("causes").unwrap().items().collect();
        assert_eq!(items.len(), 3);
        assert_eq!(items.first().unwrap().bytes(), Some(&[1, 2][..]));
        assert_eq!(items.last().unwrap().uint(), Some(3));
        assert!(whole.get("to").is_none() && whole.items().next().is_none());
    }

    #[test]
    fn faulty_bytes_have_an_end_and_no_text_that_is_none() {
        let mut bytes = nested();
        for end in 0..bytes.len() {
            let cut = Peek::of(bytes.get(..end).unwrap());
            assert!(cut.pairs().count() <= 3);
        }
        // The text of the first pair.
        let place = bytes.iter().position(|byte| *byte == b'x').unwrap();
        *bytes.get_mut(place).unwrap() = 0xff;
        let whole = Peek::of(&bytes);
        assert_eq!(whole.get("id").unwrap().text(), None);
        assert_eq!(whole.get("seq").unwrap().get("n").unwrap().uint(), Some(7));
    }
}
