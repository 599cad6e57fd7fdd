//! `explain`: what an error code means, or a finding of a rule.

use schemas::rules::{RULES, rule};

use crate::cli::code::Code;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::exit::Exit;

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Code as in SW0412, or name of a rule; without one, all of them are listed
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
        for rule in RULES {
            out.line(rule.name)?;
        }
        return Ok(Exit::Ok);
    };
    if let Some(rule) = rule(text) {
        let bound = rule.threshold.map_or_else(String::new, |bound| format!(", bound {bound}"));
        out.line(&format!("{} (version {}{bound})\n", rule.name, rule.version))?;
        out.line(rule.text)?;
        return Ok(Exit::Ok);
    }
    let expected = "a code or a rule that `sworn explain` lists";
    let code = Code::parse(text);
    let code =
        code.ok_or_else(|| Failure::Argument { name: "CODE", value: text.clone(), expected })?;
    out.line(&format!("{}: {}\n", code.as_str(), code.title()))?;
    out.line(code.explanation())?;
    let exit = code.exit();
    out.line(&format!("\nExit code {}: {}", exit.code(), exit.meaning()))?;
    Ok(Exit::Ok)
}
