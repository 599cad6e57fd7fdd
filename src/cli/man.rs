//! `man`: the manual, made of what `--help` says.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::exit::Exit;

/// Arguments of `man`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "To read one: sworn man --out man && man man/sworn-verify.1")]
pub(crate) struct Args {
    /// Write one page for each command into this directory, instead of the first one to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// [`Failure::File`] when a page cannot be written.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let written = |path: &Path| {
        std::fs::create_dir_all(path)?;
        clap_mangen::generate_to(Cli::command(), path)
    };
    match &args.out {
        Some(path) => {
            written(path).map_err(|source| Failure::File { path: path.clone(), source })?;
        }
        None => context.out().line(first().map_err(Failure::Output)?.trim_end())?,
    }
    Ok(Exit::Ok)
}

fn first() -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn there_is_a_page_for_each_command() {
        assert!(first().unwrap().contains(".TH sworn 1"));
        let directory = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(Cli::command(), directory.path()).unwrap();
        for page in ["sworn.1", "sworn-verify.1", "sworn-agent-disable.1"] {
            assert!(directory.path().join(page).is_file(), "{page}");
        }
    }
}
