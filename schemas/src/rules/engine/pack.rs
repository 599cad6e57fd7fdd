//! The bytes of the engine's rows: numbers big-endian, texts behind their length.

/// Writes a row.
pub(crate) struct Pack<'r>(pub(crate) &'r mut Vec<u8>);

impl Pack<'_> {
    /// Makes room for so many bytes at once.
    #[inline]
    pub(crate) fn room(&mut self, bytes: usize) -> &mut Self {
        self.0.reserve_exact(bytes);
        self
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    #[inline]
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Texts of events are far shorter than 64 KiB; a longer one is kept as nothing.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let (len, text) = u16::try_from(text.len()).map_or((0, ""), |len| (len, text));
        self.raw(&len.to_be_bytes()).raw(text.as_bytes())
    }

    #[inline]
    pub(crate) fn maybe<const N: usize>(&mut self, bytes: Option<[u8; N]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.u8(1).raw(&bytes),
            None => self.u8(0),
        }
    }
}

/// Reads a row; `None` where it has ended.
pub(crate) struct Unpack<'r>(pub(crate) &'r [u8]);

impl<'r> Unpack<'r> {
    /// Of a row that ends at a time: what stands behind that.
    #[inline]
    pub(crate) fn ending(row: &'r [u8]) -> Self {
        Self(row.get(8..).unwrap_or_default())
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// So many bytes.
    #[inline]
    pub(crate) fn raw(&mut self, bytes: usize) -> Option<&'r [u8]> {
        let (raw, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(raw)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Option<&'r str> {
        std::str::from_utf8(self.text_bytes()?).ok()
    }

    /// Its bytes, which are not looked at.
    #[inline]
    pub(crate) fn text_bytes(&mut self) -> Option<&'r [u8]> {
        let len = usize::from(self.array().map(u16::from_be_bytes)?);
        self.raw(len)
    }

    #[inline]
    pub(crate) fn maybe<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.u8()? {
            0 => Some(None),
            _ => self.array().map(Some),
        }
    }
}
