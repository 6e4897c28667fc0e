//! `kiln keyring`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use age::x25519;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Key, Keyring, Lock, Taken, access, parse_name};
use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::explanation::date;
use crate::local_file;
use crate::output::{self, Form, printable};
use crate::secret_input::{KEY_FORMS, read_key};
use crate::ssi;

/// Commands on the keyring.
#[derive(Subcommand)]
pub(crate) enum KeyringCommand {
    /// Make a new keyring, for a passphrase or for recipients
    #[command(after_help = INIT_HELP)]
    Init(InitArgs),
    /// Add a key; it is on disk when the command ends
    #[command(after_help = ADD_HELP)]
    Add(AddArgs),
    /// List the keys, without their secrets
    #[command(after_help = LIST_HELP)]
    List,
    /// Show one key: what it is and what it allows
    #[command(after_help = SHOW_HELP)]
    Show(ShowArgs),
    /// Give a key another name
    #[command(after_help = "Example:\n  kiln keyring rename record patient-7")]
    Rename(RenameArgs),
    /// Remove keys for ever
    #[command(after_help = REMOVE_HELP)]
    Remove(RemoveArgs),
    /// Write keys in the clear, one JSON object a line
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
}

const INIT_HELP: &str = "\
Examples:
  kiln keyring init                            asks for a passphrase
  kiln keyring init --passphrase-file pass.txt
  kiln keyring init --recipient age1… --recipient age1…

With --recipient (a public key from age-keygen) a job can add keys that it cannot read; reading
needs the private key: --identity FILE or KILN_KEYRING_IDENTITY.";

const ADD_HELP: &str = "\
Examples:
  kiln keyring add record file:key.txt --note \"ward 3\"
  kiln ssi new | kiln keyring add record -
  kiln keyring add record env:KEY --replace

Exit codes: 0 saved, 7 the name is taken.";

const LIST_HELP: &str = "\
Examples:
  kiln keyring list
  kiln keyring list --json

Exit codes: 0 all keys were read, 1 some lines of the file are damaged (the others are listed).";

const SHOW_HELP: &str = "\
Examples:
  kiln keyring show record
  kiln keyring show record --reveal            with the secrets";

const REMOVE_HELP: &str = "\
Examples:
  kiln keyring remove record
  kiln keyring remove old-1 old-2 --yes        without asking

A removed key is gone: without another copy its DSU can never be opened again.";

const EXPORT_HELP: &str = "\
Examples:
  kiln keyring export --out keys.ndjson        all keys, to a file that only you may read
  kiln keyring export record --reveal          one key, to stdout";

/// Options of `kiln keyring init`.
#[derive(Args)]
pub(crate) struct InitArgs {
    /// A public age key that will be able to read; can be repeated
    #[arg(long = "recipient", value_name = "AGE1")]
    recipients: Vec<String>,
}

/// Options of `kiln keyring add`.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// The new name: 1 to 64 letters, digits, '.', '_', '-'
    name: String,
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// A remark, kept encrypted beside the key
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Put the key in the place of another of this name
    #[arg(long)]
    replace: bool,
}

/// Options of `kiln keyring show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The name
    name: String,
    /// Show the secret fields too
    #[arg(long)]
    reveal: bool,
}

/// Options of `kiln keyring rename`.
#[derive(Args)]
pub(crate) struct RenameArgs {
    /// The name it has
    from: String,
    /// The name it gets
    to: String,
}

/// Options of `kiln keyring remove`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The names
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Options of `kiln keyring export`.
#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The names; all keys without any
    names: Vec<String>,
    /// Write to a new file that only you may read
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "reveal",
        conflicts_with = "reveal"
    )]
    out: Option<PathBuf>,
    /// Write the secrets to stdout
    #[arg(long)]
    reveal: bool,
}

/// Carries out a command.
pub(crate) fn run(command: &KeyringCommand, common: &Common) -> Outcome {
    match command {
        KeyringCommand::Init(args) => init(args, common),
        KeyringCommand::Add(args) => add(args, common),
        KeyringCommand::List => list(common),
        KeyringCommand::Show(args) => show(args, common),
        KeyringCommand::Rename(args) => rename(args, common),
        KeyringCommand::Remove(args) => remove(args, common),
        KeyringCommand::Export(args) => export(args, common),
    }
}

fn init(args: &InitArgs, common: &Common) -> Outcome {
    let path = common.keyring()?;
    if path.exists() {
        let message = format!("{} exists already", path.display());
        return Err(Failure::new(Exit::Conflict, message)
            .next("name another file with --keyring, or move this one away"));
    }
    let lock = if args.recipients.is_empty() {
        Lock::Passphrase(access::new_passphrase(&path, common)?)
    } else {
        let parsed: Result<_, _> = args
            .recipients
            .iter()
            .map(|it| parse_recipient(it))
            .collect();
        Lock::Recipients(parsed?)
    };
    Keyring::create(&path, &lock)?;
    let whom = match &lock {
        Lock::Passphrase(_) => "a passphrase",
        Lock::Recipients(_) => "recipients",
    };
    common
        .output()
        .say(&format!("made the keyring {} for {whom}", path.display()));
    Ok(Exit::Done)
}

fn parse_recipient(text: &str) -> Result<x25519::Recipient, Failure> {
    // Not repeated: it may be a private key, given by mistake.
    text.parse().map_err(|_| {
        Failure::new(Exit::Usage, "a recipient is no public age key")
            .next("give age1… as `age-keygen -y IDENTITY_FILE` prints it")
    })
}

