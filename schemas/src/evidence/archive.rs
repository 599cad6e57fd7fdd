//! The one form of the file: a ZIP archive that every tool opens, with nothing in it that one tool would show
//! and another not.
//!
//! Members are stored, not compressed, in order of their names, without comments, extra fields or times. An
//! archive is read by taking its members and writing them again: other bytes are no bundle.
//!
//! Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.

use std::collections::BTreeMap;

use super::fault::Fault;
use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_MEMBERS_MAX};

/// Members by name.
pub type Members = BTreeMap<String, Vec<u8>>;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Version that is needed to read it: 2.0, the oldest with folders in names.
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// The first day that the format knows: 1980-01-01.
const DATE: u16 = 0x0021;
const LOCAL_BYTES: usize = 30;
/// Where a local header says how long content and name are.
const CONTENT_LEN: usize = 18;
const NAME_LEN: usize = 26;

/// Little-endian fields, as ZIP has them.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn two(&mut self, values: &[u16]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|value| value.to_be_bytes().into_iter().rev()));
        self
    }

    fn four(&mut self, values: &[u32]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|value| value.to_be_bytes().into_iter().rev()));
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// What both headers of a member have: version to flags, method, time, date, checksum, sizes.
    fn member(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.two(&[VERSION, FLAGS, 0, 0, DATE]);
        self.four(&[crc32fast::hash(content), len(content), len(content)]);
        self.two(&[u16::try_from(name.len()).unwrap_or(u16::MAX), 0])
    }
}

/// Lengths fit: [`BUNDLE_BYTES_MAX`] is far below what four bytes count.
fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The archive of these members.
pub(super) fn pack(members: &Members) -> Vec<u8> {
    let (mut file, mut directory) = (Fields::default(), Fields::default());
    for (name, content) in members {
        let at = len(&file.0);
        file.four(&[LOCAL]).member(name, content).raw(name.as_bytes()).raw(content);
        directory.four(&[CENTRAL]).two(&[VERSION]).member(name, content);
        directory.two(&[0, 0, 0]).four(&[0, at]).raw(name.as_bytes());
    }
    let count = u16::try_from(members.len()).unwrap_or(u16::MAX);
    let (at, size) = (len(&file.0), len(&directory.0));
    file.raw(&directory.0).four(&[END]).two(&[0, 0, count, count]).four(&[size, at]).two(&[0]);
    file.0
}

/// The members of an archive.
///
/// # Errors
/// [`Fault::TooLarge`], [`Fault::Archive`].
pub(super) fn unpack(file: &[u8]) -> Result<Members, Fault> {
    if file.len() > BUNDLE_BYTES_MAX {
        return Err(Fault::TooLarge);
    }
    let mut members = Members::new();
    let mut rest = file;
    while let Some((name, content, after)) = member(rest) {
        if members.len() >= BUNDLE_MEMBERS_MAX {
            return Err(Fault::TooLarge);
        }
        members.insert(name.to_owned(), content.to_vec());
        rest = after;
    }
    if members.is_empty() || pack(&members) != file {
        return Err(Fault::Archive);
    }
    Ok(members)
}

/// The member at the beginning of `rest`, and what follows it.
fn member(rest: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (header, rest) = rest.split_at_checked(LOCAL_BYTES)?;
    let number = |at: usize, bytes: usize| {
        let field = header.get(at..at + bytes)?;
        let number = field.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    };
    (number(0, 4)? == usize::try_from(LOCAL).ok()?).then_some(())?;
    let (name, rest) = rest.split_at_checked(number(NAME_LEN, 2)?)?;
    let (content, rest) = rest.split_at_checked(number(CONTENT_LEN, 4)?)?;
    Some((std::str::from_utf8(name).ok()?, content, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn members() -> Members {
        [("a.txt", "one"), ("folder/b", ""), ("z", "three")]
            .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
            .into()
    }

    #[test]
    fn members_come_back_and_any_other_byte_is_refused() {
        let file = pack(&members());
        assert_eq!(unpack(&file).unwrap(), members());
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            let read = unpack(&altered);
            // The content alone may change, with its checksum: that is another archive, not another form.
            assert!(read.is_err() || read.unwrap() != members(), "byte {at}");
        }
        for cut in 0..file.len() {
            assert!(matches!(unpack(&file[..cut]), Err(Fault::Archive)), "cut at {cut}");
        }
        for smuggled in [[&b"x"[..], &file].concat(), [&file, &b"x"[..]].concat()] {
            assert!(matches!(unpack(&smuggled), Err(Fault::Archive)));
        }
    }

    #[test]
    fn a_limit_ends_the_reading() {
        let many = (0..=BUNDLE_MEMBERS_MAX).map(|n| (n.to_string(), Vec::new())).collect();
        assert!(matches!(unpack(&pack(&many)), Err(Fault::TooLarge)));
    }
}
