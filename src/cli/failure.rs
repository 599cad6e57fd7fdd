//! What a command failed at, and how that is said: what, why, what next, and a stable code.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use schemas::id::Index;
use schemas::printable::printable;
use schemas::reject::Reject;

use crate::access::TokensError;
use crate::cli::code::Code;
use crate::client::{ClientError, CredentialError};
use crate::contexts::ContextError;
use crate::exit::Exit;
use crate::keyfile::KeyFileError;
use crate::pin::PinError;
use crate::receipts::ReplyError;
use crate::spool::SpoolError;

/// Any error of a part that has its own enum elsewhere.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The reader of the output has gone: no failure of ours.
    #[error("the output was closed")]
    ClosedPipe,
    /// Standard output failed.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    /// A value is not what it must be.
    #[error("{name} must be {expected}, not {value:?}")]
    Argument {
        /// Which argument.
        name: &'static str,
        /// What was given.
        value: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A value is needed that was not given and could not be asked from the server.
    #[error("{name} is needed: give {flag}, set {variable}, or start the server")]
    Needed {
        /// What.
        name: &'static str,
        /// The flag.
        flag: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// A key file.
    #[error("a key file cannot be used")]
    KeyFile(#[from] KeyFileError),
    /// A file.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the server is shown.
    #[error("the server cannot be shown who asks")]
    Credentials(#[from] CredentialError),
    /// The tokens of a ledger.
    #[error("tokens cannot be used")]
    Tokens(#[from] TokensError),
    /// Contexts.
    #[error("contexts cannot be used")]
    Contexts(#[from] ContextError),
    /// A pinned checkpoint.
    #[error("the pinned checkpoint cannot be used")]
    Pin(#[from] PinError),
    /// Input that is not JSON.
    #[error("event {number} of the input is not JSON")]
    Input {
        /// Which event, from 1.
        number: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A contract's YAML.
    #[error("{} is no contract", path.display())]
    Contract {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        fault: crate::yaml::Fault,
    },
    /// The spool.
    #[error("the spool cannot be used")]
    Spool(#[from] SpoolError),
    /// The server's HTTP interface.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The broker.
    #[error("the NATS server {url} cannot be used")]
    Broker {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The tail stands on another log.
    #[error("the log is not the one that was being read: {reason}")]
    Reset {
        /// Why, as the server says.
        reason: String,
    },
    /// A tail could not be kept up.
    #[error("the tail broke off and could not be resumed in {attempts} attempts")]
    Broken {
        /// How often it was tried.
        attempts: u32,
        /// The last reason.
        #[source]
        source: ClientError,
    },
    /// The ledger said no.
    #[error("rejected: {0}")]
    Rejected(Reject),
    /// No answer in time.
    #[error("no receipt in {seconds} s: the fate of the submission is unknown")]
    UnknownFate {
        /// How long was waited.
        seconds: u64,
    },
    /// The answer proves nothing.
    #[error("a receipt does not verify")]
    Receipt(#[from] ReplyError),
    /// The key that the ledger uses is not the trusted one.
    #[error("the ledger's key is {found}, the trusted one is {trusted}")]
    OtherKey {
        /// Of the ledger.
        found: String,
        /// Given with `--trust`.
        trusted: String,
    },
    /// Verification found something.
    #[error("{what}")]
    Verdict {
        /// The verdict.
        exit: Exit,
        /// The first fault, in words.
        what: String,
        /// More about it.
        details: Vec<String>,
    },
    /// The server shows something else than what the ledger's key proves.
    #[error("entry {index} is shown with another {member} than the one that is proved")]
    Otherwise {
        /// Which entry.
        index: Index,
        /// The first member of its JSON form that differs.
        member: &'static str,
    },
    /// What people read in a bundle was made by another renderer.
    #[error("{what}")]
    OtherRenderer {
        /// That it was not compared, in words.
        what: String,
        /// The program that made the bundle, as it says itself.
        tool: String,
    },
    /// The ledger could not be read.
    #[error("the ledger in {} cannot be read", path.display())]
    Unreadable {
        /// Its store.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The ledger could not be opened or created.
    #[error("{}", open_code(.0).title())]
    Open(#[from] ledger::OpenError),
    /// The server stopped.
    #[error("the server stopped")]
    Serve(#[source] Cause),
    /// The configuration.
    #[error("the configuration cannot be used")]
    Config(#[source] Cause),
    /// The demonstration.
    #[error("the demonstration failed")]
    Demo(#[source] Cause),
}

impl Failure {
    /// The failure's name.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::ClosedPipe | Self::Output(_) => Code::Output,
            Self::Argument { .. } | Self::Needed { .. } => Code::Argument,
            Self::KeyFile(_) => Code::KeyFile,
            Self::File { .. } => Code::File,
            Self::Tokens(_) => Code::Tokens,
            Self::Credentials(_) => Code::Argument,
            Self::Contexts(_) | Self::Pin(PinError::File { .. }) => Code::Context,
            Self::Pin(PinError::Unsigned { .. }) => Code::Conflict,
            Self::Input { .. } => Code::Input,
            Self::Contract { .. } => Code::Contract,
            Self::Spool(_) => Code::Spool,
            Self::Client(error) => client_code(error),
            Self::Broker { .. } => Code::Broker,
            Self::Reset { .. } => Code::Reset,
            // Whatever it answered last, nothing else was tried again for so long.
            Self::Broken { .. } => Code::Unreachable,
            Self::Rejected(_) => Code::Rejected,
            Self::UnknownFate { .. } => Code::UnknownFate,
            Self::Receipt(_) => Code::Receipt,
            Self::OtherKey { .. } => Code::BadSignature,
            Self::Verdict { exit, .. } => Code::of_verdict(*exit),
            Self::Otherwise { .. } => Code::Otherwise,
            Self::OtherRenderer { .. } => Code::OtherRenderer,
            Self::Unreadable { .. } => Code::Unreadable,
            Self::Open(error) => open_code(error),
            Self::Serve(_) => Code::Serve,
            Self::Config(_) => Code::Config,
            Self::Demo(_) => Code::Demo,
        }
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ClosedPipe => Exit::Ok,
            _ => self.code().exit(),
        }
    }

    /// What failed, and why, each cause once.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut said = vec![self.to_string()];
        let mut source = self.source();
        while let Some(cause) = source {
            let why = cause.to_string();
            // Some causes end with the text of their own cause.
            if said.last().is_none_or(|said| !said.ends_with(&why)) {
                said.push(why);
            }
            source = cause.source();
        }
        said
    }

    /// What to try, where one thing is likely.
    pub(crate) fn next(&self) -> Option<String> {
        Some(match self {
            Self::KeyFile(KeyFileError::Exposed { path, .. }) => {
                format!("chmod 600 {}", path.display())
            }
            Self::KeyFile(KeyFileError::Exists(_)) => "give another FILE, or use this one".into(),
            Self::Tokens(TokensError::Exposed { path, .. })
            | Self::Credentials(CredentialError::Exposed { path, .. }) => {
                format!("chmod 600 {}", path.display())
            }
            Self::Client(ClientError::Problem { status: 401, .. }) => {
                "give a valid token with SWORN_TOKEN; operators make one: sworn token create".into()
            }
            Self::Client(ClientError::Problem { status: 403, .. }) => {
                "ask an operator for a token with another role: sworn token create".into()
            }
            Self::Client(ClientError::Problem { after_s: Some(seconds), .. }) => {
                format!("the same again, in {seconds} s")
            }
            Self::Client(ClientError::Unreachable { .. }) => {
                "start one with: sworn serve, or: sworn dev; or give its address with --url".into()
            }
            Self::Broker { .. } => "give its address with --nats, or start: sworn dev".into(),
            Self::Open(ledger::OpenError::Locked(_)) => "stop the server, or ask it instead".into(),
            Self::Open(ledger::OpenError::Absent(_)) => "sworn init".into(),
            Self::Open(
                ledger::OpenError::RolledBack { .. } | ledger::OpenError::Forked(_),
            ) => {
                "restore the newest copy; if there is none: sworn verify, then sworn serve --new-epoch"
                    .into()
            }
            Self::Open(ledger::OpenError::Format { found, known }) => match found < known {
                true => "sworn admin rebuild".into(),
                false => "use a newer version of sworn".into(),
            },
            Self::Open(
                ledger::OpenError::MarkMissing(_)
                | ledger::OpenError::MarkForged(_)
                | ledger::OpenError::MarkSuperseded(_),
            ) => {
                "put the newest mark back; if there is none: sworn verify, then sworn serve --new-epoch"
                    .into()
            }
            Self::Open(ledger::OpenError::Unmarked { .. }) => {
                "put the newest mark back; if there is none, see docs/recovery.md".into()
            }
            Self::Open(ledger::OpenError::WrongKey { .. }) => {
                "give the file of the ledger's key with --key, or set it in the configuration".into()
            }
            Self::Verdict { .. } | Self::Otherwise { .. } | Self::Reset { .. } => {
                "keep the store and this output as evidence; do not repair anything".into()
            }
            Self::OtherRenderer { tool, .. } => format!("verify it with {tool}, which made it"),
            Self::Receipt(_) | Self::OtherKey { .. } => {
                "compare the key given with --trust with the one that `sworn init` printed".into()
            }
            Self::Rejected(_) => "sworn query 'status:rejected since:15m'".into(),
            _ => return None,
        })
    }

    /// The failure as it goes to standard error.
    pub(crate) fn render(&self) -> String {
        let code = self.code();
        let mut text = format!("error[{}]: {}\n", code.as_str(), printable(&self.to_string()));
        let mut line = |text_of: &str| text.push_str(&format!("  {}\n", printable(text_of)));
        self.reasons().iter().skip(1).for_each(|why| line(why));
        if let Self::Verdict { details, .. } = self {
            details.iter().for_each(|detail| line(detail));
        }
        if let Some(next) = self.next() {
            line(&format!("next    {next}"));
        }
        line(&format!("docs    sworn explain {}", code.as_str()));
        text
    }
}

fn client_code(error: &ClientError) -> Code {
    match error {
        ClientError::Unreachable { .. } | ClientError::BrokeOff { .. } => Code::Unreachable,
        ClientError::Address { .. } | ClientError::Insecure { .. } => Code::Argument,
        ClientError::Answer { .. } => Code::Answer,
        ClientError::Problem { status, .. } => match status {
            404 | 410 => Code::NotFound,
            401 | 403 => Code::NotPermitted,
            // Nothing is wrong with what was asked.
            408 | 429 => Code::Server,
            400..=499 => Code::Query,
            _ => Code::Server,
        },
    }
}

fn open_code(error: &ledger::OpenError) -> Code {
    use ledger::OpenError as E;
    match error {
        E::Exists(_) => Code::Exists,
        E::MarkForged(_) | E::MarkSuperseded(_) | E::RolledBack { .. } | E::Forked(_) => {
            Code::Conflict
        }
        _ => Code::Ledger,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use schemas::reject::Reason;

    use super::*;

    fn problem(status: u16) -> Failure {
        let (title, detail) = ("Title".to_owned(), "detail".to_owned());
        ClientError::Problem { status, title, detail, after_s: None }.into()
    }

    /// A tail that ended with this.
    fn broken(last: Failure) -> Failure {
        let Failure::Client(source) = last else { panic!("of the server: {last}") };
        Failure::Broken { attempts: 10, source }
    }

    #[test]
    fn each_failure_ends_with_its_exit_code() {
        let cases = [
            (Failure::ClosedPipe, 0),
            (problem(404), 3),
            (problem(410), 3),
            (problem(403), 4),
            (problem(401), 4),
            (problem(400), 2),
            (problem(503), 1),
            (problem(429), 1),
            (broken(problem(503)), 5),
            (broken(problem(429)), 5),
            (Failure::Rejected(Reject::new(Reason::Malformed, "body", "a map")), 6),
            (Failure::UnknownFate { seconds: 30 }, 7),
            (ReplyError::OtherMessage.into(), 11),
            (Failure::Reset { reason: "shorter".into() }, 13),
            (ledger::OpenError::Forked(schemas::id::TreeSize(4)).into(), 13),
            (ledger::OpenError::Locked("store".into()).into(), 1),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.exit().code(), code, "{failure}");
        }
    }

    #[test]
    fn a_failure_says_what_why_next_and_its_code() {
        let path = PathBuf::from("op.key");
        let failure = Failure::from(KeyFileError::Exposed { path, mode: 0o644 });
        let expected = "error[SW0102]: a key file cannot be used\n  \
             op.key has mode 0644: others can read or write it\n  \
             next    chmod 600 op.key\n  docs    sworn explain SW0102\n";
        assert_eq!(failure.render(), expected);
    }

    #[test]
    fn a_busy_server_is_asked_again_when_it_says() {
        let (title, detail) = ("Too much at once".to_owned(), "64 of yours".to_owned());
        let busy = ClientError::Problem { status: 429, title, detail, after_s: Some(5) };
        assert_eq!(Failure::from(busy).next().as_deref(), Some("the same again, in 5 s"));
        assert_eq!(problem(500).next(), None);
    }

    #[test]
    fn a_mark_is_put_back_and_a_store_restored() {
        use ledger::OpenError as E;
        use schemas::id::TreeSize;

        let mark = || PathBuf::from("mark/test.note");
        let (found, marked, size) = (TreeSize(1), TreeSize(2), TreeSize(9));
        for (error, expected) in [
            (E::RolledBack { found, marked }, "restore the newest copy"),
            (E::MarkMissing(mark()), "put the newest mark back"),
            (E::MarkForged(mark()), "put the newest mark back"),
            (E::MarkSuperseded(mark()), "put the newest mark back"),
            (E::Unmarked { marked, size }, "put the newest mark back"),
        ] {
            let next = Failure::from(error).next().unwrap();
            assert!(next.starts_with(expected), "{next}");
        }
    }

    #[test]
    fn hostile_text_in_a_failure_is_escaped() {
        let detail = "\u{1b}]0;owned\u{7}\u{202e}".to_owned();
        let title = "Bad".to_owned();
        let failure = ClientError::Problem { status: 400, title, detail, after_s: None };
        let text = Failure::from(failure).render();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
