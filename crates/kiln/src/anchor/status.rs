//! `kiln anchor status`: where a version has got to, in the words of the node.

use clap::Args;
use client::{AnchorState, AnchorStatus, StatusAnswer};
use dsu::Moment;
use serde_json::json;

use super::anchor_id;
use crate::common::Common;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, count, printable};
use crate::secret_input::KEY_FORMS;
use crate::utc;

pub(super) const HELP: &str = "\
Examples:
  kiln anchor status @record
  kiln anchor status ANCHOR_ID --version 0 --json

The states:
  pending     acknowledged and stored, not yet where it is going
  inLog       in a signed checkpoint of the domain's log
  onChain     on a chain: itself, or a root above it
  onLedger    on the ledger of an adapter
  conflict    the ledger behind the node holds another history; both are shown, and the exit code
              is 7
This is what the node says. `kiln anchor prove` and `kiln anchor verify` give certainty.";

/// Options of `kiln anchor status`.
#[derive(Args)]
pub(crate) struct StatusArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The version, counted from 0 [default: the last one]
    #[arg(long = "version", id = "number", value_name = "N")]
    version: Option<u64>,
}

pub(super) fn run(args: &StatusArgs, common: &Common) -> Outcome {
    let id = anchor_id(&args.key, common)?;
    context::run(common, async |context| {
        let status = match context.client.proofs().status(&id, args.version).await? {
            StatusAnswer::Known(status) => status,
            StatusAnswer::Absent { words } => {
                let message = format!("the node has no status of it: {words}");
                return Err(Failure::new(Exit::NotFound, message)
                    .next("check the key and the node; `kiln anchor show` lists the versions"));
            }
        };
        match context.output().form {
            Form::Json => output::json(&json!(status))?,
            Form::Text => {
                for (word, text) in rows(&status) {
                    output::line(&format!("{word:<10} {}", printable(&text)))?;
                }
            }
        }
        if status.state != AnchorState::Conflict {
            return Ok(Exit::Done);
        }
        let message = "the ledger behind the node holds another history of this anchor";
        Err(Failure::new(Exit::Conflict, message).next(
            "the owner of the anchor and the operator of the node must settle which one holds",
        ))
    })
}

/// Pairs of a word and what it is.
fn rows(status: &AnchorStatus) -> Vec<(&'static str, String)> {
    let last = status.versions.saturating_sub(1);
    let mut rows = vec![
        ("anchor id", status.anchor_id.clone()),
        ("domain", status.domain.clone()),
        ("version", format!("{} of 0 to {last}", status.version)),
        ("state", state_words(status.state).to_owned()),
    ];
    if let Some(log) = &status.log {
        let covered = match log.checkpoint_size {
            Some(size) => format!("in the signed checkpoint of size {size}"),
            None => "in no checkpoint yet that proves it".to_owned(),
        };
        let text = format!("{}: entry {}, {covered}", log.origin, log.index);
        rows.push(("log", text));
        rows.extend(log.waits_for.clone().map(|it| ("waits for", it)));
        if let Some(hold) = &log.hold {
            let since = utc::format(Moment::from_millis(hold.since_ms));
            let text = format!("{}, since {since}: {}", hold.cause, hold.detail);
            rows.push(("on hold", text));
        }
    }
    if let Some(chain) = &status.chain {
        let number = chain.sequence.map(|it| format!(", root number {it}"));
        let text = format!(
            "{}: block {}, transaction {}, contract {}{}",
            chain.chain_id,
            chain.block,
            chain.transaction,
            chain.contract,
            number.unwrap_or_default()
        );
        rows.push(("chain", text));
    }
    if let Some(outbox) = &status.outbox {
        let mut text = format!(
            "{} to go to the ledger, {}",
            count(outbox.waiting, "value"),
            count(outbox.attempts, "attempt")
        );
        if let Some(error) = &outbox.last_error {
            text.push_str(": ");
            text.push_str(error);
        }
        rows.push(("outbox", text));
    }
    if let Some(conflict) = &status.conflict {
        rows.extend(conflict.here.iter().map(|it| ("here", it.clone())));
        rows.extend(conflict.there.iter().map(|it| ("there", it.clone())));
    }
    rows
}

const fn state_words(state: AnchorState) -> &'static str {
    match state {
        AnchorState::Pending => "pending: stored, not yet where it is going",
        AnchorState::InLog => "inLog: in a signed checkpoint of the log",
        AnchorState::OnChain => "onChain: on the chain",
        AnchorState::OnLedger => "onLedger: on the ledger of the adapter",
        AnchorState::Conflict => "conflict: the ledger holds another history",
        _ => "another state, which this version of kiln does not know",
    }
}
