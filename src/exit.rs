//! Exit codes: what a script may rely on, in one table.

macro_rules! exits {
    ($($name:ident = $code:literal $meaning:literal,)*) => {
        /// How a command ended. The numbers are part of the interface.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub(crate) enum Exit { $(#[doc = $meaning] $name,)* }

        impl Exit {
            /// Every code, ascending.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number that the shell sees.
            pub(crate) const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// What it says, in a few words.
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

exits! {
    Ok = 0 "ok; a duplicate too",
    Other = 1 "any other failure",
    Usage = 2 "the command line or its input cannot be used",
    NotFound = 3 "not found",
    NotPermitted = 4 "not permitted",
    Unreachable = 5 "the server or the broker cannot be reached",
    Rejected = 6 "a submission was rejected",
    UnknownFate = 7 "no receipt in time: the submission's fate is unknown",
    HashMismatch = 10 "content does not match its hash",
    BadSignature = 11 "a signature does not verify",
    Gap = 12 "an entry is missing",
    Conflict = 13 "checkpoints contradict each other",
    Undecidable = 14 "a key, proof or claim that is needed is missing",
}

impl Exit {
    /// The more serious of two ends.
    ///
    /// Evidence of fraud first, then what cannot be decided, then a rejection before an unknown fate,
    /// which a repetition settles.
    pub(crate) fn worst(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    fn severity(self) -> usize {
        const ASCENDING: &[Exit] = &[
            Exit::Ok,
            Exit::UnknownFate,
            Exit::Rejected,
            Exit::NotFound,
            Exit::NotPermitted,
            Exit::Unreachable,
            Exit::Usage,
            Exit::Other,
            Exit::Undecidable,
            Exit::Gap,
            Exit::BadSignature,
            Exit::HashMismatch,
            Exit::Conflict,
        ];
        ASCENDING.iter().position(|exit| *exit == self).unwrap_or(ASCENDING.len())
    }

    /// The table as lines of text, for `--help`.
    pub(crate) fn table() -> String {
        let line = |exit: &Self| format!("  {:>2}  {}\n", exit.code(), exit.meaning());
        Self::ALL.iter().map(line).collect()
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_table_is_the_documented_one() {
        let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14]);
        assert!(Exit::table().contains("\n  13  checkpoints contradict"));
    }

    #[test]
    fn of_several_the_most_serious_wins() {
        let ends = [Exit::Undecidable, Exit::Gap, Exit::BadSignature, Exit::HashMismatch];
        let serious = [ends.as_slice(), &[Exit::Conflict]].concat();
        for pair in serious.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[1]);
            assert_eq!(pair[1].worst(pair[0]), pair[1]);
        }
        for exit in Exit::ALL {
            assert_eq!(Exit::Ok.worst(*exit), *exit);
            assert_eq!(exit.worst(Exit::Ok), *exit);
        }
        assert_eq!(Exit::UnknownFate.worst(Exit::Rejected), Exit::Rejected);
    }
}
