//! Which witnesses must have cosigned a checkpoint before it counts: policies as text.
//!
//! Source: C2SP `tlog-policy`.

use std::collections::BTreeMap;

use crate::checkpoint::{Note, NoteError, NoteKey, WitnessKey};
use crate::limits::{POLICY_BYTES_MAX, POLICY_LINES_MAX};

/// The quorum that asks for nobody.
const NONE: &str = "none";

/// A policy: logs, witnesses, and the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Logs whose checkpoints count, with an address where one is given.
    pub logs: Vec<(NoteKey, Option<String>)>,
    /// Witnesses, in the order of the file.
    pub witnesses: Vec<Witness>,
    quorum: Quorum,
}

/// A witness by its name in the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this file; means nothing outside.
    pub name: String,
    /// The key that it cosigns with.
    pub key: WitnessKey,
    /// Where it is asked: the prefix of `add-checkpoint`.
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Quorum {
    Nobody,
    /// The witness with this place in the list.
    One(usize),
    /// At least so many of these.
    Of(usize, Vec<Quorum>),
}

/// Why a text is no policy. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than anybody needs.
    #[error("more than {POLICY_BYTES_MAX} bytes or {POLICY_LINES_MAX} lines")]
    TooLong,
    /// A control character other than tab and newline.
    #[error("line {line}: a control character")]
    Control {
        /// Number of the line.
        line: usize,
    },
    /// The first word is none of the four.
    #[error("line {line}: {word:?} is none of log, witness, group, quorum")]
    Word {
        /// Number of the line.
        line: usize,
        /// The word.
        word: String,
    },
    /// Too few or too many words.
    #[error("line {line}: expected {expected}")]
    Form {
        /// Number of the line.
        line: usize,
        /// What the line must be.
        expected: &'static str,
    },
    /// Not a verifier key of the right type.
    #[error("line {line}: {fault}")]
    Key {
        /// Number of the line.
        line: usize,
        /// What is wrong with it.
        fault: NoteError,
    },
    /// The same log or witness key twice, whatever its name.
    #[error("line {line}: this key is on a line before")]
    SameKey {
        /// Number of the line.
        line: usize,
    },
    /// A name that is defined already, or `none`.
    #[error("line {line}: the name {name:?} is taken")]
    Taken {
        /// Number of the line.
        line: usize,
        /// The name.
        name: String,
    },
    /// A name that no line before defines, or a member that another group has.
    #[error("line {line}: {name:?} is not defined before, or is a group's member already")]
    Unknown {
        /// Number of the line.
        line: usize,
        /// The name.
        name: String,
    },
    /// Not a number from 1 to the number of members.
    #[error("line {line}: the threshold must be all, any, or 1 to {members}")]
    Threshold {
        /// Number of the line.
        line: usize,
        /// Members of the group.
        members: usize,
    },
    /// Not exactly one quorum line.
    #[error("there must be one quorum line, there are {0}")]
    Quorums(usize),
}

/// Which witnesses cosigned, and whether they are enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// For each witness of the policy, when it cosigned in seconds since 1970, if it did.
    pub times: Vec<Option<u64>>,
    /// Whether the quorum is met.
    pub quorum: bool,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX || text.lines().count() > POLICY_LINES_MAX {
            return Err(PolicyError::TooLong);
        }
        let mut parser = Parser::default();
        for (line, text) in (1..).zip(text.split('\n')) {
            if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(PolicyError::Control { line });
            }
            let words: Vec<_> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                parser.line(line, &words)?;
            }
        }
        let Parser { logs, witnesses, mut quorums, .. } = parser;
        let count = quorums.len();
        let quorum = quorums.pop().filter(|_| count == 1).ok_or(PolicyError::Quorums(count))?;
        Ok(Self { logs, witnesses, quorum })
    }

    /// Who cosigned the note. A line that names a witness's key and does not verify counts as none.
    #[must_use]
    pub fn witnessed(&self, note: &Note) -> Witnessed {
        let time = |witness: &Witness| note.verify_cosignature(&witness.key).ok();
        let times: Vec<_> = self.witnesses.iter().map(time).collect();
        let quorum = self.quorum.is_met(&times);
        Witnessed { times, quorum }
    }
}

