//! Checkpoints: the log's size and root in a signed note, and the cosignatures of witnesses.
//!
//! A note is text and signature lines. Whoever reads one brings the keys that he trusts, asks for each
//! with [`Note::verify`] or [`Note::verify_cosignature`], and ignores what others signed.
//!
//! Sources: C2SP `signed-note`, `tlog-checkpoint`, `tlog-cosignature`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::id::{TreeHash, TreeSize, hex, sha256};
use crate::key::{KeyError, PublicKey};

/// Most signature lines on a note.
pub const NOTE_SIGNATURES_MAX: usize = 16;
/// Signature type of an Ed25519 note key.
const KIND_ED25519: u8 = 0x01;
/// Signature type of a witness that signs `cosignature/v1` with Ed25519.
const KIND_COSIGNATURE: u8 = 0x04;
/// What a signature line begins with: U+2014 and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Why a note, a checkpoint or the text of a key does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// No blank line parts the text from the signatures, or the note does not end with a newline.
    #[error("not a signed note: no text, blank line and signature lines")]
    NotANote,
    /// A control character other than the newline.
    #[error("control character at byte {at} of the note")]
    Control {
        /// Offset in bytes.
        at: usize,
    },
    /// A line below the text that is no signature.
    #[error("signature line {line} is malformed")]
    SignatureLine {
        /// Number of the line, from 1 for the first below the blank line.
        line: usize,
    },
    /// More signatures than anybody needs to check.
    #[error("{count} signatures, more than {NOTE_SIGNATURES_MAX}")]
    TooManySignatures {
        /// Signature lines on the note.
        count: usize,
    },
    /// An origin or key name that is empty or has a space, a plus or a control character.
    #[error("origin or key name is empty or has a space, a plus or a control character")]
    Name,
    /// The text has other than the three lines origin, size and root.
    #[error("a checkpoint has three lines: origin, size, root")]
    Lines,
    /// The size is not a decimal number without leading zeros.
    #[error("the checkpoint's size is not a decimal number below 2^64 without leading zeros")]
    Size,
    /// The root is not 32 bytes in standard padded base64.
    #[error("the checkpoint's root is not the base64 of 32 bytes")]
    Root,
    /// A good checkpoint, but of another log than the key is for.
    #[error("the checkpoint's origin is not the key's name")]
    OtherOrigin,
    /// The key has not signed.
    #[error("no signature by key {}", hex(key_id))]
    Unsigned {
        /// The key looked for.
        key_id: [u8; 4],
    },
    /// A line that names the key does not verify under it.
    #[error("bad signature by key {}", hex(key_id))]
    Signature {
        /// The key looked for.
        key_id: [u8; 4],
    },
    /// Not `<name>+<8 hex digits>+<base64>`.
    #[error("not a verifier key: <name>+<key id>+<base64>")]
    KeyText,
    /// A key of another type.
    #[error("key of type {kind:#04x}, expected {expected:#04x}")]
    KeyKind {
        /// Type byte found.
        kind: u8,
        /// Type byte that was expected.
        expected: u8,
    },
    /// The id in the text is not that of its name and key.
    #[error("key id {} does not belong to the name and key", hex(found))]
    KeyId {
        /// The id found.
        found: [u8; 4],
    },
    /// The key's 32 bytes are no good.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a log says of itself: this many entries, under this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name for ever: `<host>/<tenant>`.
    pub origin: String,
    /// Number of leaves.
    pub size: TreeSize,
    /// Root of the tree over them.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The signed text: three lines, the last newline included.
    ///
    /// Source: C2SP `tlog-checkpoint`, "Note text".
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// The checkpoint of a text that is exactly what [`Checkpoint::text`] writes; extension lines are
    /// refused.
    ///
    /// # Errors
    /// [`NoteError::Lines`], [`NoteError::Name`], [`NoteError::Size`] or [`NoteError::Root`].
    /// Source: C2SP `tlog-checkpoint`, "Note text".
    pub fn parse_text(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Lines);
        };
        if !valid_name(origin) {
            return Err(NoteError::Name);
        }
        // Comparing texts refuses a sign and leading zeros, which the number parser takes.
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let root = STANDARD.decode(root).ok().and_then(|bytes| TreeHash::from_slice(&bytes));
        Ok(Self {
            origin: origin.to_owned(),
            size: TreeSize(number.ok_or(NoteError::Size)?),
            root: root.ok_or(NoteError::Root)?,
        })
    }
}

