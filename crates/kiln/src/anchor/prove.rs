//! `kiln anchor prove`: the proof that a version is in the log, checked before it is kept.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use client::dsus::history;
use client::{Proof, ProofAnswer};
use keyssi::{AnchorId, AnchorValue};
use serde_json::json;

use super::{anchor_id, pick};
use crate::common::Common;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::create_private;
use crate::output::{self, Form, printable};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln anchor prove @record --out record.tlog-proof
  kiln anchor prove ANCHOR_ID --version 0      the first version, to stdout
  kiln anchor verify record.tlog-proof --policy trust.txt

The proof is checked before it is written: that it opens to this anchor and to the value that the
history has at this version, and that this entry is in the tree of its checkpoint. Whether the
right log signed the checkpoint needs the log's key: `kiln anchor verify` checks that.

The file names the anchor and holds the salt of its entry: give it to whoever may know of the
anchor. A value has no proof before a signed checkpoint covers it, cosigned where the log asks
witnesses; the command waits for it.";

/// Between two questions, where the node does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two questions, whatever the node says.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Options of `kiln anchor prove`.
#[derive(Args)]
pub(crate) struct ProveArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The version, counted from 0 [default: the last one]
    #[arg(long = "version", id = "number", value_name = "N")]
    version: Option<usize>,
    /// Write the proof to a new file that only you may read [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long to wait for a checkpoint that covers the version
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
}

pub(super) fn run(args: &ProveArgs, common: &Common) -> Outcome {
    let id = anchor_id(&args.key, common)?;
    context::run(common, async |context| {
        let history = history(&context.client, &id).await?;
        let (version, value) = pick(&id, &history, args.version)?;
        let patience = Duration::from_secs(args.wait);
        let proof = wait_for(context, &id, version, value, patience).await?;
        tell(context, args, version, &proof)
    })
}

/// Asks until the version is in a checkpoint, or patience is at its end.
async fn wait_for(
    context: &Context<'_>,
    id: &AnchorId,
    version: usize,
    value: &AnchorValue,
    patience: Duration,
) -> Result<Box<Proof>, Failure> {
    let began = Instant::now();
    let proofs = context.client.proofs();
    let mut told = false;
    loop {
        let (pause, words) = match proofs.proof(id, version, value).await? {
            ProofAnswer::Proof(proof) => return Ok(proof),
            ProofAnswer::Pending { retry_after, words } => (retry_after.unwrap_or(PAUSE), words),
            ProofAnswer::Absent { words } => {
                let message = format!("the node has no proof of version {version}: {words}");
                return Err(Failure::new(Exit::NotFound, message)
                    .next("see with `kiln anchor status` where the version is"));
            }
            ProofAnswer::Erased => {
                let message =
                    format!("what opens the entry of version {version} was erased from the node");
                return Err(Failure::new(Exit::NotFound, message)
                    .next("a proof that was taken before the erasure still holds"));
            }
        };
        // Never without a pause: a node that says 0 is not asked in a circle.
        let pause = pause.clamp(PAUSE / 4, PAUSE_MAX);
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            let message = format!(
                "version {version} has no proof after {} s: {}",
                patience.as_secs(),
                printable(&words)
            );
            return Err(Failure::new(Exit::Negative, message)
                .next("wait longer with --wait, or see `kiln anchor status`"));
        }
        if !std::mem::replace(&mut told, true) {
            let text = format!("version {version} waits: {}", printable(&words));
            context.progress.remark(&text);
        }
        tokio::time::sleep(pause.min(left)).await;
    }
}

fn tell(context: &Context<'_>, args: &ProveArgs, version: usize, proof: &Proof) -> Outcome {
    if let Some(path) = &args.out {
        create_private(path, proof.text.as_bytes())?;
    }
    let checkpoint = &proof.checkpoint;
    if context.output().form == Form::Json {
        output::json(&json!({
            "version": version,
            "origin": checkpoint.origin.as_str(),
            "index": proof.file.index,
            "size": checkpoint.size,
            "file": args.out.as_ref().map(|path| path.display().to_string()),
            "proof": args.out.is_none().then_some(&proof.text),
        }))?;
        return Ok(Exit::Done);
    }
    if args.out.is_none() {
        output::line(proof.text.strip_suffix('\n').unwrap_or(&proof.text))?;
    }
    context.output().say(&format!(
        "version {version} is entry {} of {} in the log {}; check its key with `kiln anchor verify`",
        proof.file.index, checkpoint.size, checkpoint.origin
    ));
    Ok(Exit::Done)
}
