//! Marks: short hashes of texts that are only ever compared.

/// Hash of a text that is only ever compared.
pub type Mark = [u8; 8];

/// No text.
pub(crate) const NOTHING: Mark = [0; 8];

/// The mark of a text. Eight bytes of blake3: nobody finds another text with the mark of a given one; two of his own with
/// one mark somebody may, in about 2^32 hashes.
#[must_use]
pub fn mark(text: &str) -> Mark {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(text.as_bytes()).as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The mark of a text that may be absent.
pub(crate) fn mark_of(text: Option<&str>) -> Mark {
    text.map_or(NOTHING, mark)
}
