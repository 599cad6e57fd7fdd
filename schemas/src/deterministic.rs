//! Reading CBOR strictly: RFC 8949 §4.2.1 deterministic encoding or nothing.
//!
//! One pass checks and decodes. Whatever is returned re-encodes to the same bytes, so nothing is ever
//! re-encoded in order to be hashed. Memory is bounded by the input: before anything is allocated, all
//! that has been declared so far is compared with the bytes that remain; depth and node count are
//! limited besides.

use std::cmp::Ordering;

use crate::limits;

/// A decoded item that borrows from the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Major type 0.
    Uint(u64),
    /// Major type 1: the value is `-1 - n`.
    Negative(u64),
    /// Byte string.
    Bytes(&'a [u8]),
    /// Text string.
    Text(&'a str),
    /// Array.
    Array(Vec<Item<'a>>),
    /// Map, its keys unique and in order.
    Map(Vec<(Item<'a>, Item<'a>)>),
    /// Tag; only [`COSE_SIGN1_TAG`] is allowed, and only around everything.
    Tag(u64, Box<Item<'a>>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// Tag of `COSE_Sign1` (RFC 9052 §2), the one tag that is allowed, as the outermost item.
pub const COSE_SIGN1_TAG: u64 = 18;

/// Why bytes are not one deterministic CBOR item. `at` is the offset of the offending item's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct Malformed {
    /// Offset in bytes.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// The ways in which bytes fail to be deterministic CBOR within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end inside an item.
    #[error("truncated item")]
    Truncated,
    /// Bytes follow the item.
    #[error("trailing bytes")]
    Trailing,
    /// A head is longer than its argument needs.
    #[error("integer or length not in its shortest form")]
    NotShortest,
    /// An indefinite length or a break.
    #[error("indefinite length")]
    Indefinite,
    /// Additional information 28 to 30.
    #[error("reserved head")]
    Reserved,
    /// A floating-point number.
    #[error("float")]
    Float,
    /// A tag other than 18, or inside another item.
    #[error("tag not allowed")]
    Tag,
    /// A simple value other than `false`, `true` and `null`.
    #[error("simple value not allowed")]
    Simple,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// The same map key twice.
    #[error("duplicate map key")]
    DuplicateKey,
    /// Map keys out of bytewise order.
    #[error("map keys out of order")]
    KeyOrder,
    /// Nesting beyond the limit.
    #[error("nested too deeply")]
    Depth,
    /// More items than the limit.
    #[error("too many items")]
    Nodes,
}

/// How much structure is accepted. Bytes are bounded by the caller, who holds the slice.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deepest nesting of arrays, maps and tags.
    pub depth: usize,
    /// Most items in total.
    pub nodes: usize,
}

impl Bounds {
    /// For bodies, details and statements.
    pub const WIRE: Self = Self { depth: limits::DEPTH_MAX, nodes: limits::NODES_MAX };
}

/// Decodes `bytes` as exactly one deterministic item.
///
/// # Errors
/// [`Malformed`] with the first fault in reading order.
/// Source: RFC 8949 §4.2.1.
pub fn decode(bytes: &[u8], bounds: Bounds) -> Result<Item<'_>, Malformed> {
    let mut reader = Reader { bytes, at: 0, nodes: bounds.nodes, owed: 0 };
    let mut item = Item::Null;
    reader.read(bounds.depth, &mut item)?;
    if reader.at < bytes.len() {
        return Err(Malformed { at: reader.at, fault: Fault::Trailing });
    }
    Ok(item)
}

/// Bytewise order; mostly the first byte, a head with the key's length, decides.
fn wire_order(a: &[u8], b: &[u8]) -> Ordering {
    match a.first().cmp(&b.first()) {
        Ordering::Equal => a.cmp(b),
        unequal => unequal,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    /// Items declared by the arrays and maps around this place and not yet begun.
    owed: usize,
}

struct Head {
    at: usize,
    major: u8,
    argument: u64,
}

impl<'a> Reader<'a> {
    /// Reads one item into `slot`: returning it would move it again and again.
    fn read(&mut self, depth: usize, slot: &mut Item<'a>) -> Result<(), Malformed> {
        let head = self.head()?;
        let fail = |fault| Malformed { at: head.at, fault };
        self.nodes = self.nodes.checked_sub(1).ok_or(fail(Fault::Nodes))?;
        *slot = match head.major {
            0 => Item::Uint(head.argument),
            1 => Item::Negative(head.argument),
            2 => Item::Bytes(self.take(&head)?),
            3 => match std::str::from_utf8(self.take(&head)?) {
                Ok(text) => Item::Text(text),
                Err(_) => return Err(fail(Fault::Utf8)),
            },
            4 => Item::Array(self.array(&head, depth.checked_sub(1).ok_or(fail(Fault::Depth))?)?),
            5 => Item::Map(self.map(&head, depth.checked_sub(1).ok_or(fail(Fault::Depth))?)?),
            6 if head.argument != COSE_SIGN1_TAG || head.at > 0 => return Err(fail(Fault::Tag)),
            6 => {
                let mut inner = Box::new(Item::Null);
                self.read(depth.checked_sub(1).ok_or(fail(Fault::Depth))?, &mut inner)?;
                Item::Tag(head.argument, inner)
            }
            _ => match head.argument {
                20 => Item::Bool(false),
                21 => Item::Bool(true),
                22 => Item::Null,
                _ => return Err(fail(Fault::Simple)),
            },
        };
        Ok(())
    }

    #[inline]
    fn head(&mut self) -> Result<Head, Malformed> {
        let at = self.at;
        let Some((lead, rest)) = self.bytes.get(at..).and_then(<[u8]>::split_first) else {
            return Err(Malformed { at, fault: Fault::Truncated });
        };
        let (major, info) = (lead >> 5, lead & 31);
        if info < 24 {
            self.at = at + 1;
            return Ok(Head { at, major, argument: u64::from(info) });
        }
        let fail = |fault| Err(Malformed { at, fault });
        let long = match (info, major) {
            (24, 7) => return fail(Fault::Simple),
            (25..28, 7) => return fail(Fault::Float),
            (24, _) => rest.first_chunk().map(|[byte]| (1, u64::from(*byte), 24)),
            (25, _) => rest.first_chunk().map(|b| (2, u64::from(u16::from_be_bytes(*b)), 0x100)),
            (26, _) => rest.first_chunk().map(|b| (4, u64::from(u32::from_be_bytes(*b)), 0x1_0000)),
            (27, _) => rest.first_chunk().map(|b| (8, u64::from_be_bytes(*b), 0x1_0000_0000)),
            (28..31, _) => return fail(Fault::Reserved),
            _ => return fail(Fault::Indefinite),
        };
        match long {
            Some((_, argument, least)) if argument < least => fail(Fault::NotShortest),
            Some((width, argument, _)) => {
                self.at = at + 1 + width;
                Ok(Head { at, major, argument })
            }
            None => fail(Fault::Truncated),
        }
    }

    fn take(&mut self, head: &Head) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(head.argument)
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or(Malformed { at: head.at, fault: Fault::Truncated })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Makes room for `head.argument` times `each` items inside this one. They and all that is owed
    /// already need a byte each, so memory stays proportional to the bytes that are there, whatever
    /// lengths nested heads declare.
    fn owe(&mut self, head: &Head, each: usize) -> Result<usize, Malformed> {
        let fail = |fault| Malformed { at: head.at, fault };
        let len = usize::try_from(head.argument).map_err(|_beyond| fail(Fault::Truncated))?;
        let items = len.saturating_mul(each);
        let owed = self.owed.saturating_add(items);
        if owed > self.bytes.len() - self.at {
            return Err(fail(Fault::Truncated));
        }
        if items > self.nodes {
            return Err(fail(Fault::Nodes));
        }
        self.owed = owed;
        Ok(len)
    }

    /// Reads one of the items owed.
    fn read_owed(&mut self, depth: usize, slot: &mut Item<'a>) -> Result<(), Malformed> {
        self.owed -= 1;
        self.read(depth, slot)
    }

    fn array(&mut self, head: &Head, depth: usize) -> Result<Vec<Item<'a>>, Malformed> {
        let len = self.owe(head, 1)?;
        let mut items = Vec::new();
        items.resize_with(len, || Item::Null);
        for item in &mut items {
            self.read_owed(depth, item)?;
        }
        Ok(items)
    }

    fn map(&mut self, head: &Head, depth: usize) -> Result<Vec<(Item<'a>, Item<'a>)>, Malformed> {
        let len = self.owe(head, 2)?;
        let mut pairs = Vec::new();
        pairs.resize_with(len, || (Item::Null, Item::Null));
        let mut last: &[u8] = &[];
        for (key, value) in &mut pairs {
            let start = self.at;
            self.read_owed(depth, key)?;
            let encoded = self.bytes.get(start..self.at).unwrap_or_default();
            match wire_order(last, encoded) {
                Ordering::Less => last = encoded,
                Ordering::Equal => {
                    return Err(Malformed { at: start, fault: Fault::DuplicateKey });
                }
                Ordering::Greater => return Err(Malformed { at: start, fault: Fault::KeyOrder }),
            }
            self.read_owed(depth, value)?;
        }
        Ok(pairs)
    }
}

impl<'a> Item<'a> {
    /// The unsigned integer, if it is one.
    #[must_use]
    pub fn uint(&self) -> Option<u64> {
        match self {
            Self::Uint(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it fits.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Uint(value) => i64::try_from(*value).ok(),
            Self::Negative(value) => i64::try_from(*value).ok().map(|n| -1 - n),
            _ => None,
        }
    }

    /// The byte string, if it is one.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The array's items, if it is one.
    #[must_use]
    pub fn array(&self) -> Option<&[Item<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The map's pairs, if it is one.
    #[must_use]
    pub fn map(&self) -> Option<&[(Item<'a>, Item<'a>)]> {
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value under a text key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Item<'a>> {
        let (_, value) = self.map()?.iter().find(|(name, _)| name.text() == Some(key))?;
        Some(value)
    }

    /// The value under an integer label of a map, as COSE headers have them.
    #[must_use]
    pub fn label(&self, label: i64) -> Option<&Item<'a>> {
        let (_, value) = self.map()?.iter().find(|(name, _)| name.int() == Some(label))?;
        Some(value)
    }

    /// The value at a dotted path of text keys: `action.name`.
    #[must_use]
    pub fn path(&self, path: &str) -> Option<&Item<'a>> {
        let mut item = self;
        let mut rest = path;
        while let Some((key, below)) = rest
            .bytes()
            .position(|b| b == b'.')
            .and_then(|dot| Some((rest.get(..dot)?, rest.get(dot + 1..)?)))
        {
            item = item.get(key)?;
            rest = below;
        }
        item.get(rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use super::*;

    fn check(bytes: &[u8], at: usize, fault: Fault) {
        assert_eq!(decode(bytes, Bounds::WIRE), Err(Malformed { at, fault }), "{bytes:02x?}");
    }

    #[test]
    fn faults_name_their_place() {
        check(&[], 0, Fault::Truncated);
        check(&[0x82, 0x01], 0, Fault::Truncated);
        check(&[0x61], 0, Fault::Truncated);
        check(&[0x81, 0x19, 0x01], 1, Fault::Truncated);
        check(&[0x01, 0x01], 1, Fault::Trailing);
        check(&[0x81, 0x18, 0x17], 1, Fault::NotShortest);
        check(&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 0, Fault::NotShortest);
        check(&[0x9f, 0xff], 0, Fault::Indefinite);
        check(&[0xff], 0, Fault::Indefinite);
        check(&[0x81, 0x1e], 1, Fault::Reserved);
        check(&[0xf9, 0x7e, 0x00], 0, Fault::Float);
        check(&[0xc0, 0x00], 0, Fault::Tag);
        check(&[0x81, 0xd2, 0x80], 1, Fault::Tag);
        check(&[0xd2, 0xd2, 0x80], 1, Fault::Tag);
        check(&[0xf7], 0, Fault::Simple);
        check(&[0xf8, 0x20], 0, Fault::Simple);
        check(&[0x62, 0xc3, 0x28], 0, Fault::Utf8);
        check(&[0xa2, 0x01, 0x01, 0x01, 0x02], 3, Fault::DuplicateKey);
        check(&[0xa2, 0x02, 0x01, 0x01, 0x02], 3, Fault::KeyOrder);
        check(&[0xa2, 0x62, b'a', b'a', 0x01, 0x61, b'b', 0x01], 5, Fault::KeyOrder);
    }

    #[test]
    fn depth_and_nodes_are_limited() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
        assert!(decode(&nested(limits::DEPTH_MAX), Bounds::WIRE).is_ok());
        check(&nested(limits::DEPTH_MAX + 1), limits::DEPTH_MAX, Fault::Depth);
        check(&nested(200_000), limits::DEPTH_MAX, Fault::Depth);
        let bounds = Bounds { depth: 1, nodes: 4 };
        assert!(decode(&[0x83, 0, 0, 0], bounds).is_ok());
        let many = Err(Malformed { at: 0, fault: Fault::Nodes });
        assert_eq!(decode(&[0x84, 0, 0, 0, 0], bounds), many);
        assert_eq!(decode(&[0xa2, 0, 0, 1, 0], bounds), many);
    }

    /// What a map declares counts against what the array around it still needs.
    #[test]
    fn declared_lengths_are_owed() {
        check(&[0x83, 0xa1, 0x01, 0x01, 0x01], 1, Fault::Truncated);
        check(&[0x82, 0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0, 0], 1, Fault::Truncated);
        assert!(decode(&[0x83, 0xa1, 0x01, 0x01, 0x01, 0x01], Bounds::WIRE).is_ok());
    }

    #[test]
    fn items_answer_for_their_type_only() {
        let bytes = [0xa3, 0x01, 0x20, 0x61, b'a', 0xa1, 0x61, b'b', 0xf5, 0x61, b'c', 0x41, 0x07];
        let item = decode(&bytes, Bounds::WIRE).unwrap();
        assert_eq!(item.label(1).and_then(Item::int), Some(-1));
        assert_eq!(item.label(2), None);
        assert_eq!(item.path("a.b").and_then(Item::bool), Some(true));
        assert_eq!((item.path("a.c"), item.path("c.b"), item.path("")), (None, None, None));
        assert_eq!(item.get("c").and_then(Item::bytes), Some(&[7][..]));
        assert_eq!(item.get("c").and_then(Item::uint), None);
        assert_eq!((item.uint(), item.text(), item.array()), (None, None, None));
        let least = decode(&[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Bounds::WIRE);
        assert_eq!(least.unwrap().int(), None);
    }
}
