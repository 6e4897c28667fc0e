//! `kiln witness serve`: cosigns the checkpoints of other operators' logs, so that none of them can
//! show different histories to different readers.
//!
//! **Source:** `translog.md` §8; C2SP tlog-witness.

mod known;
mod routes;
mod store;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use causes::with_causes;
use clap::{Args, Subcommand};
use node::{BodyBudget, LimitsConfig, LogFormat};
use translog::{KeyKind, KeyName, VerifierKey, WitnessKey};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;

use known::KnownLogs;
use store::Store;

/// Commands of a witness.
#[derive(Subcommand)]
pub(crate) enum WitnessCommand {
    /// Cosign checkpoints of logs, each only if it continues the one before
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
}

const SERVE_HELP: &str = "\
Examples:
  kiln witness serve --name witness.example/w1 --log anchors.example/default+2b1a01bb+AU0M…
  kiln witness serve --name witness.example/w1 --log-list logs.txt --listen 0.0.0.0:7001

Routes (C2SP tlog-witness): POST /add-checkpoint; GET /HASH/checkpoint, HASH being the SHA-256 of the
log's origin in hex; GET /vkey, the key that others name in their policies.

What was cosigned is on disk before it is answered, and a file of it that cannot be read, or that is
gone, stops the start: a witness that forgets would cosign a second history. Never run two witnesses with one key, and
never put back an old copy of the data folder. It speaks plain HTTP; put a TLS proxy in front of it.
When it is ready it prints one line on stdout: listening on http://ADDR:PORT";

/// The name of the key's file in the data folder.
const KEY_FILE: &str = "witness-key";
/// The longest list of logs, in bytes.
const LOG_LIST_BYTES_MAX: u64 = 1 << 20;
/// Body bytes held at a time: some 100 of the longest requests.
const BODY_BYTES_IN_FLIGHT_MAX: u64 = 8 << 20;

/// Options of `kiln witness serve`.
#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Folder of the key and of what was cosigned
    #[arg(long, value_name = "DIR", default_value = "kiln-witness")]
    data: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7001")]
    listen: SocketAddr,
    /// Name of the witness, kept for ever: a URL without scheme is usual
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Verifier key of a log that is cosigned; can be repeated
    #[arg(long, visible_alias = "vkey", value_name = "VKEY")]
    log: Vec<String>,
    /// File with further keys, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    log_list: Option<PathBuf>,
}

/// Carries out a command.
pub(crate) fn run(command: &WitnessCommand) -> Outcome {
    match command {
        WitnessCommand::Serve(args) => serve(args),
    }
}

fn serve(args: &ServeArgs) -> Outcome {
    let filter = std::env::var("KILN_LOG").ok();
    node::start_logging(LogFormat::Human, filter.as_deref());
    let logs = logs(args)?;
    let lock = node::lock_store(&args.data, "witness").map_err(|error| {
        Failure::new(Exit::Local, format!("{error:#}"))
            .next("one process runs a witness: stop the other one, or name another folder")
    })?;
    // Before the key, so that a key without the list has lost it.
    let known = KnownLogs::open(&args.data, &args.data.join(KEY_FILE))?;
    let key = key(&args.data, &args.name)?;
    let store = Store::open(&args.data.join("cosigned"), key, logs, known)?;
    let budget = BodyBudget::new(BODY_BYTES_IN_FLIGHT_MAX);
    let routes = routes::routes(store, budget.clone());
    let served = node::serve_routes(args.listen, routes, LimitsConfig::default(), budget);
    // Until here something may have written to the folder.
    drop(lock);
    served
        .map(|()| Exit::Done)
        .map_err(|error| Failure::new(Exit::Local, format!("{error:#}")).next("check --listen"))
}

/// The keys of the logs, those of one log together in the order given.
fn logs(args: &ServeArgs) -> Result<Vec<VerifierKey>, Failure> {
    let mut texts = args.log.clone();
    if let Some(path) = &args.log_list {
        let bytes = read_bounded(path, LOG_LIST_BYTES_MAX)?;
        let list = std::str::from_utf8(&bytes).map_err(|error| {
            Failure::new(Exit::Usage, format!("{} is not UTF-8", path.display()))
                .because(error)
                .next("name the list of the logs' keys with --log-list: a key in a line")
        })?;
        let lines = list
            .lines()
            .map(|line| line.split_once(" #").map_or(line, |it| it.0));
        let lines = lines
            .map(str::trim)
            .filter(|it| !it.is_empty() && !it.starts_with('#'));
        texts.extend(lines.map(str::to_owned));
    }
    let refused = |text: &str, why: String| {
        Failure::new(
            Exit::Usage,
            format!("{text:?} is not the key of a log: {why}"),
        )
        .next("ask the log's operator for its verifier key; a node serves it at /log/DOMAIN/vkey")
    };
    let keys = texts.iter().map(|text| {
        let key = VerifierKey::parse(text).map_err(|error| refused(text, with_causes(&error)))?;
        match key.kind() {
            KeyKind::Log => Ok(key),
            KeyKind::Witness => Err(refused(text, "it is the key of a witness".to_owned())),
        }
    });
    let keys: Vec<VerifierKey> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        let message = "no log is named, so there is nothing to cosign";
        return Err(Failure::new(Exit::Usage, message).next("name logs with --log or --log-list"));
    }
    Ok(keys)
}

/// The key of the witness, made when there is none yet.
fn key(data: &Path, name: &str) -> Result<WitnessKey, Failure> {
    let name = KeyName::parse(name).map_err(|error| {
        Failure::new(Exit::Usage, "the name of the witness is not valid")
            .because(error)
            .next("give it as in --name witness.example/w1")
    })?;
    let path = data.join(KEY_FILE);
    let made = node::load_or_create_key_file(&path, |seed| {
        tracing::info!(file = %path.display(), "made the key of the witness; keep a copy of it");
        WitnessKey::from_seed(&name, seed).to_text()
    });
    let text: Zeroizing<String> = made.map_err(|error| {
        Failure::new(Exit::Local, with_causes(&error)).next("mend the key file, then start again")
    })?;
    let key = WitnessKey::parse(&text).map_err(|error| {
        let message = format!("{} does not hold the key of a witness", path.display());
        Failure::new(Exit::Local, message)
            .because(error)
            .next("put back the right file from your backup")
    })?;
    if *key.verifier().name() != name {
        let message = format!(
            "the witness of this folder is called {}",
            key.verifier().name()
        );
        return Err(Failure::new(Exit::Usage, message)
            .next("start it under its own name, or with another --data"));
    }
    Ok(key)
}