/// Signs a checkpoint as its log, whose key has the origin for a name.
///
/// IMPORTANT: two notes of one origin that no tree satisfies both are proof of fraud for ever. The
/// caller signs only what extends his high-water mark.
///
/// # Errors
/// [`NoteError::Name`] when the origin is no good as a name.
/// Source: C2SP `tlog-checkpoint`, "Signatures".
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SigningKey) -> Result<Note, NoteError> {
    let name = checkpoint.origin.clone();
    if !valid_name(&name) {
        return Err(NoteError::Name);
    }
    let text = checkpoint.text();
    let signature = key.sign(text.as_bytes()).to_bytes().to_vec();
    let key_id = key_id(&name, KIND_ED25519, &key.verifying_key());
    Ok(Note { text, signatures: vec![NoteSignature { name, key_id, signature }] })
}

/// A signed note: text, blank line, signature lines; nothing in it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed, its last newline included.
    pub text: String,
    /// The signature lines in their order.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line: `— <name> <base64(key id ‖ signature)>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// First bytes of a digest over name and key: a hint at the key, no proof.
    pub key_id: [u8; 4],
    /// The signature, at least one byte; its form depends on the key's type.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// The signature of a line without its newline.
    ///
    /// Source: C2SP `signed-note`, "Signatures".
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        (valid_name(name) && !signature.is_empty()).then(|| Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.signature].concat();
        write!(f, "{SIGNATURE_MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl Note {
    /// The parts of a note. The text may have blank lines: the last one parts it from the signatures.
    ///
    /// # Errors
    /// [`NoteError::NotANote`], [`NoteError::Control`], [`NoteError::SignatureLine`] or
    /// [`NoteError::TooManySignatures`].
    /// Source: C2SP `signed-note`, "Format".
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if let Some(at) = note.find(|c: char| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Control { at });
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NotANote)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NotANote)?;
        within_limit(lines.split('\n').count())?;
        let signatures = lines.split('\n').zip(1..).map(|(line, number)| {
            NoteSignature::parse(line).ok_or(NoteError::SignatureLine { line: number })
        });
        Ok(Self { text: format!("{text}\n"), signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The checkpoint in the text, signed or not.
    ///
    /// # Errors
    /// Those of [`Checkpoint::parse_text`].
    pub fn checkpoint(&self) -> Result<Checkpoint, NoteError> {
        Checkpoint::parse_text(&self.text)
    }

    /// Checks that `key` signed the text; lines of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] when no line names the key; [`NoteError::Signature`] when any line that
    /// names it does not verify; [`NoteError::TooManySignatures`].
    /// Source: C2SP `signed-note`, "Verification".
    pub fn verify(&self, key: &NoteKey) -> Result<(), NoteError> {
        let key_id = key.key_id();
        self.signatures_by(&key.name, key_id)?.try_for_each(|signature| {
            verify_strict(&key.public, self.text.as_bytes(), signature)
                .ok_or(NoteError::Signature { key_id })
        })
    }

    /// The checkpoint, signed by `key` as the log of that name.
    ///
    /// # Errors
    /// Those of [`Note::verify`] and [`Note::checkpoint`]; [`NoteError::OtherOrigin`] when the origin
    /// is not the key's name.
    /// Source: C2SP `tlog-checkpoint`, "Signatures".
    pub fn verify_checkpoint(&self, key: &NoteKey) -> Result<Checkpoint, NoteError> {
        self.verify(key)?;
        let checkpoint = self.checkpoint()?;
        if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(NoteError::OtherOrigin) }
    }

    /// What a witness adds to the checkpoint's lines: that it saw the log consistent up to here.
    ///
    /// `unix_s` is the witness's time in seconds since 1970. Witnesses sign only with a key that has no
    /// other use, for the message does not name them.
    ///
    /// # Errors
    /// Those of [`Note::checkpoint`], and [`NoteError::Name`] when `name` is no good.
    /// Source: C2SP `tlog-cosignature`, `cosignature/v1`.
    pub fn cosign(
        &self,
        name: &str,
        unix_s: u64,
        key: &SigningKey,
    ) -> Result<NoteSignature, NoteError> {
        self.checkpoint()?;
        if !valid_name(name) {
            return Err(NoteError::Name);
        }
        let signed = key.sign(cosigned_message(unix_s, &self.text).as_bytes()).to_bytes();
        Ok(NoteSignature {
            name: name.to_owned(),
            key_id: key_id(name, KIND_COSIGNATURE, &key.verifying_key()),
            signature: [&unix_s.to_be_bytes()[..], &signed].concat(),
        })
    }

    /// Checks that the witness cosigned the text, and returns when: its latest time in seconds since
    /// 1970, by its own clock.
    ///
    /// # Errors
    /// As for [`Note::verify`].
    /// Source: C2SP `tlog-cosignature`, `cosignature/v1`.
    pub fn verify_cosignature(&self, key: &WitnessKey) -> Result<u64, NoteError> {
        let key_id = key.key_id();
        self.signatures_by(&key.name, key_id)?.try_fold(0, |latest, cosignature| {
            let (time, signature) =
                cosignature.split_first_chunk().ok_or(NoteError::Signature { key_id })?;
            let unix_s = u64::from_be_bytes(*time);
            let message = cosigned_message(unix_s, &self.text);
            verify_strict(&key.public, message.as_bytes(), signature)
                .map(|()| unix_s.max(latest))
                .ok_or(NoteError::Signature { key_id })
        })
    }

    /// The signatures of lines that name the key, at least one.
    fn signatures_by(
        &self,
        name: &str,
        key_id: [u8; 4],
    ) -> Result<impl Iterator<Item = &[u8]>, NoteError> {
        within_limit(self.signatures.len())?;
        let by_key = move |line: &&NoteSignature| line.name == name && line.key_id == key_id;
        let mut lines = self.signatures.iter().filter(by_key).peekable();
        lines.peek().ok_or(NoteError::Unsigned { key_id })?;
        Ok(lines.map(|line| line.signature.as_slice()))
    }
}