fn add(args: &AddArgs, common: &Common) -> Outcome {
    let name = parse_name(&args.name)?;
    let ssi = read_key(&args.key, common)?;
    let taken = if args.replace {
        Taken::Replace
    } else {
        Taken::Refuse
    };
    let mut keyring = Keyring::open(common)?;
    keyring.add(&name, &ssi, &args.note, taken)?;
    let path = keyring.path().display();
    common
        .output()
        .say(&format!("saved {} in {path}", name.as_str()));
    Ok(Exit::Done)
}

fn list(common: &Common) -> Outcome {
    let output = common.output();
    let keyring = Keyring::open(common)?;
    let (keys, unread) = keyring.keys()?;
    match output.form {
        Form::Json => {
            let keys: Vec<Value> = keys.iter().map(public_json).collect();
            output::json(&json!({ "keys": keys, "damaged_lines": unread }))?;
        }
        Form::Text => {
            let width = keys
                .iter()
                .map(|key| key.name.as_str().len())
                .max()
                .unwrap_or_default();
            for key in &keys {
                let (name, kind) = (key.name.as_str(), key.ssi.kind().name());
                let (domain, note) = (printable(key.ssi.domain()), printable(&key.note));
                let line = format!("{name:width$}  {kind:6}  {domain}  {note}");
                output::line(line.trim_end())?;
            }
        }
    }
    if unread.is_empty() {
        return Ok(Exit::Done);
    }
    let lines: Vec<String> = unread.iter().map(ToString::to_string).collect();
    let message = format!(
        "line {} of {} cannot be read",
        lines.join(", line "),
        keyring.path().display()
    );
    Err(Failure::new(Exit::Negative, message).next("restore the keyring from a backup"))
}

fn show(args: &ShowArgs, common: &Common) -> Outcome {
    let key = Keyring::open(common)?.find(&args.name)?;
    let beside = [
        ("name", key.name.as_str().to_owned()),
        ("note", key.note.clone()),
        ("added", date(key.added_ms).unwrap_or_default()),
    ];
    ssi::show(&key.ssi, args.reveal, &beside, common.output())
}

fn rename(args: &RenameArgs, common: &Common) -> Outcome {
    let to = parse_name(&args.to)?;
    let mut keyring = Keyring::open(common)?;
    keyring.rename(&args.from, &to)?;
    common
        .output()
        .say(&format!("{} is now {}", args.from, to.as_str()));
    Ok(Exit::Done)
}

fn remove(args: &RemoveArgs, common: &Common) -> Outcome {
    let names: Vec<_> = args
        .names
        .iter()
        .map(|it| parse_name(it))
        .collect::<Result<_, _>>()?;
    let mut keyring = Keyring::open(common)?;
    if !args.yes {
        confirm(&format!("Remove {} for ever?", args.names.join(", ")))?;
    }
    keyring.remove(&names)?;
    common
        .output()
        .say(&format!("removed {}", args.names.join(", ")));
    Ok(Exit::Done)
}

fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "removing keys must be confirmed, and there is no terminal to ask at",
        )
        .next("add --yes if they are no longer needed"));
    }
    let mut answer = String::new();
    let asked =
        write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(|error| Failure::io("the terminal cannot be read", error))?;
    if answer.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    Err(Failure::new(Exit::Negative, "nothing was removed").next("answer y to remove"))
}

fn export(args: &ExportArgs, common: &Common) -> Outcome {
    let keyring = Keyring::open(common)?;
    let (keys, unread) = if args.names.is_empty() {
        keyring.keys()?
    } else {
        let found: Result<Vec<_>, _> = args.names.iter().map(|it| keyring.find(it)).collect();
        (found?, Vec::new())
    };
    let mut lines = Zeroizing::new(String::new());
    for key in &keys {
        let line = Zeroizing::new(secret_json(key).to_string());
        // Room for this line first, so that growing leaves no secret in an old buffer.
        let mut longer = Zeroizing::new(String::with_capacity(lines.len() + line.len() + 1));
        for part in [lines.as_str(), &line, "\n"] {
            longer.push_str(part);
        }
        lines = longer;
    }
    match &args.out {
        Some(file) => {
            local_file::create_private(file, lines.as_bytes())?;
            common.output().say(&format!(
                "wrote {} keys in the clear to {}",
                keys.len(),
                file.display()
            ));
        }
        None => {
            for line in lines.lines() {
                output::line(line)?;
            }
        }
    }
    if unread.is_empty() {
        return Ok(Exit::Done);
    }
    let message = format!(
        "keys of {} could not be read and were left out: {}",
        keyring.path().display(),
        unread.len()
    );
    Err(Failure::new(Exit::Negative, message).next("restore the keyring from a backup"))
}

fn public_json(key: &Key) -> Value {
    json!({
        "name": key.name.as_str(),
        "type": key.ssi.kind().name(),
        "domain": key.ssi.domain(),
        "anchor_id": keyssi::AnchorId::of(&key.ssi).ok().map(|id| id.as_str().to_owned()),
        "note": key.note,
        "added_ms": key.added_ms,
    })
}

fn secret_json(key: &Key) -> Value {
    json!({
        "name": key.name.as_str(),
        "keyssi": key.ssi.wrapped().as_str(),
        "note": key.note,
        "added_ms": key.added_ms,
    })
}
