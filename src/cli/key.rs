//! `key`: making, enrolling, rotating and revoking signers' keys.

use std::path::{Path, PathBuf};

use schemas::id::{Kid, SignerId, hex};
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::out::Format;
use crate::cli::{operator, parse};
use crate::exit::Exit;
use crate::keyfile::KeyFile;

/// Commands about keys.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a key and write it to a file that only you can read
    Gen {
        /// Whose key
        #[arg(value_parser = parse::signer)]
        signer: SignerId,
        /// Where to
        file: PathBuf,
    },
    /// List enrolled keys
    Ls,
    /// Make a signer's key valid
    Enroll {
        /// Whose key
        #[arg(value_parser = parse::signer)]
        signer: SignerId,
        #[command(flatten)]
        public: Public,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Replace a signer's key
    Rotate {
        /// Whose key
        #[arg(value_parser = parse::signer)]
        signer: SignerId,
        /// Thumbprint of the key that is replaced
        #[arg(long, value_name = "KID", value_parser = parse::kid)]
        replaces: Kid,
        #[command(flatten)]
        public: Public,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Make a signer's key invalid from now on
    Revoke {
        /// Whose key
        #[arg(value_parser = parse::signer)]
        signer: SignerId,
        /// The key's thumbprint
        #[arg(value_parser = parse::kid)]
        kid: Kid,
        #[command(flatten)]
        operator: operator::Args,
    },
}

/// The public key of somebody else, as he sent it, or of a file at hand.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Public {
    /// The new public key, 64 hex digits
    #[arg(long, value_name = "HEX", value_parser = parse::public_key)]
    public: Option<PublicKey>,
    /// Key file with the new key, which is made if it is not there
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

impl Public {
    fn key(&self, signer: &SignerId) -> Result<PublicKey, Failure> {
        match (&self.public, &self.from) {
            (Some(key), _) => Ok(*key),
            (None, Some(path)) => Ok(load_or_generate(signer, path)?.public()),
            (None, None) => Err(Failure::Argument {
                name: "--public",
                value: String::new(),
                expected: "a public key, or --from a key file",
            }),
        }
    }
}

const COLUMNS: [Column; 4] =
    [("SIGNER", "signer"), ("KEY", "kid"), ("ENROLLED", "enrolled"), ("REVOKED", "revoked")];

/// Runs it.
///
/// # Errors
/// [`Failure`] of key files, server, broker and receipts.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Gen { signer, file } => generate(context, signer, &file),
        Command::Ls => listing::list(context, "/api/v1/keys", &[], COLUMNS),
        Command::Enroll { signer, public, operator } => {
            let key = public.key(&signer)?;
            operator::submit(context, &operator, vec![enrolment(&signer, &key)])
        }
        Command::Rotate { signer, replaces, public, operator } => {
            let key = public.key(&signer)?;
            let mut event = statement("key.rotated", &signer, &key.kid());
            set(&mut event, "key", &hex(key.as_bytes()));
            set(&mut event, "replaces", &replaces.to_string());
            operator::submit(context, &operator, vec![event])
        }
        Command::Revoke { signer, kid, operator } => {
            operator::submit(context, &operator, vec![statement("key.revoked", &signer, &kid)])
        }
    }
}

fn generate(context: &Context, signer: SignerId, path: &Path) -> Result<Exit, Failure> {
    let file = KeyFile::generate(signer);
    file.save(path)?;
    print(context, &file, path)?;
    Ok(Exit::Ok)
}

/// What may be known of a key: never its secret.
fn print(context: &Context, file: &KeyFile, path: &Path) -> Result<(), Failure> {
    let out = context.out();
    let (kid, public) = (file.kid(), hex(file.public().as_bytes()));
    if out.format() != Format::Table {
        return out.json(&json!({
            "signer": file.signer.as_str(), "kid": kid.to_string(), "public": public, "file": path,
        }));
    }
    out.line(&format!("signer  {}", schemas::printable::printable(file.signer.as_str())))?;
    out.line(&format!("kid     {kid}"))?;
    out.line(&format!("public  {public}"))?;
    out.line(&format!("file    {} (secret: it stays here)", path.display()))
}

/// The key in `path`, or a fresh one that is saved there.
///
/// # Errors
/// [`Failure::KeyFile`]; [`Failure::Argument`] when the file is another signer's.
pub(crate) fn load_or_generate(signer: &SignerId, path: &Path) -> Result<KeyFile, Failure> {
    if !path.exists() {
        let file = KeyFile::generate(signer.clone());
        file.save(path)?;
        crate::cli::out::note(&format!("made key file {}", path.display()));
        return Ok(file);
    }
    let file = KeyFile::load(path)?;
    if file.signer == *signer {
        return Ok(file);
    }
    let value = format!("the file of {}", file.signer);
    Err(Failure::Argument { name: "the key file", value, expected: "the signer's own" })
}

/// The event that makes `signer`'s key valid.
pub(crate) fn enrolment(signer: &SignerId, key: &PublicKey) -> Json {
    let mut event = statement("key.enrolled", signer, &key.kid());
    set(&mut event, "key", &hex(key.as_bytes()));
    event
}

fn statement(kind: &str, signer: &SignerId, kid: &Kid) -> Json {
    json!({ "kind": kind, "registry": { "signer": signer.as_str(), "kid": kid.to_string() } })
}

fn set(event: &mut Json, name: &str, value: &str) {
    if let Some(Json::Object(registry)) = event.get_mut("registry") {
        registry.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_is_made_once_and_is_only_its_signers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let signer = SignerId::parse("a").unwrap();
        let first = load_or_generate(&signer, &path).unwrap();
        let again = load_or_generate(&signer, &path).unwrap();
        assert_eq!(first.kid(), again.kid());
        let other = load_or_generate(&SignerId::parse("b").unwrap(), &path);
        assert!(matches!(other, Err(Failure::Argument { .. })));
    }
}