impl fmt::Display for Note {
    /// The whole note, its last newline included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The key of a log: it signs the text as it is (type 0x01).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    /// Name on the signature lines; for a log its origin.
    pub name: String,
    /// The key.
    pub public: VerifyingKey,
}

impl NoteKey {
    /// First 4 bytes of SHA-256 over name, newline, 0x01 and key.
    ///
    /// Source: C2SP `signed-note`, "Signature types".
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        key_id(&self.name, KIND_ED25519, &self.public)
    }

    /// The key as text: `<name>+<key id in hex>+<base64(0x01 ‖ key)>`.
    ///
    /// Source: C2SP `signed-note`, "Verifier keys".
    #[must_use]
    pub fn vkey(&self) -> String {
        vkey(&self.name, KIND_ED25519, &self.public)
    }

    /// The key of its text.
    ///
    /// # Errors
    /// [`NoteError::KeyText`], [`NoteError::Name`], [`NoteError::KeyKind`], [`NoteError::KeyId`] or
    /// [`NoteError::Key`].
    /// Source: C2SP `signed-note`, "Verifier keys".
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, public) = parse_vkey(vkey, KIND_ED25519)?;
        Ok(Self { name, public })
    }
}

/// The key of a witness: it signs `cosignature/v1` messages (type 0x04).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    /// Name on the signature lines.
    pub name: String,
    /// The key.
    pub public: VerifyingKey,
}

