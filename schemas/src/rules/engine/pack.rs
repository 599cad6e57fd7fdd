//! The bytes of the engine's rows: numbers big-endian, texts behind their length.

/// Writes a row.
#[derive(Default)]
pub(crate) struct Pack(Vec<u8>);

impl Pack {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Texts of events are far shorter than 64 KiB; a longer one is kept as nothing.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let (len, text) = u16::try_from(text.len()).map_or((0, ""), |len| (len, text));
        self.raw(&len.to_be_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn maybe<const N: usize>(&mut self, bytes: Option<[u8; N]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.u8(1).raw(&bytes),
            None => self.u8(0),
        }
    }

    pub(crate) fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads a row; `None` where it has ended.
pub(crate) struct Unpack<'r>(pub(crate) &'r [u8]);

impl Unpack<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let len = usize::from(self.array().map(u16::from_be_bytes)?);
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }

    pub(crate) fn maybe<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.u8()? {
            0 => Some(None),
            _ => self.array().map(Some),
        }
    }
}
