//! `kiln ssi`: makes, shows and derives identifiers, signs and verifies. No node is needed.

mod new;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyssi::{KeySsi, Signature, SsiKind, UseError};
use serde_json::json;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::explanation::Explanation;
use crate::key_output::KeyOutput;
use crate::local_file::read_bounded;
use crate::meaning;
use crate::output::{self, Form, Output};
use crate::secret_input::{KEY_FORMS, is_stdin, read_key};

/// The largest file that is signed or verified at once: it is held in memory.
const DATA_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The largest file with a signature; one takes 88 characters.
const SIGNATURE_BYTES_MAX: u64 = 4096;
/// Longer chains do not exist: array, const, cza.
const CHAIN_MAX: usize = 8;

/// Commands on identifiers.
#[derive(Subcommand)]
pub(crate) enum SsiCommand {
    /// Make a new identifier
    #[command(after_help = new::HELP)]
    New(new::NewArgs),
    /// Show the fields of an identifier and what it allows; secrets stay hidden
    #[command(after_help = SHOW_HELP)]
    Show(ShowArgs),
    /// Derive a weaker identifier: the read-only key or the public name
    #[command(after_help = DERIVE_HELP)]
    Derive(DeriveArgs),
    /// Sign data with a seed
    #[command(after_help = SIGN_HELP)]
    Sign(SignArgs),
    /// Verify a signature
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
}

const SHOW_HELP: &str = "\
Examples:
  kiln ssi show @record
  kiln ssi show file:key.txt --json
  kiln ssi show @record --reveal               with the secrets";

const DERIVE_HELP: &str = "\
Examples:
  kiln ssi derive @record --to sread --save record-reader
  kiln ssi derive @record --to sza --plain     the public name

Chains: path > seed > sread > sza; array, wallet > const > cza; shl > hl. Nothing leads back.
A path needs the private key of its slot and is not derived here.";

const SIGN_HELP: &str = "\
Examples:
  kiln ssi sign @record --data report.pdf > report.sig
  printf hello | kiln ssi sign @record --data -

The signature is ECDSA (secp256k1, SHA-256) as base64, as the OpenDSU SDK makes it.";

const VERIFY_HELP: &str = "\
Examples:
  kiln ssi verify @record-reader --data report.pdf --signature \"$(cat report.sig)\"
  kiln ssi verify ANCHOR_ID --data report.pdf --signature-file report.sig

Exit codes: 0 valid, 1 not valid.";

/// Options of `kiln ssi show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// Show the secret fields too
    #[arg(long)]
    reveal: bool,
}

/// Options of `kiln ssi derive`.
#[derive(Args)]
pub(crate) struct DeriveArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The type to derive [default: the next of the chain]
    #[arg(long, value_name = "TYPE")]
    to: Option<String>,
    #[command(flatten)]
    output: KeyOutput,
}

/// Options of `kiln ssi sign`.
#[derive(Args)]
pub(crate) struct SignArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file to sign, or - for stdin
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
}

/// Options of `kiln ssi verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file that was signed, or - for stdin
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The signature, base64
    #[arg(long, value_name = "TEXT", required_unless_present = "signature_file")]
    signature: Option<String>,
    /// The file that holds the signature
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    signature_file: Option<PathBuf>,
}

/// Carries out a command.
pub(crate) fn run(command: &SsiCommand, common: &Common) -> Outcome {
    match command {
        SsiCommand::New(args) => new::new(args, common),
        SsiCommand::Show(args) => show(
            &read_key(&args.key, common)?,
            args.reveal,
            &[],
            common.output(),
        ),
        SsiCommand::Derive(args) => derive(args, common),
        SsiCommand::Sign(args) => sign(args, common),
        SsiCommand::Verify(args) => verify(args, common),
    }
}

