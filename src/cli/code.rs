//! Error codes: stable names, each with its exit code and an explanation.

use crate::exit::Exit;

macro_rules! codes {
    ($($name:ident = $text:literal $exit:ident $title:literal $explanation:literal;)*) => {
        /// What an error is called, for ever.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, in order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as printed.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How the command ends.
            pub(crate) const fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit,)* }
            }

            /// The same failure in a few words, alike for every occurrence.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what to do.
            pub(crate) const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }
        }
    };
}

codes! {
    Argument = "SW0101" Usage "an argument cannot be used"
        "A value on the command line, in the environment or in the configuration is not what it must\nbe. Nothing was sent or changed.";
    KeyFile = "SW0102" Usage "a key file cannot be used"
        "Key files hold a secret. They are refused when anybody but their owner may read or write them\n(chmod 600 FILE), when a line is missing or does not fit the others, and they are never overwritten.";
    Input = "SW0103" Usage "the input is not JSON"
        "Events are read as JSON lines, or as one JSON array. Those before the fault were taken, the rest\nwas not read.";
    File = "SW0104" Other "a file cannot be read or written"
        "The operating system's own reason stands below the error.";
    Spool = "SW0105" Other "the spool cannot be used"
        "A publisher keeps each submission on disk until its receipt is verified. One process at a time may\nuse the directory (--spool DIR gives another one), and a file that was altered is named and kept.\nA full spool means that the ledger has not answered for long.";
    Output = "SW0106" Other "the output cannot be written"
        "Standard output failed for another reason than a closed pipe, which ends a command quietly.";
    Context = "SW0107" Usage "a context cannot be used"
        "Contexts are files below ~/.config/sworn (XDG_CONFIG_HOME). SWORN_CONTEXT names one, else the one\nselected is used: sworn context ls";
    Contract = "SW0108" Usage "a file is no contract"
        "The line below names the field, the reason and what was expected. Nothing was signed or sent. What a\ncontract may say is in docs/registry.md.";
    Tokens = "SW0109" Usage "the tokens of a ledger cannot be used"
        "They are kept in access/tokens.toml below the ledger's directory (--data), which only its owner may\nread (chmod 600). A name is given once; sworn token revoke NAME frees it.";
    Unreachable = "SW0201" Unreachable "the server cannot be reached"
        "No connection, or no answer in time. The address is --url or SWORN_URL, else that of the context in\nuse, else http://127.0.0.1:7420. A server that is starting or stopping refuses connections for a\nmoment.";
    NotFound = "SW0202" NotFound "there is no such thing"
        "What is unknown and what you may not see are answered alike. What was erased is gone, too.";
    NotPermitted = "SW0203" NotPermitted "the server does not permit this"
        "No valid token was sent, or its role or scope does not reach that far. A token comes from --token,\nSWORN_TOKEN or the context's token_file. Operators make one with: sworn token create";
    Query = "SW0204" Usage "the server refuses the request"
        "A query, a parameter or a cursor cannot be read. Keys and forms of time are in: sworn query --help";
    Server = "SW0205" Other "the server failed"
        "The server answered with an error of its own, and its log says more; or it has too much to do, of\nall or of yours, or is ending: then ask again in a while.";
    Answer = "SW0206" Other "the server's answer cannot be read"
        "The address may be another program's, or the server of another version.";
    Broker = "SW0207" Unreachable "the NATS server cannot be reached"
        "Submissions travel through NATS JetStream. The address is --nats or SWORN_NATS_URL, else\nthat of the context in use, else nats://127.0.0.1:4222.";
    Reset = "SW0208" Conflict "the log is not the one that was being read"
        "A tail resumes where it stood. The server holds another log (foreign), a shorter one (shorter) or\nanother history at that place (different). Unless the ledger was deliberately replaced, it was rolled\nback or rewritten: keep what you have and run: sworn verify";
    Rejected = "SW0301" Rejected "a submission was rejected"
        "The ledger refused it for the reason shown, and recorded that it did. The cause names the field and\nwhat was expected there. Reasons are never collapsed: sworn query status:rejected shows them all.";
    UnknownFate = "SW0302" UnknownFate "the fate of a submission is unknown"
        "No receipt came in time. It may be in the log already or arrive there later. `publish` keeps it in\nits spool and resends it at the next run: `publish --flush` sends that alone, while the same input\ngiven again is signed as other events. The ledger answers a repetition with the original receipt.\nWhat an operator command sent is not kept: look whether it took effect before repeating it.";
    Receipt = "SW0303" BadSignature "a receipt does not verify"
        "Something answered, but its receipt does not prove that the very bytes sent are in the log of the\ntrusted key. Nothing was removed from the spool. Either the key given with --trust is another\nledger's, or somebody forges replies.";
    Unreadable = "SW0401" Other "the ledger cannot be read"
        "The store failed, or could not be opened for reading. This is no verdict on its content.";
    Gap = "SW0410" Gap "an entry is missing"
        "The log has fewer entries than its checkpoint, or a place without an entry.";
    BadSignature = "SW0411" BadSignature "a signature does not verify"
        "An entry's statement was not signed by the key that was valid for its signer at that place, or the\ncheckpoint not by the ledger's key.";
    HashMismatch = "SW0412" HashMismatch "an entry does not match its stored hash"
        "Stored bytes were changed after they were committed. Entries before the one named are sound. Keep the\nstore as evidence, do not repair it; compare it with a backup and with witnessed checkpoints.";
    Conflict = "SW0413" Conflict "checkpoints contradict each other"
        "Two signed statements about the log, of which one tree can satisfy only one: it was rolled back,\nforked, or belongs to another key. Keep both: together they are the proof.";
    Undecidable = "SW0414" Undecidable "something needed for a verdict is missing"
        "A key, proof or claim is not there, so neither sound nor broken could be established. This is never\na success.";
    OtherRenderer = "SW0415" Undecidable "the report of a bundle cannot be compared"
        "The evidence was checked. What people read in the bundle was made by another version of the renderer,\nso whether it says what the evidence says is undecided, which is never a success: whoever forges a\nreport can name another version, too. Compare it with the program that the bundle names as its maker.";
    Otherwise = "SW0416" HashMismatch "an entry is shown otherwise than it is proved"
        "What the server shows of the entry is not what the bytes say that the ledger's key proves. Nothing\nwas shown. The server, or whoever answers in its place, shows what was never committed: keep its\nanswer and compare it with the entry's /leaf and /body.";
    Ledger = "SW0501" Other "the ledger refuses to open"
        "It is in use by another process, absent, written by another version, or its high-water mark is\nmissing. A mark that is missing beside a store with entries is not created anew, because then a\nrollback could not be noticed.";
    Exists = "SW0502" Other "there is a ledger already"
        "A ledger is created once; its key and origin are for ever.";
    Serve = "SW0503" Other "the server stopped"
        "One of its parts failed, and a ledger that cannot keep its promises does not go on. What was\nreceipted is safe; publishers resend the rest. Where a write failed, look at the\ndisk first: docs/recovery.md.";
    Config = "SW0504" Usage "the configuration cannot be used"
        "Flags come before SWORN_* variables, these before the file given with --config, which comes before\nthe defaults. Unknown keys are errors.";
    Demo = "SW0505" Other "the demonstration failed"
        "What was expected to happen did not. In a copy made for tampering, an undetected change is a defect:\nplease report it.";
}

impl Code {
    /// The code with this text, in either case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text))
    }

    /// The code for a verdict of verification.
    pub(crate) const fn of_verdict(exit: Exit) -> Self {
        match exit {
            Exit::HashMismatch => Self::HashMismatch,
            Exit::BadSignature => Self::BadSignature,
            Exit::Gap => Self::Gap,
            Exit::Conflict => Self::Conflict,
            _ => Self::Undecidable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ascending_and_found() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].as_str() < pair[1].as_str());
        }
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(*code));
            assert!(code.as_str().len() == 6 && !code.title().is_empty());
            assert_ne!(code.exit(), Exit::Ok);
            assert!(code.explanation().lines().all(|line| line.chars().count() <= 102), "{code:?}");
        }
        assert_eq!(Code::parse("SW0000"), None);
    }

    #[test]
    fn verdicts_keep_their_exit_codes() {
        for exit in Exit::ALL.iter().filter(|exit| exit.code() >= 10) {
            assert_eq!(Code::of_verdict(*exit).exit(), *exit);
        }
    }
}
