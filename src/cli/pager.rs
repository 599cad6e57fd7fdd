//! Long output goes through a pager, where a person reads it on a terminal.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::out::note;

/// Shows colours, ends by itself where it all fits, and leaves what it showed on the screen.
const USUAL: &str = "less -FRX";
/// Names a pager for this program alone.
const OWN: &str = "SWORN_PAGER";

/// The pager that standard output goes to; there is one output and one at most.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    child: Child,
    /// What is to be said beside the data once the pager has left the screen.
    notes: Vec<String>,
}

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, output is paged; dropped, it waits for the reader to be done.
#[derive(Debug)]
pub(crate) struct Pager(());

impl Pager {
    /// Starts the pager of the user's choice; `None` where there is no terminal, or none is wanted. One that cannot
    /// be started is no reason to show nothing.
    pub(crate) fn start() -> Option<Self> {
        let variable = |name: &str| env::var(name).ok();
        let is_screen = io::stdout().is_terminal() && env::var("TERM").is_ok_and(|t| t != "dumb");
        if !is_screen {
            return None;
        }
        let chosen = variable(OWN).or_else(|| variable("PAGER"));
        let words = chosen.as_deref().unwrap_or(USUAL);
        let mut words = words.split_whitespace();
        let program = words.next().filter(|program| *program != "cat")?;
        let child = Command::new(program).args(words).stdin(Stdio::piped()).spawn();
        match child {
            Ok(child) => {
                outlive_interrupts();
                *running() = Some(Running { child, notes: Vec::new() });
                Some(Self(()))
            }
            Err(error) => {
                if chosen.is_some() {
                    note(&format!("the pager {program:?} does not start: {error}"));
                }
                None
            }
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        let Some(Running { mut child, notes }) = running().take() else { return };
        drop(child.stdin.take());
        // However it ended: what it was given was written.
        let _status = child.wait();
        notes.iter().for_each(|text| note(text));
    }
}

/// ^C is the pager's: it stops a search there, and must not leave it alone with the terminal.
fn outlive_interrupts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        // Once caught, it ends this process no more, even where nobody listens.
        let _caught = runtime.block_on(async { signal(SignalKind::interrupt()) });
    }
}

/// Writes data to the pager, if there is one, else to standard output.
///
/// # Errors
/// Those of the system; a pager that was left is a broken pipe.
pub(crate) fn write(data: &[u8]) -> io::Result<()> {
    if let Some(stdin) = running().as_mut().and_then(|running| running.child.stdin.as_mut()) {
        return stdin.write_all(data).and_then(|()| stdin.flush());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush())
}

/// Keeps a note until the pager ends; false where there is none.
pub(crate) fn keep(text: &str) -> bool {
    let mut running = running();
    let running = running.as_mut().map(|running| running.notes.push(text.to_owned()));
    running.is_some()
}
