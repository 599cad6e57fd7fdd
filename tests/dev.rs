//! `sworn dev` with a broker of its own, for tests that need its clock or its demo.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::{SWORN, text};

/// A development server that nobody else works on.
pub(crate) struct Dev {
    pub(crate) directory: tempfile::TempDir,
    server: Child,
    pub(crate) url: String,
    pub(crate) nats: String,
}

impl Dev {
    /// Starts it, and waits until it is ready; its data are in `dev`.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Command::new(SWORN)
            .arg("dev")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--data", "dev"])
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .env_remove("SWORN_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut exported = |name: &str| {
            let prefix = format!("export {name}=");
            let value = lines.find_map(|line| line.trim().strip_prefix(&prefix).map(str::to_owned));
            value.unwrap_or_else(|| panic!("the server says {name} once it is there"))
        };
        let (url, nats) = (exported("SWORN_URL"), exported("SWORN_NATS_URL"));
        assert!(lines.any(|line| line.starts_with("Ready.")));
        // Whoever stops reading would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        Self { directory, server, url, nats }
    }

    /// Runs a command that succeeds; gives what it wrote.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> String {
        let output = Command::new(SWORN)
            .args(arguments)
            .env("SWORN_URL", &self.url)
            .env("HOME", self.directory.path())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let command: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        assert!(output.status.success(), "{command:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let id = self.server.id().to_string();
        // It ends its broker and its signers itself.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.server.wait();
    }
}
