//! `completion`: what a shell needs to complete commands.

use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::exit::Exit;

/// Arguments of `completion`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "For one session: source <(sworn completion bash)")]
pub(crate) struct Args {
    /// For this shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`Failure`] when standard output takes nothing.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    context.out().line(script(args.shell).trim_end())?;
    Ok(Exit::Ok)
}

fn script(shell: Shell) -> String {
    let mut command = <Cli as clap::CommandFactory>::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sworn", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_shells_script_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for command in ["verify", "chain", "disable"] {
                assert!(script.contains(command), "{shell}: {command}");
            }
        }
    }

    #[test]
    fn bash_reads_its_script() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script(Shell::Bash)).unwrap();
        let read = std::process::Command::new("bash").arg("-n").arg(file.path()).status().unwrap();
        assert!(read.success());
    }
}
