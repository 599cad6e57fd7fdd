//! Files that this process may have open: each connection is one.

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use schemas::limits::{HTTP_CONNECTIONS_MAX, OTHER_FILES_MAX};

/// How many connections may be open at once, once this process may have as many files as it wants: what the system lets this process have, less what the store and the broker
/// need, for a writer that cannot open a file ends the server.
pub(crate) fn connections() -> usize {
    let files = raise_limit(HTTP_CONNECTIONS_MAX + OTHER_FILES_MAX);
    if let Err(error) = make_table(files) {
        tracing::debug!(%error, "table of open files");
    }
    let connections = connections_of(files);
    if connections < HTTP_CONNECTIONS_MAX {
        tracing::warn!(files, connections, "few open files are allowed, and so few connections");
    }
    connections
}

/// The same of so many files.
fn connections_of(files: usize) -> usize {
    files.saturating_sub(OTHER_FILES_MAX).clamp(1, HTTP_CONNECTIONS_MAX)
}

/// Raises the limit of open files to `wanted` where it is lower, or as far as the system lets; gives what it is then.
fn raise_limit(wanted: usize) -> usize {
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(u64::MAX).min(wanted);
    let now = current.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(most), maximum };
    let files = match now < most && setrlimit(Resource::Nofile, raised).is_ok() {
        true => most,
        false => now.min(wanted),
    };
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Lets the kernel make its table of this process's files in one piece: Linux doubles it whenever it is full, and lets
/// every thread that opens a file wait meanwhile, the one that commits too. With thousands of connections at once that
/// was 120 ms.
fn make_table(files: usize) -> Result<(), Errno> {
    let last = i32::try_from(files.saturating_sub(1)).unwrap_or(i32::MAX);
    fcntl_dupfd_cloexec(std::io::stdin(), last).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_store() {
        let connections = connections();
        let allowed = getrlimit(Resource::Nofile).current;
        let needed = u64::try_from(connections + OTHER_FILES_MAX).unwrap_or(u64::MAX);
        assert!(connections == 1 || allowed.is_none_or(|allowed| allowed >= needed), "{allowed:?}");
    }

    #[test]
    fn a_low_limit_leaves_connections_for_readers() {
        assert_eq!(connections_of(1024), 256);
        assert_eq!(connections_of(HTTP_CONNECTIONS_MAX), HTTP_CONNECTIONS_MAX - OTHER_FILES_MAX);
        assert_eq!(connections_of(usize::MAX), HTTP_CONNECTIONS_MAX);
        assert_eq!(connections_of(0), 1);
    }
}