impl WitnessKey {
    /// First 4 bytes of SHA-256 over name, newline, 0x04 and key.
    ///
    /// Source: C2SP `tlog-cosignature`.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        key_id(&self.name, KIND_COSIGNATURE, &self.public)
    }

    /// The key as text: `<name>+<key id in hex>+<base64(0x04 ‖ key)>`.
    ///
    /// Source: C2SP `tlog-cosignature`.
    #[must_use]
    pub fn vkey(&self) -> String {
        vkey(&self.name, KIND_COSIGNATURE, &self.public)
    }

    /// The key of its text.
    ///
    /// # Errors
    /// As for [`NoteKey::parse`].
    /// Source: C2SP `tlog-cosignature`.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, public) = parse_vkey(vkey, KIND_COSIGNATURE)?;
        Ok(Self { name, public })
    }
}

/// Whether `name` can be an origin or a key's name: not empty; no space, plus or control character.
///
/// Source: C2SP `signed-note`, "Signatures".
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let barred = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(barred)
}

fn within_limit(count: usize) -> Result<(), NoteError> {
    if count > NOTE_SIGNATURES_MAX {
        return Err(NoteError::TooManySignatures { count });
    }
    Ok(())
}

fn key_id(name: &str, kind: u8, public: &VerifyingKey) -> [u8; 4] {
    let digest = sha256(&[name.as_bytes(), b"\n", &[kind], public.as_bytes()].concat());
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

fn vkey(name: &str, kind: u8, public: &VerifyingKey) -> String {
    let key = [&[kind][..], public.as_bytes()].concat();
    format!("{name}+{}+{}", hex(&key_id(name, kind, public)), STANDARD.encode(key))
}

fn parse_vkey(text: &str, expected: u8) -> Result<(String, VerifyingKey), NoteError> {
    // Base64 may itself have a plus, so only the first two part the text.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::KeyText);
    };
    if !valid_name(name) {
        return Err(NoteError::Name);
    }
    let found = crate::id::unhex(id).and_then(|id| <[u8; 4]>::try_from(id).ok());
    let found = found.ok_or(NoteError::KeyText)?;
    let key = STANDARD.decode(encoded).ok().ok_or(NoteError::KeyText)?;
    let (kind, point) = key.split_first().ok_or(NoteError::KeyText)?;
    if *kind != expected {
        return Err(NoteError::KeyKind { kind: *kind, expected });
    }
    let public = *PublicKey::from_bytes(point)?.verifying_key();
    if key_id(name, expected, &public) != found {
        return Err(NoteError::KeyId { found });
    }
    Ok((name.to_owned(), public))
}

fn cosigned_message(unix_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {unix_s}\n{text}")
}

