//! `kiln explain`: what a thing is, what it allows its holder to do, and what not.
//!
//! Secrets are never shown. What is not known is said to be unknown, with exit code 1.

mod bytes;
mod text;

use std::fs::File;
use std::path::Path;

use clap::Args;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::explanation::Explanation;
use crate::secret_input::{read_key, read_variable, warn_of_literal};

pub(crate) const HELP: &str = "\
Examples:
  kiln explain @record                         a key of the keyring
  kiln explain file:key.txt
  kiln explain 4Ffv93NTthwW6qULHRQ3wqewEzM2WiN4QNSz2Se1sNHv
  kiln explain bafkreid7qoywk77r7rj3slobqfekdvs57qwuwh5d2z3sqsw52iabe3mqne
  kiln explain archive.car --json

Known: KeySSIs and anchor values (plain or base58), brick hashes, CIDs, brick maps, manifests,
CAR files, keyrings, age keys. No node is asked.

Exit codes: 0 known, 1 unknown or malformed, 12 a damaged CAR file.";

/// Options of `kiln explain`.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[arg(
        value_name = "THING",
        help = "@NAME (keyring), file:PATH or a path, env:NAME, - (stdin), or the text itself"
    )]
    thing: String,
}

/// Carries out the command.
pub(crate) fn run(args: &ExplainArgs, common: &Common) -> Outcome {
    let explanation = explain(&args.thing, common)?;
    let output = common.output();
    output.table(&explanation.json(), &explanation.rows())?;
    let is_known = !matches!(explanation.kind, "unknown" | "malformed");
    Ok(if is_known { Exit::Done } else { Exit::Negative })
}

fn explain(thing: &str, common: &Common) -> Result<Explanation, Failure> {
    if thing.starts_with('@') {
        return Ok(Explanation::of_key(&read_key(thing, common)?));
    }
    if let Some(name) = thing.strip_prefix("env:") {
        let text = read_variable(name)?;
        return Ok(text::recognise(&text).unwrap_or_else(|| unknown(text.as_bytes())));
    }
    if thing == "-" {
        return bytes::explain(std::io::stdin().lock(), "stdin");
    }
    if let Some(path) = thing.strip_prefix("file:") {
        return explain_file(Path::new(path));
    }
    if let Some(explanation) = text::recognise(thing) {
        if explanation.secret == Some(true) {
            warn_of_literal("secret");
        }
        return Ok(explanation);
    }
    if Path::new(thing).exists() {
        return explain_file(Path::new(thing));
    }
    Ok(Explanation {
        secret: None,
        ..Explanation::new(
            "unknown",
            "no identifier, hash, CID or file that is known here",
        )
    })
}

fn explain_file(path: &Path) -> Result<Explanation, Failure> {
    let name = path.display().to_string();
    let cannot_read = |error| Failure::io(format!("{name} cannot be read"), error);
    if path.is_dir() {
        return Err(cannot_read(std::io::ErrorKind::IsADirectory.into()));
    }
    bytes::explain(File::open(path).map_err(cannot_read)?, &name)
}

/// What can be said of bytes that mean nothing here.
fn unknown(bytes: &[u8]) -> Explanation {
    let hash = keyssi::BrickHash::of(bytes);
    let explanation = Explanation::new(
        "unknown",
        "bytes of an unknown form, perhaps an encrypted brick",
    )
    .count("bytes", bytes.len())
    .fact("brick hash", hash)
    .fact("cid", car::brick_cid(&hash));
    Explanation {
        secret: None,
        ..explanation
    }
}
