//! `explain`: what an error code means.

use crate::cli::code::Code;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::exit::Exit;

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Code as in SW0412; without one, all of them are listed
    code: Option<String>,
}

/// Explains one code, or lists all.
///
/// # Errors
/// [`Failure::Argument`] for a code that does not exist.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let out = context.out();
    let Some(text) = &args.code else {
        for code in Code::ALL {
            out.line(&format!(
                "{}  exit {:>2}  {}",
                code.as_str(),
                code.exit().code(),
                code.title()
            ))?;
        }
        return Ok(Exit::Ok);
    };
    let expected = "a code that `sworn explain` lists";
    let code = Code::parse(text);
    let code =
        code.ok_or_else(|| Failure::Argument { name: "CODE", value: text.clone(), expected })?;
    out.line(&format!("{}: {}\n", code.as_str(), code.title()))?;
    out.line(code.explanation())?;
    let exit = code.exit();
    out.line(&format!("\nExit code {}: {}", exit.code(), exit.meaning()))?;
    Ok(Exit::Ok)
}