/// Shows an identifier, and the facts that somebody keeps beside it.
pub(crate) fn show(
    ssi: &KeySsi,
    reveal: bool,
    beside: &[(&'static str, String)],
    output: Output,
) -> Outcome {
    let mut explanation = Explanation::of_key(ssi);
    explanation.facts.splice(
        0..0,
        beside
            .iter()
            .map(|(word, text)| (*word, text.as_str().into())),
    );
    let hidden = !reveal && meaning::is_secret(ssi);
    let field = |text: &str| match (text.is_empty(), hidden) {
        (true, _) => "empty".to_owned(),
        (false, true) => "hidden; --reveal shows it".to_owned(),
        (false, false) => text.to_owned(),
    };
    let mut json = explanation.json();
    if let Some(object) = json.as_object_mut() {
        let shown = |text: &str| (!hidden).then(|| text.to_owned());
        object.insert("specific".to_owned(), json!(shown(ssi.specific())));
        object.insert("control".to_owned(), json!(shown(ssi.control())));
        object.insert("keyssi".to_owned(), json!(shown(&ssi.wrapped())));
    }
    explanation
        .facts
        .push(("specific", field(ssi.specific()).into()));
    explanation
        .facts
        .push(("control", field(ssi.control()).into()));
    explanation
        .facts
        .push(("keyssi", field(&ssi.wrapped()).into()));
    output.table(&json, &explanation.rows())?;
    Ok(Exit::Done)
}

fn derive(args: &DeriveArgs, common: &Common) -> Outcome {
    let wanted = args.to.as_deref().map(parse_kind).transpose()?;
    let from = read_key(&args.key, common)?;
    let derived = walk(&from, wanted)?;
    if meaning::is_secret(&derived) {
        args.output.check(common)?;
    }
    args.output.put(&derived, common)
}

/// Goes down the chain to the wanted type, or one step.
fn walk(from: &KeySsi, wanted: Option<SsiKind>) -> Result<KeySsi, Failure> {
    let kind = from.kind();
    let refused = |message: String| {
        Failure::new(Exit::WrongKey, message)
            .next("`kiln ssi derive --help` shows which types lead to which")
    };
    if wanted == Some(kind) {
        return Ok(from.clone());
    }
    let mut ssi = from.clone();
    for _ in 0..CHAIN_MAX {
        let next = ssi.derive().map_err(|error| {
            refused(format!("an identifier of type {kind} cannot be derived")).because(error)
        })?;
        match next {
            Some(next) if wanted.is_none_or(|it| it == next.kind()) => return Ok(next),
            Some(next) => ssi = next,
            None => break,
        }
    }
    Err(refused(match wanted {
        Some(wanted) => {
            format!("an identifier of type {kind} does not lead to one of type {wanted}")
        }
        None => format!("an identifier of type {kind} leads nowhere: it is the end of its chain"),
    }))
}

fn sign(args: &SignArgs, common: &Common) -> Outcome {
    refuse_two_from_stdin(&args.key, &args.data)?;
    let ssi = read_key(&args.key, common)?;
    let data = read_bounded(&args.data, DATA_BYTES_MAX)?;
    let signature = ssi
        .sign(&data)
        .map_err(|error| cannot_use(&ssi, "sign", error))?;
    let output = common.output();
    match output.form {
        Form::Text => output::line(&signature.to_text())?,
        Form::Json => output::json(&json!({ "signature": signature.to_text() }))?,
    }
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs, common: &Common) -> Outcome {
    refuse_two_from_stdin(&args.key, &args.data)?;
    let ssi = read_key(&args.key, common)?;
    let data = read_bounded(&args.data, DATA_BYTES_MAX)?;
    let signature = match (&args.signature, &args.signature_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => {
            String::from_utf8_lossy(&read_bounded(file, SIGNATURE_BYTES_MAX)?).into_owned()
        }
        (None, None) => String::new(),
    };
    let valid = ssi
        .verify(&data, signature.trim())
        .map_err(|error| cannot_use(&ssi, "verify", error))?;
    let output = common.output();
    match output.form {
        Form::Json => output::json(&json!({ "valid": valid }))?,
        Form::Text if valid => output::line("valid")?,
        Form::Text if Signature::from_text(signature.trim()).is_err() => {
            output::line("not valid: this is no signature")?;
        }
        Form::Text => {
            output::line("not valid: the data, the key or the signature is another one")?;
        }
    }
    Ok(if valid { Exit::Done } else { Exit::Negative })
}

fn cannot_use(ssi: &KeySsi, verb: &str, error: UseError) -> Failure {
    let next = match verb {
        "sign" => "give the seed; no other type can sign",
        _ => "give a seed, sread, sza or pk; no other type can verify",
    };
    Failure::new(
        Exit::WrongKey,
        format!("an identifier of type {} cannot {verb}", ssi.kind()),
    )
    .because(error)
    .next(next)
}

fn refuse_two_from_stdin(key: &str, data: &std::path::Path) -> Result<(), Failure> {
    if is_stdin(key) && data == std::path::Path::new("-") {
        return Err(Failure::new(
            Exit::Usage,
            "the key and the data cannot both come from stdin",
        )
        .next("give one of them as a file"));
    }
    Ok(())
}

fn parse_kind(name: &str) -> Result<SsiKind, Failure> {
    name.parse().map_err(|_| {
        let names: Vec<_> = SsiKind::ALL.iter().map(|it| it.name()).collect();
        Failure::new(Exit::Usage, format!("there is no type {name}"))
            .next(format!("the types are {}", names.join(", ")))
    })
}
