//! `kiln log lift`: lets a log on hold go on, after a comparison with a checkpoint that was kept
//! elsewhere. The node is stopped meanwhile.
//!
//! **Source:** `translog.md` §4; docs/ledger.md, "On hold".

use clap::Args;
use ledger::{Fit, LiftError, LogSigner};
use serde_json::json;
use translog::Origin;

use super::stopped::{self, StoreArgs};
use crate::exit::{Exit, Failure, Outcome};
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
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) async fn run(args: &LiftArgs, output: Output) -> Outcome {
    let args = &args.store;
    let domain = args.domain()?;
    let key = stopped::load_key(&args.key_path(&domain))?;
    let _lock = args.lock()?;
    let store = args.open()?;
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
    let outside = args.outside(&signer.verifiers())?;
    let lifted = signer.lift(&outside, args.regard()).await.map_err(stays)?;
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
            "put the newest data folder back; if what is missing is lost for good, end this log and \
             start one that continues it: kiln log renew",
        )
}
