//! `kiln log lift`: lets a log on hold go on, after a comparison with a checkpoint that was kept
//! elsewhere. The node is stopped meanwhile.
//!
//! **Source:** `translog.md` §4; docs/ledger.md, "On hold".

use causes::with_causes;
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
  kiln log lift --data kiln-data --domain new --nothing-was-ever-signed
  curl -sf https://witness.example/$(printf %s anchors.example/default | sha256sum | cut -d' ' -f1)/checkpoint

A log is put on hold when its data folder may be older than what was signed: it signs nothing and its
anchors are read-only. This command compares it with signed checkpoints of it that were kept elsewhere,
by a witness, a monitor (`kiln log monitor` keeps them) or a friend. Use the newest of all that can be
had: an older one does not know what was signed last, and one that is older than what a restored store
itself has signed is refused. Stop the node first.

Two flags take your word for what nothing shows. If you are wrong, two histories under one key are public,
for good: --no-newer-checkpoint-exists (nothing was signed after the backup that was restored) and
--nothing-was-ever-signed (nothing was, with this key, on any machine).

Exit codes: 0 the log goes on; 11 the store holds less than a checkpoint; 17 the store is damaged; 18
the store has another history; 1 a file is no checkpoint under the log's key, or says too little; 7 the
log has signed something.";

/// Options of `kiln log lift`.
#[derive(Args)]
pub(crate) struct LiftArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Take a checkpoint that is older than what the store has signed: you answer for it that no newer
    /// one was ever signed
    #[arg(long)]
    no_newer_checkpoint_exists: bool,
    /// Lift without any checkpoint: you answer for it that the log's key has never signed anything
    #[arg(long, conflicts_with_all = ["checkpoint", "no_newer_checkpoint_exists"])]
    nothing_was_ever_signed: bool,
}

pub(super) async fn run(lift: &LiftArgs, output: Output) -> Outcome {
    let args = &lift.store;
    let domain = args.domain()?;
    let _lock = args.lock()?;
    let key = stopped::load_key(&args.key_path(&domain))?;
    let store = args.open()?;
    let log = store.log(&domain);
    let Some(hold) = log.hold() else {
        output.say(&format!(
            "the log of {domain} is not on hold; nothing was changed"
        ));
        return Ok(Exit::Done);
    };
    let origin = Origin::parse(key.verifier().name().as_str()).map_err(|error| {
        Failure::new(Exit::Local, "the name in the key is not that of a log")
            .because(error)
            .next(stopped::NAME_KEY)
    })?;
    let signer = LogSigner::open(log, origin, vec![key], None).await;
    let signer = signer.map_err(|error| {
        Failure::new(Exit::Local, with_causes(&error))
            .next("give the key that the log was signed with (--key), and see `kiln store check`")
    })?;
    let (size, compared) = if lift.nothing_was_ever_signed {
        (signer.lift_unsigned().await.map_err(stays)?, None)
    } else {
        let outside = args.outside(&signer.verifiers())?;
        let lifted = if lift.no_newer_checkpoint_exists {
            signer.lift_from_older(&outside, args.regard()).await
        } else {
            signer.lift(&outside, args.regard()).await
        };
        let lifted = lifted.map_err(stays)?;
        (lifted.size, Some(lifted.compared))
    };
    match output.form {
        Form::Json => output::json(&json!({
            "origin": signer.origin().as_str(),
            "size": size,
            "compared_size": compared.map(|compared| compared.size()),
            "was": hold.words(),
        }))?,
        Form::Text => output::line(&format!(
            "{} goes on with {size} entries; {}",
            signer.origin(),
            compared.map_or_else(
                || "that nothing was ever signed is your word".to_owned(),
                |compared| format!("it was compared with {compared}"),
            ),
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
        LiftError::Behind { .. } => Exit::Negative,
        LiftError::Signed { .. } => Exit::Conflict,
        _ => Exit::Local,
    };
    let next = match &error {
        LiftError::Behind { .. } => {
            "give the newest checkpoint that can be had; if you know that nothing was signed after the \
             backup, say so with --no-newer-checkpoint-exists"
        }
        LiftError::Signed { .. } => "give the newest checkpoint that can be had, with --checkpoint",
        _ => {
            "put the newest data folder back; if what is missing is lost for good, end this log and \
             start one that continues it: kiln log renew"
        }
    };
    Failure::new(exit, "the log stays on hold")
        .because(error)
        .next(next)
}