impl Quorum {
    fn is_met(&self, times: &[Option<u64>]) -> bool {
        match self {
            Self::Nobody => true,
            Self::One(place) => times.get(*place).is_some_and(Option::is_some),
            Self::Of(threshold, members) => {
                members.iter().filter(|member| member.is_met(times)).count() >= *threshold
            }
        }
    }
}

#[derive(Default)]
struct Parser {
    logs: Vec<(NoteKey, Option<String>)>,
    witnesses: Vec<Witness>,
    /// What each name means; `None` once a group has it.
    names: BTreeMap<String, Option<Quorum>>,
    quorums: Vec<Quorum>,
}

impl Parser {
    fn line(&mut self, line: usize, words: &[&str]) -> Result<(), PolicyError> {
        match words {
            ["log", vkey] => self.log(line, vkey, None),
            ["log", vkey, url] => self.log(line, vkey, Some(url)),
            ["log", ..] => Err(PolicyError::Form { line, expected: "log <vkey> [<url>]" }),
            ["witness", name, vkey] => self.witness(line, name, vkey, None),
            ["witness", name, vkey, url] => self.witness(line, name, vkey, Some(url)),
            ["witness", ..] => {
                Err(PolicyError::Form { line, expected: "witness <name> <vkey> [<url>]" })
            }
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(line, name, threshold, members)
            }
            ["group", ..] => {
                Err(PolicyError::Form { line, expected: "group <name> all|any|<k> <name>..." })
            }
            ["quorum", NONE] => {
                self.quorums.push(Quorum::Nobody);
                Ok(())
            }
            ["quorum", name] => {
                let quorum = self.names.get(*name).cloned().flatten();
                self.quorums.push(quorum.ok_or_else(|| unknown(line, name))?);
                Ok(())
            }
            ["quorum", ..] => Err(PolicyError::Form { line, expected: "quorum <name>|none" }),
            [word, ..] => Err(PolicyError::Word { line, word: (*word).to_owned() }),
            [] => Ok(()),
        }
    }

    fn log(&mut self, line: usize, vkey: &str, url: Option<&str>) -> Result<(), PolicyError> {
        let key = NoteKey::parse(vkey).map_err(|fault| PolicyError::Key { line, fault })?;
        if self.logs.iter().any(|(other, _)| other.public == key.public) {
            return Err(PolicyError::SameKey { line });
        }
        self.logs.push((key, url.map(str::to_owned)));
        Ok(())
    }

    fn witness(
        &mut self,
        line: usize,
        name: &str,
        vkey: &str,
        url: Option<&str>,
    ) -> Result<(), PolicyError> {
        let key = WitnessKey::parse(vkey).map_err(|fault| PolicyError::Key { line, fault })?;
        if self.witnesses.iter().any(|other| other.key.public == key.public) {
            return Err(PolicyError::SameKey { line });
        }
        self.define(line, name, Quorum::One(self.witnesses.len()))?;
        let (name, url) = (name.to_owned(), url.map(str::to_owned));
        self.witnesses.push(Witness { name, key, url });
        Ok(())
    }

    fn group(
        &mut self,
        line: usize,
        name: &str,
        threshold: &str,
        members: &[&str],
    ) -> Result<(), PolicyError> {
        let count = members.len();
        let number = match threshold {
            "all" => Some(count),
            "any" => Some(1),
            number => number.parse().ok().filter(|_| !number.starts_with(['0', '+'])),
        };
        let number: Option<usize> = number.filter(|number| (1..=count).contains(number));
        let number = number.ok_or(PolicyError::Threshold { line, members: count })?;
        let mut of = Vec::with_capacity(count);
        for member in members {
            // Each name is a member at most once, so that nobody counts twice.
            let found = self.names.get_mut(*member).and_then(Option::take);
            of.push(found.ok_or_else(|| unknown(line, member))?);
        }
        self.define(line, name, Quorum::Of(number, of))
    }

    fn define(&mut self, line: usize, name: &str, meaning: Quorum) -> Result<(), PolicyError> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyError::Taken { line, name: name.to_owned() });
        }
        self.names.insert(name.to_owned(), Some(meaning));
        Ok(())
    }
}

