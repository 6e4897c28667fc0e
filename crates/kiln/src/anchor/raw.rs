//! `kiln anchor show --raw`: what a contract, an adapter and a log get to see of an anchor.

use client::ProofAnswer;
use dsu::History;
use keyssi::{AnchorId, AnchorValue};
use serde_json::{Value, json};
use translog::Entry;

use super::op_word;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::hex::hex;
use crate::output::{self, Form};

/// What is known of the entry of one version.
enum Leaf {
    Known { index: u64, entry: Entry },
    Unknown(&'static str),
}

/// The entries of all versions, or why there are none.
type Leaves = Result<Vec<Leaf>, String>;

/// Prints the bytes.
pub(super) async fn show(context: &Context<'_>, id: &AnchorId, history: &History) -> Outcome {
    let leaves = leaves(context, id, history).await?;
    match context.output().form {
        Form::Json => output::json(&value(id, history, &leaves))?,
        Form::Text => {
            output::foreign_line(&format!("anchor id   {}", id.plain()))?;
            for (version, value) in history.values().iter().enumerate() {
                output::foreign_line(&format!("value {version:<5} {}", value.plain()))?;
            }
            for (version, leaf) in leaves.iter().flatten().enumerate() {
                output::line(&format!("entry {version:<5} {}", leaf.text()))?;
            }
        }
    }
    if let Err(words) = &leaves {
        context
            .output()
            .say(&format!("no entries of a log: {words}"));
    }
    Ok(Exit::Done)
}

/// Asks for the proof of each version, one after the other: this is for looking, not for bulk.
async fn leaves(
    context: &Context<'_>,
    id: &AnchorId,
    history: &History,
) -> Result<Leaves, Failure> {
    let proofs = context.client.proofs();
    let mut leaves = Vec::with_capacity(history.len());
    for (version, value) in history.values().iter().enumerate() {
        leaves.push(match proofs.proof(id, version, value).await? {
            ProofAnswer::Proof(proof) => Leaf::Known {
                index: proof.file.index,
                entry: proof.entry,
            },
            ProofAnswer::Pending { .. } => Leaf::Unknown("in no checkpoint yet that proves it"),
            ProofAnswer::Erased => Leaf::Unknown("its opening was erased"),
            // The versions are there: it is the log that is not.
            ProofAnswer::Absent { words } => return Ok(Err(words)),
        });
    }
    Ok(Ok(leaves))
}

fn value(id: &AnchorId, history: &History, leaves: &Leaves) -> Value {
    let values: Vec<_> = history.values().iter().map(AnchorValue::plain).collect();
    let entries = leaves.as_ref().ok();
    let entries: Option<Vec<_>> = entries.map(|all| all.iter().map(Leaf::json).collect());
    json!({ "anchor_id": id.plain(), "values": values, "entries": entries })
}

impl Leaf {
    fn text(&self) -> String {
        match self {
            Self::Known { entry, .. } => hex(&entry.encode()),
            Self::Unknown(why) => (*why).to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Known { index, entry } => json!({
                "index": index,
                "entry": hex(&entry.encode()),
                "op": op_word(entry.op),
                "time_ms": entry.time_ms,
                "id_commitment": hex(&entry.id_commitment),
                "value_commitment": hex(&entry.value_commitment),
            }),
            Self::Unknown(why) => json!({ "unknown_because": why }),
        }
    }
}
