//! A walk over a body where it lies: each item is read, gone into or passed over, once.

use std::iter;

use crate::cursor::{Cursor, Lead, Raw};

/// A place in bytes that were admitted, before an item; of others as much as can be read. Reading moves it, and it is
/// shared by those who read one inside the other.
#[derive(Debug)]
pub struct Walk<'a>(Cursor<'a>);

impl<'a> Walk<'a> {
    /// Over the item that these bytes are.
    #[must_use]
    pub fn over(bytes: &'a [u8]) -> Self {
        Self(Cursor::new(bytes))
    }

    /// Goes past the next item; gives it if it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.take(|lead| match lead {
            Lead::Text(text) => str::from_utf8(text).ok(),
            _ => None,
        })
    }

    /// The same of an unsigned integer.
    #[must_use]
    pub fn uint(&self) -> Option<u64> {
        self.take(|lead| if let Lead::Uint(uint) = lead { Some(uint) } else { None })
    }

    /// The same of bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.take(|lead| if let Lead::Bytes(bytes) = lead { Some(bytes) } else { None })
    }

    /// Goes past the next item.
    pub fn skip(&self) {
        self.take(|_| None::<()>);
    }

    /// Into the map that is next, and from pair to pair: the bytes of their names, in wire order, so that shorter ones
    /// come first. Whoever gets a name goes past its item before the next one.
    pub fn pairs(&self) -> impl Iterator<Item = &'a [u8]> {
        let len = self.take(|lead| if let Lead::Map(len) = lead { Some(len) } else { None });
        let name = || self.take(|lead| if let Lead::Text(name) = lead { Some(name) } else { None });
        self.so_often(len).map(move |()| name().unwrap_or_default())
    }

    /// The same for each pair: `read` goes past its item.
    pub fn each(&self, mut read: impl FnMut(&'a [u8])) {
        for name in self.pairs() {
            read(name);
        }
    }

    /// Into the array that is next, and from item to item: whoever gets one goes past it before the next one.
    pub fn items(&self) -> impl Iterator<Item = ()> {
        let len = self.take(|lead| if let Lead::Array(len) = lead { Some(len) } else { None });
        self.so_often(len)
    }

    /// To the item called `name` in the map that is next; false and past that map if there is none.
    #[must_use]
    pub fn find(&self, name: &str) -> bool {
        self.pairs().any(|at| {
            let is_there = at == name.as_bytes();
            if !is_there {
                self.skip();
            }
            is_there
        })
    }

    /// What `read` takes the item called `name` for, in the map that is next; past that map.
    pub fn within<T>(&self, name: &str, read: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let mut found = None;
        self.each(|at| match at == name.as_bytes() {
            true => found = read(self),
            false => self.skip(),
        });
        found
    }

    /// Faulty bytes end before what they declare.
    fn so_often(&self, len: Option<usize>) -> impl Iterator<Item = ()> {
        iter::repeat_n((), len.unwrap_or_default()).take_while(|()| !self.0.is_at_end())
    }

    /// Past the next item, if it is not what is looked for.
    fn take<T>(&self, read: impl FnOnce(Raw<'a>) -> Option<T>) -> Option<T> {
        let lead = self.0.pass();
        let read = read(lead);
        if read.is_none() {
            self.0.skip(lead);
        }
        read
    }
}

#[cfg(test)]
mod tests {
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
        let walk = Walk::over(&bytes);
        let mut seen = Vec::new();
        for name in walk.pairs() {
            match name {
                b"id" => assert_eq!((walk.uint(), seen.len()), (None, 0), "it is a text"),
                b"seq" => {
                    for name in walk.pairs() {
                        match name {
                            b"to" => assert_eq!(walk.text(), Some("b")),
                            _ => walk.skip(),
                        }
                    }
                }
                b"causes" => {
                    let items: Vec<_> = walk.items().map(|()| walk.bytes()).collect();
                    assert_eq!(items, [Some(&[1, 2][..]), None, None]);
                }
                _ => panic!("{name:?}"),
            }
            seen.push(name);
        }
        assert_eq!(seen, [&b"id"[..], b"seq", b"causes"]);
        let walk = Walk::over(&bytes);
        let found: Vec<_> = walk.pairs().map(|_| walk.within("n", Walk::uint)).collect();
        assert_eq!(found, [None, Some(7), None]);
        let walk = Walk::over(&bytes);
        assert!(walk.find("seq") && walk.find("to") && !walk.find("id"));
        let walk = Walk::over(&bytes);
        assert_eq!(walk.items().count(), 0, "it is a map");
        assert_eq!(walk.pairs().count(), 0, "which is past");
    }

    #[test]
    fn faulty_bytes_have_an_end_and_no_text_that_is_none() {
        let mut bytes = nested();
        for end in 0..bytes.len() {
            let walk = Walk::over(bytes.get(..end).unwrap_or_default());
            let pairs = walk.pairs().map(|_| walk.skip()).count();
            assert!(pairs <= 3);
        }
        let huge = [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x61, b'a'];
        let walk = Walk::over(&huge);
        assert_eq!(walk.pairs().map(|_| walk.skip()).count(), 1);
        // The text of the first pair.
        if let Some(byte) = bytes.iter_mut().find(|byte| **byte == b'x') {
            *byte = 0xff;
        }
        let walk = Walk::over(&bytes);
        let texts: Vec<_> = walk.pairs().map(|_| walk.text()).collect();
        assert_eq!(texts, [None; 3]);
    }
}
