//! `kiln log lift`: lets a log on hold go on, after a comparison with a checkpoint that was kept
//! elsewhere. The node is stopped meanwhile.
//!
//! **Source:** `translog.md` §4; docs/ledger.md, "On hold".

use std::path::PathBuf;

use clap::Args;
use keyssi::Domain;
use ledger::{EmbeddedLedger, EngineOptions, Fit, LiftError, LogSigner, Mode, Outside, Regard};
use node::LimitsConfig;
use serde_json::json;
use translog::{LogKey, NOTE_BYTES_MAX, Origin, SignedNote};

use crate::client_failure::with_causes;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::output::{self, Form, Output};

pub(super) const HELP: &str = "\
Examples:
  kiln log lift --data kiln-data --domain default --checkpoint from-the-witness
  curl -sf https://witness.example/$(printf %s anchors.example/default | sha256sum | cut -d' ' -f1)/checkpoint

A log is put on hold when its data folder may be older than what was signed: it signs nothing and its
anchors are read-only. This command compares it with signed checkpoints of it that were kept elsewhere,
by a witness, a monitor (`kiln log monitor` keeps them) or a friend. Use the newest of all that can be
had: an older one does not know what was signed last. Stop the node first.

Exit codes: 0 the log goes on; 11 the store holds less than a checkpoint; 17 the store is damaged; 18
the store has another history; 1 a file is no checkpoint under the log's key.";

/// Options of `kiln log lift`.
#[derive(Args)]
pub(crate) struct LiftArgs {
    /// The node's data folder
    #[arg(long, value_name = "DIR", default_value = "kiln-data")]
    data: PathBuf,
    /// The domain
    #[arg(long, value_name = "NAME", default_value = "default")]
    domain: String,
    /// A signed checkpoint of the log that was kept elsewhere; can be repeated
    #[arg(long, value_name = "FILE", required = true)]
    checkpoint: Vec<PathBuf>,
    /// Leave out of account what stands on a chain, when the key of the account was stolen
    #[arg(long)]
    without_chain: bool,
    /// The log's key [default: DIR/keys/NAME.log-key]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(super) async fn run(args: &LiftArgs, output: Output) -> Outcome {
    let domain: Domain = args.domain.parse().map_err(|error| {
        Failure::new(Exit::Usage, format!("{:?} is no domain", args.domain)).because(error)
    })?;
    let key = key(args, &domain)?;
    let _lock = node::lock_store(&args.data, "anchors").map_err(|error| {
        Failure::new(Exit::Local, format!("{error:#}")).next("stop the node, then run this again")
    })?;
    let options = EngineOptions {
        free_bytes_min: LimitsConfig::default().free_bytes_min,
        mode: Mode::Serve,
    };
    let opened = EmbeddedLedger::open(&args.data.join("anchors"), options, node::clock_ms);
    let store = opened.map_err(|error| {
        Failure::new(Exit::Local, "the anchors cannot be opened").because(error)
    })?;
    let log = store.log(&domain);
    let Some(hold) = log.hold() else {
        output.say(&format!(
            "the log of {domain} is not on hold; nothing was changed"
        ));
        return Ok(Exit::Done);
    };
    let origin = Origin::parse(key.verifier().name().as_str()).map_err(|error| {
        Failure::new(Exit::Local, "the name in the key is not that of a log").because(error)
    })?;
    let signer = LogSigner::open(log, origin, vec![key], None).await;
    let signer = signer.map_err(|error| Failure::new(Exit::Local, error.to_string()))?;
    let outside = outside(args, &signer)?;
    let regard = if args.without_chain {
        Regard::Signed
    } else {
        Regard::All
    };
    let lifted = signer.lift(&outside, regard).await.map_err(stays)?;
    match output.form {
        Form::Json => output::json(&json!({
            "origin": signer.origin().as_str(),
            "size": lifted.size,
            "compared_size": lifted.compared.size(),
            "was": hold.words(),
        }))?,
        Form::Text => output::line(&format!(
            "{} goes on with {} entries; it was compared with {}",
            signer.origin(),
            lifted.size,
            lifted.compared
        ))?,
    }
    Ok(Exit::Done)
}

fn key(args: &LiftArgs, domain: &Domain) -> Result<LogKey, Failure> {
    let default = || args.data.join("keys").join(format!("{domain}.log-key"));
    let path = args.key.clone().unwrap_or_else(default);
    let text = node::load_key_file(&path).map_err(|error| {
        Failure::new(Exit::Local, with_causes(&error)).next("name the log's key with --key")
    })?;
    LogKey::parse(&text).map_err(|error| {
        let message = format!("{} is not a log's key", path.display());
        Failure::new(Exit::Local, message).because(error)
    })
}

/// The checkpoints that were given, each under the log's own key.
fn outside(args: &LiftArgs, signer: &LogSigner) -> Result<Vec<Outside>, Failure> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let refused = |why: String| {
            Failure::new(Exit::Negative, format!("{name} is of no use: {why}")).next(
                "give a signed checkpoint of this very log, as a witness or a monitor keeps it",
            )
        };
        let bytes = read_bounded(path, NOTE_BYTES_MAX as u64)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| refused(error.to_string()))?;
        let note = SignedNote::parse(text).map_err(|error| refused(with_causes(&error)))?;
        Outside::signed(&note, signer.origin(), &signer.verifiers(), &name)
            .map_err(|error| refused(error.to_string()))
    };
    args.checkpoint.iter().map(read).collect()
}

fn stays(error: LiftError) -> Failure {
    let exit = match &error {
        LiftError::NotContained {
            fit: Fit::Larger { .. },
            ..
        } => Exit::Rollback,
        LiftError::NotContained { .. } => Exit::LogForked,
        LiftError::Unfit(_) => Exit::LogDamaged,
        _ => Exit::Local,
    };
    Failure::new(exit, "the log stays on hold")
        .because(error)
        .next(
            "put the newest data folder back; if there is none, start a log of another name with a \
         new data folder",
        )
}
