//! Files with secrets: who else may open them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// Permissions of everybody but the owner.
pub(crate) const OTHERS: u32 = 0o077;
/// Permissions of everybody but the owner and the group: services often share a key with one.
pub(crate) const STRANGERS: u32 = 0o007;

/// The mode of a file, if it gives any of these permissions.
///
/// # Errors
/// When the file system does not say.
pub(crate) fn exposed(file: &File, to: u32) -> io::Result<Option<u32>> {
    // Of the open file, not of the name, which may point elsewhere by now.
    let mode = file.metadata()?.mode() & 0o7777;
    Ok((mode & to != 0).then_some(mode))
}