fn unknown(line: usize, name: &str) -> PolicyError {
    PolicyError::Unknown { line, name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::checkpoint::{Checkpoint, sign_checkpoint};
    use crate::id::{TreeHash, TreeSize};

    const NAMES: [&str; 6] = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn vkey(seed: u8) -> String {
        let name = format!("witness.example/w{seed}");
        WitnessKey { name, public: key(seed).verifying_key() }.vkey()
    }

    /// The example of the specification, with keys.
    fn example() -> String {
        let log = NoteKey { name: "example.com/log".into(), public: key(99).verifying_key() };
        let mut text = format!("# a comment\nlog {}\n\n", log.vkey());
        for (seed, name) in (1..).zip(NAMES) {
            text += &format!("witness {name}\t{}  https://w{seed}.example/\n", vkey(seed));
        }
        text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
                group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    }

    fn cosigned(seeds: &[u8]) -> Note {
        let origin = "example.com/log".to_owned();
        let checkpoint = Checkpoint { origin, size: TreeSize(1), root: TreeHash([1; 32]) };
        let mut note = sign_checkpoint(&checkpoint, &key(99)).unwrap();
        for seed in seeds {
            let name = format!("witness.example/w{seed}");
            let line = note.cosign(&name, 1_700_000_000, &key(*seed)).unwrap();
            note.signatures.push(line);
        }
        note
    }

    #[test]
    fn the_specifications_example_asks_for_two_of_x_and_one_of_y() {
        let policy = Policy::parse(&example()).unwrap();
        assert_eq!((policy.logs.len(), policy.witnesses.len()), (1, 6));
        assert_eq!(policy.witnesses[2].url.as_deref(), Some("https://w3.example/"));
        let met = |seeds: &[u8]| policy.witnessed(&cosigned(seeds)).quorum;
        assert!(met(&[1, 3, 5]) && met(&[1, 2, 3, 4]));
        for few in [&[][..], &[1, 2], &[1, 4], &[4, 5, 6], &[7, 8, 9]] {
            assert!(!met(few), "{few:?}");
        }
        let times = policy.witnessed(&cosigned(&[2])).times;
        assert_eq!(times[..3], [None, Some(1_700_000_000), None]);
    }

    #[test]
    fn a_forged_cosignature_counts_for_nobody() {
        let policy = Policy::parse(&format!("witness a {}\nquorum a", vkey(1))).unwrap();
        let mut note = cosigned(&[1]);
        assert!(policy.witnessed(&note).quorum);
        *note.signatures[1].signature.last_mut().unwrap() ^= 1;
        assert!(!policy.witnessed(&note).quorum);
        assert!(Policy::parse("quorum none").unwrap().witnessed(&cosigned(&[])).quorum);
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let [one, two] = [1, 2].map(vkey);
        let log = NoteKey { name: "l".into(), public: key(9).verifying_key() }.vkey();
        let cases = [
            (String::new(), PolicyError::Quorums(0)),
            ("quorum none\nquorum none".into(), PolicyError::Quorums(2)),
            ("quorum a".into(), unknown(1, "a")),
            ("\nwitnes a".into(), PolicyError::Word { line: 2, word: "witnes".into() }),
            (
                "witness a".into(),
                PolicyError::Form { line: 1, expected: "witness <name> <vkey> [<url>]" },
            ),
            (
                format!("witness a {one}\nwitness a {two}"),
                PolicyError::Taken { line: 2, name: "a".into() },
            ),
            (format!("witness none {one}"), PolicyError::Taken { line: 1, name: "none".into() }),
            (format!("witness a {one}\nwitness b {one}"), PolicyError::SameKey { line: 2 }),
            (format!("log {log}\nlog {log}"), PolicyError::SameKey { line: 2 }),
            (
                format!("witness a {one}\ngroup g 2 a"),
                PolicyError::Threshold { line: 2, members: 1 },
            ),
            (
                format!("witness a {one}\ngroup g 01 a"),
                PolicyError::Threshold { line: 2, members: 1 },
            ),
            (format!("witness a {one}\ngroup g any a a"), unknown(2, "a")),
            (format!("witness a {one}\ngroup g any a\nquorum a"), unknown(3, "a")),
            ("group g any g".into(), unknown(1, "g")),
            ("quorum\u{7} none".into(), PolicyError::Control { line: 1 }),
            ("#\n".repeat(POLICY_LINES_MAX + 1), PolicyError::TooLong),
        ];
        for (text, fault) in cases {
            assert_eq!(Policy::parse(&text), Err(fault), "{text}");
        }
        let wrong = Policy::parse(&format!("witness a {log}"));
        assert!(matches!(wrong, Err(PolicyError::Key { line: 1, .. })), "a log's key: {wrong:?}");
    }
}
