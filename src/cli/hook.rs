//! A command of the user's that is run for each entry.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, ExitStatus, Stdio};

use crate::cli::out::note;

/// The command.
pub(crate) struct Hook {
    command: String,
    failed: bool,
}

impl Hook {
    /// One that was never run.
    pub(crate) fn new(command: &str) -> Self {
        Self { command: command.to_owned(), failed: false }
    }

    /// Runs it with an entry's JSON on its standard input and waits for its end. A failure is said, and
    /// does not keep the next entry from it.
    ///
    /// IMPORTANT: the shell reads the user's own words only. What agents wrote is never part of them, nor
    /// of the environment.
    pub(crate) fn run(&mut self, index: u64, json: &str) {
        let failure = match start(&self.command, json) {
            Ok(status) if status.success() => return,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.failed = true;
        note(&format!("the command failed for #{index}: {failure}"));
    }

    /// Whether it ever failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }
}

fn start(command: &str, json: &str) -> std::io::Result<ExitStatus> {
    let mut child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        match writeln!(input, "{json}") {
            // It ended without reading everything: its status says whether that is a failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    child.wait()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_entry_comes_on_standard_input_and_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("seen");
        let hostile = r#"{"note":"$(touch owned); `touch owned` '; touch owned #"}"#;
        let mut hook = Hook::new(&format!("cat >> '{}'; test $# = 0", file.display()));
        hook.run(1, hostile);
        hook.run(2, "{}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{hostile}\n{{}}\n"));
        assert!(!hook.has_failed());
    }

    #[test]
    fn a_failure_is_remembered_and_the_next_one_runs() {
        let mut hook = Hook::new("read -r line; test \"$line\" != '{}'");
        hook.run(1, "{}");
        assert!(hook.has_failed());
        hook.run(2, "{\"a\":1}");
        assert!(hook.has_failed());
        // More than a pipe holds, and nobody reads it.
        let mut deaf = Hook::new("true");
        deaf.run(3, &"x".repeat(1 << 20));
        assert!(!deaf.has_failed());
    }
}
