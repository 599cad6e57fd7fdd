//! Details: erasable content (prompts, arguments, results) beside a body, salted.

use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{Encoder, Value};
use crate::limits::DETAIL_BYTES_MAX;
use crate::reject::{Reason, Reject};

/// A detail taken apart: `[salt, {content}]`.
#[derive(Clone, Debug)]
pub struct Detail<'a> {
    /// The content's map.
    pub content: Item<'a>,
}

impl<'a> Detail<'a> {
    /// Takes detail bytes apart.
    ///
    /// # Errors
    /// `too_large` beyond [`DETAIL_BYTES_MAX`], else `malformed`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        if bytes.len() > DETAIL_BYTES_MAX {
            let expected = format!("at most {DETAIL_BYTES_MAX} bytes");
            return Err(Reject::new(Reason::TooLarge, "detail", expected));
        }
        let malformed = |expected| Reject::new(Reason::Malformed, "detail", expected);
        let item = decode(bytes, Bounds::WIRE)
            .map_err(|fault| malformed(format!("deterministic CBOR, not {fault}")))?;
        match item.array() {
            Some([Item::Bytes(salt), content @ Item::Map(pairs)])
                if salt.len() == 16 && pairs.iter().all(|(key, _)| key.text().is_some()) =>
            {
                Ok(Self { content: content.clone() })
            }
            _ => Err(malformed("[salt of 16 bytes, {text: any}]".to_owned())),
        }
    }

    /// Detail bytes of `content`, a map with text keys.
    #[must_use]
    pub fn encode(salt: &[u8; 16], content: &Value) -> Vec<u8> {
        let mut detail = Encoder::new();
        detail.array(2).bytes(salt).value(content);
        detail.finish()
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
    use crate::encode::{self, map};

    #[test]
    fn what_is_written_is_read() {
        let content = map([("zz", Value::from(1)), ("a", encode::bytes(&[0; 3]))]);
        let bytes = Detail::encode(&[7; 16], &content);
        let detail = Detail::parse(&bytes).unwrap();
        assert_eq!(detail.content.get("zz").and_then(Item::uint), Some(1));
        assert_eq!(detail.content.get("a").and_then(Item::bytes), Some(&[0; 3][..]));
    }

    #[test]
    fn the_largest_detail_fits() {
        let of = |len: usize| Detail::encode(&[7; 16], &map([("a", Value::from("x".repeat(len)))]));
        let fixed = of(70_000).len() - 70_000;
        assert!(Detail::parse(&of(DETAIL_BYTES_MAX - fixed)).is_ok());
        let refused = Detail::parse(&of(DETAIL_BYTES_MAX - fixed + 1)).unwrap_err();
        assert_eq!((refused.reason, refused.cause.path.as_str()), (Reason::TooLarge, "detail"));
    }
}
