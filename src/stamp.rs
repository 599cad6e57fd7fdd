//! What tells that a file is another than before, without reading it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Changes whenever the file does, or who may read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of its mode and owner, too.
    changed: (i64, i64),
}

impl Stamp {
    /// That of the file; `None` where there is none.
    ///
    /// # Errors
    /// When the file system does not say.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(data) => Ok(Some(Self {
                inode: data.ino(),
                length: data.len(),
                modified: (data.mtime(), data.mtime_nsec()),
                changed: (data.ctime(), data.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn another_mode_is_another_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = Stamp::of(file.path()).unwrap().unwrap();
        assert_eq!(Stamp::of(file.path()).unwrap(), Some(before));
        // File systems count time in steps.
        let began = Instant::now();
        while Stamp::of(file.path()).unwrap() == Some(before) {
            assert!(began.elapsed() < Duration::from_secs(10), "the mode does not show");
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        }
        let path = file.path().to_owned();
        drop(file);
        assert_eq!(Stamp::of(&path).unwrap(), None);
    }
}