fn verify_strict(public: &VerifyingKey, message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = Signature::from_slice(signature).ok()?;
    public.verify_strict(message, &signature).ok()
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

    use proptest::prelude::*;

    use super::*;

    const ORIGIN: &str = "ledger.example.com/acme";
    const WITNESS: &str = "witness.example.com/w1";

    fn log_key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn log() -> NoteKey {
        NoteKey { name: ORIGIN.to_owned(), public: log_key().verifying_key() }
    }

    fn witness_key() -> SigningKey {
        SigningKey::from_bytes(&[8; 32])
    }

    fn witness() -> WitnessKey {
        WitnessKey { name: WITNESS.to_owned(), public: witness_key().verifying_key() }
    }

    fn checkpoint() -> Checkpoint {
        let root = TreeHash(sha256(b"root"));
        Checkpoint { origin: ORIGIN.to_owned(), size: TreeSize(20_852_163), root }
    }

    fn note() -> Note {
        sign_checkpoint(&checkpoint(), &log_key()).unwrap()
    }

    fn cosigned() -> Note {
        let mut note = note();
        note.signatures.push(note.cosign(WITNESS, 1_679_315_147, &witness_key()).unwrap());
        note
    }

    /// The example in the documentation of Go's `note` package, which the format comes from.
    #[test]
    fn the_published_note_verifies() {
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ\
                    SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = NoteKey::parse(vkey).unwrap();
        assert_eq!(key.vkey(), vkey);
        assert_eq!(hex(&key.key_id()), "c74f20a3");
        let note = Note::parse(text).unwrap();
        assert_eq!(note.to_string(), text);
        note.verify(&key).unwrap();
        assert_eq!(note.checkpoint(), Err(NoteError::Lines));
    }

    /// The example of the cosignature specification, whose keys are not published.
    #[test]
    fn the_published_cosigned_checkpoint_parses() {
        let text = "example.com/behind-the-sofa\n\
                    20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
                    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4U\
                    RYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
                    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC\
                    B9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let note = Note::parse(text).unwrap();
        assert_eq!(note.to_string(), text);
        let checkpoint = note.checkpoint().unwrap();
        assert_eq!(checkpoint.size, TreeSize(20_852_163));
        assert_eq!(checkpoint.text(), note.text);
        assert_eq!(note.signatures[1].signature.len(), 8 + 64);
    }

    #[test]
    fn a_signed_checkpoint_comes_back() {
        let text = cosigned().to_string();
        let note = Note::parse(&text).unwrap();
        assert_eq!(note, cosigned());
        assert_eq!(note.verify_checkpoint(&log()), Ok(checkpoint()));
        assert_eq!(note.verify_cosignature(&witness()), Ok(1_679_315_147));
        assert_eq!(note.verify(&log()), Ok(()));
    }

    #[test]
    fn a_vkey_comes_back() {
        assert_eq!(NoteKey::parse(&log().vkey()), Ok(log()));
        assert_eq!(WitnessKey::parse(&witness().vkey()), Ok(witness()));
        let kind = NoteError::KeyKind { kind: 4, expected: 1 };
        assert_eq!(NoteKey::parse(&witness().vkey()), Err(kind));
        let kind = NoteError::KeyKind { kind: 1, expected: 4 };
        assert_eq!(WitnessKey::parse(&log().vkey()), Err(kind));
        let other = log().vkey().replacen("acme", "evil", 1);
        assert_eq!(NoteKey::parse(&other), Err(NoteError::KeyId { found: log().key_id() }));
        for text in ["", "a", "a+b", "a+0011223+AA==", "a+00112233+?", "a+00112233+"] {
            assert_eq!(NoteKey::parse(text), Err(NoteError::KeyText), "{text}");
        }
        assert_eq!(NoteKey::parse("+00112233+AA=="), Err(NoteError::Name));
        let short = NoteKey::parse("a+00112233+AQ==");
        assert_eq!(short, Err(NoteError::Key(KeyError::NotAPoint)));
        let weak = format!("a+00112233+{}", STANDARD.encode([&[1_u8, 1][..], &[0; 31]].concat()));
        assert_eq!(NoteKey::parse(&weak), Err(NoteError::Key(KeyError::Weak)));
    }

    #[test]
    fn unknown_keys_are_ignored_and_bad_signatures_are_not() {
        let key_id = log().key_id();
        let mut other = log();
        other.public = witness_key().verifying_key();
        let unsigned = NoteError::Unsigned { key_id: other.key_id() };
        assert_eq!(note().verify(&other), Err(unsigned));
        let unsigned = NoteError::Unsigned { key_id: witness().key_id() };
        assert_eq!(note().verify_cosignature(&witness()), Err(unsigned));

        // A good signature does not make up for a bad one by the same key.
        let mut twice = note();
        twice.signatures.push(twice.signatures[0].clone());
        assert_eq!(twice.verify(&log()), Ok(()));
        twice.signatures[1].signature[0] ^= 1;
        assert_eq!(twice.verify(&log()), Err(NoteError::Signature { key_id }));
        twice.signatures[1].signature = vec![0; 12];
        assert_eq!(twice.verify(&log()), Err(NoteError::Signature { key_id }));
        // The same line under a name that nobody asked for is none of our business.
        twice.signatures[1].name.push('x');
        assert_eq!(twice.verify(&log()), Ok(()));
    }

    #[test]
    fn a_cosignature_covers_time_and_text() {
        let bad = Err(NoteError::Signature { key_id: witness().key_id() });
        let mut later = cosigned();
        later.signatures[1].signature[7] ^= 1;
        assert_eq!(later.verify_cosignature(&witness()), bad);
        let mut short = cosigned();
        short.signatures[1].signature.truncate(7);
        assert_eq!(short.verify_cosignature(&witness()), bad);
        let mut other = cosigned();
        other.text = Checkpoint { size: TreeSize(1), ..checkpoint() }.text();
        assert_eq!(other.verify_cosignature(&witness()), bad);
        let mut twice = cosigned();
        twice.signatures.push(note().cosign(WITNESS, 1_700_000_000, &witness_key()).unwrap());
        twice.signatures.push(note().cosign(WITNESS, 5, &witness_key()).unwrap());
        assert_eq!(twice.verify_cosignature(&witness()), Ok(1_700_000_000));
    }

    #[test]
    fn the_cosigned_bytes_are_the_specified_ones() {
        let line = &cosigned().signatures[1];
        let message = format!("cosignature/v1\ntime 1679315147\n{}", checkpoint().text());
        let signature = witness_key().sign(message.as_bytes()).to_bytes();
        assert_eq!(line.signature[..8], 1_679_315_147_u64.to_be_bytes());
        assert_eq!(line.signature[8..], signature);
        let named = [WITNESS.as_bytes(), b"\n\x04", witness().public.as_bytes()].concat();
        assert_eq!(line.key_id, sha256(&named)[..4]);
    }

    #[test]
    fn signatures_are_counted() {
        let mut note = note();
        let line = note.signatures[0].clone();
        note.signatures = vec![line.clone(); NOTE_SIGNATURES_MAX];
        assert_eq!(Note::parse(&note.to_string()).unwrap().verify(&log()), Ok(()));
        note.signatures.push(line);
        let too_many = NoteError::TooManySignatures { count: 17 };
        assert_eq!(note.verify(&log()), Err(too_many));
        assert_eq!(Note::parse(&note.to_string()), Err(too_many));
    }

    #[test]
    fn a_key_speaks_for_its_own_origin_only() {
        let mut note = note();
        note.text = Checkpoint { origin: "other.example/acme".to_owned(), ..checkpoint() }.text();
        note.signatures[0].signature = log_key().sign(note.text.as_bytes()).to_bytes().to_vec();
        assert_eq!(note.verify(&log()), Ok(()));
        assert_eq!(note.verify_checkpoint(&log()), Err(NoteError::OtherOrigin));
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "a b", "a+b", "a\nb", "a\u{7f}", "a\u{a0}b", "a\u{2028}b", "\t"] {
            assert!(!valid_name(name), "{name:?}");
            let checkpoint = Checkpoint { origin: name.to_owned(), ..checkpoint() };
            assert_eq!(sign_checkpoint(&checkpoint, &log_key()), Err(NoteError::Name));
            assert_eq!(note().cosign(name, 1, &witness_key()), Err(NoteError::Name));
        }
        assert!(valid_name("ledger.example.com/acme/2"));
    }

    #[test]
    fn malformed_checkpoints_are_refused() {
        let root = STANDARD.encode([9; 32]);
        let cases = [
            (format!("o\n1\n{root}"), NoteError::Lines),
            (format!("o\n1\n{root}\nextension\n"), NoteError::Lines),
            (format!("o\n1\n{root}\n\n"), NoteError::Lines),
            ("o\n1\n".to_owned(), NoteError::Lines),
            (format!("\n1\n{root}\n"), NoteError::Name),
            (format!("o\n01\n{root}\n"), NoteError::Size),
            (format!("o\n+1\n{root}\n"), NoteError::Size),
            (format!("o\n-1\n{root}\n"), NoteError::Size),
            (format!("o\n\n{root}\n"), NoteError::Size),
            (format!("o\n18446744073709551616\n{root}\n"), NoteError::Size),
            (format!("o\n1\n{}\n", root.trim_end_matches('=')), NoteError::Root),
            (format!("o\n1\n{root}=\n"), NoteError::Root),
            (format!("o\n1\n{}\n", STANDARD.encode([9; 31])), NoteError::Root),
            // The same bytes, but with bits set below the last one.
            ("o\n1\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQl=\n".to_owned(), NoteError::Root),
        ];
        for (text, error) in cases {
            assert_eq!(Checkpoint::parse_text(&text), Err(error), "{text:?}");
        }
        for size in [0, u64::MAX] {
            let checkpoint = Checkpoint { size: TreeSize(size), ..checkpoint() };
            assert_eq!(Checkpoint::parse_text(&checkpoint.text()), Ok(checkpoint));
        }
    }

    #[test]
    fn malformed_notes_are_refused() {
        let line = note().signatures[0].to_string();
        let first = NoteError::SignatureLine { line: 1 };
        let cases = [
            (String::new(), NoteError::NotANote),
            ("text\n".to_owned(), NoteError::NotANote),
            ("text\n\n".to_owned(), NoteError::NotANote),
            (format!("text\n\n{line}"), NoteError::NotANote),
            (format!("text\n{line}\n"), NoteError::NotANote),
            (format!("text\r\n\n{line}\n"), NoteError::Control { at: 4 }),
            (format!("te\u{7f}t\n\n{line}\n"), NoteError::Control { at: 2 }),
            (format!("text\n\n{line}\nx\n"), NoteError::SignatureLine { line: 2 }),
            ("text\n\n\n".to_owned(), NoteError::NotANote),
            ("text\n\n- a AAAAAAA=\n".to_owned(), first),
            ("text\n\n— a AAAAAA==\n".to_owned(), first),
            ("text\n\n— a AAAAAAA\n".to_owned(), first),
            ("text\n\n—  AAAAAAA=\n".to_owned(), first),
            ("text\n\n— a+b AAAAAAA=\n".to_owned(), first),
            ("text\n\n— a AAAAAAA= \n".to_owned(), first),
        ];
        for (text, error) in cases {
            assert_eq!(Note::parse(&text), Err(error), "{text:?}");
        }
        let blank_lines = format!("a\n\nb\n\n{line}\n");
        let note = Note::parse(&blank_lines).unwrap();
        assert_eq!((note.text.as_str(), note.to_string()), ("a\n\nb\n", blank_lines));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_whatever_parses_comes_back(
            text in "([a-z—+ \n]|\n\n|— a AAAAAAA=\n){0,20}",
            vkey in "[a+]{0,3}[0-9a-f+]{0,9}[A-Za-z0-9+/=]{0,50}",
        ) {
            if let Ok(note) = Note::parse(&text) {
                prop_assert_eq!(note.to_string(), text.clone());
            }
            let _ = Checkpoint::parse_text(&text);
            let _ = NoteKey::parse(&vkey);
        }

        #[test]
        fn any_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = note().to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let read = String::from_utf8(bytes).ok().and_then(|text| Note::parse(&text).ok());
            prop_assert!(read.is_none_or(|note| note.verify_checkpoint(&log()).is_err()));
        }
    }
}
