//! `kiln anchor show`: the history of an anchor, and the bytes that a ledger gets to see of it.

use clap::Args;
use client::dsus::history;
use dsu::History;
use keyssi::{AnchorId, AnchorValue, AnchorValueKind};
use serde_json::{Value, json};

use super::{anchor_id, pick, raw};
use crate::common::Common;
use crate::context;
use crate::dsu::history::{Line, lines};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln anchor show @record
  kiln anchor show ANCHOR_ID --json            the public name is enough
  kiln anchor show @record --raw               the very bytes that a ledger gets to see

Every signature is checked from the first version on; a history that does not hold is an error.
Times are those of the signers' clocks.

What a ledger sees (--raw):
  an EVM contract or an adapter   the anchor id and the values as they are printed: plain text, ssi:…
  the log of a domain             the entries, 74 bytes each, printed in hex: 02, the operation, the
                                  node's time in ms (8 bytes), then HMAC-SHA256 of the anchor id and
                                  of the value (32 bytes each). Their key is a salt that is in no
                                  entry: without the salt nobody can tell whose entry it is
  a chain with batched roots      of the whole log its name's SHA-256, a number, the size and the root
The entries come with the proofs of the node, each checked to open to this anchor; one that is in no
signed checkpoint yet, or whose opening was erased, is named without its bytes.";

/// Options of `kiln anchor show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The very bytes that a ledger gets to see
    #[arg(long)]
    raw: bool,
}

pub(super) fn run(args: &ShowArgs, common: &Common) -> Outcome {
    let id = anchor_id(&args.key, common)?;
    context::run(common, async |context| {
        let history = history(&context.client, &id).await?;
        // Says it when there is nothing.
        pick(&id, &history, None)?;
        if args.raw {
            return raw::show(context, &id, &history).await;
        }
        let lines = lines(&id, &history);
        if context.output().form == Form::Json {
            output::json(&value(&id, &history, &lines))?;
            return Ok(Exit::Done);
        }
        for line in &lines {
            output::foreign_line(&text(line))?;
        }
        Ok(Exit::Done)
    })
}

fn value(id: &AnchorId, history: &History, lines: &[Line<'_>]) -> Value {
    let versions = lines.iter().zip(history.values()).map(|(line, value)| {
        let mut json = line.json();
        if let Some(object) = json.as_object_mut() {
            object.insert("type".to_owned(), json!(type_name(value)));
        }
        json
    });
    json!({
        "anchor_id": id.as_str(),
        "domain": id.domain().to_string(),
        "versions": versions.collect::<Vec<_>>(),
    })
}

fn text(line: &Line<'_>) -> String {
    let time = line.time.as_deref().unwrap_or("no time");
    let kind = type_name(line.value);
    format!("{:<4} {time:24}  {kind:8}  {}", line.version, line.words())
}

const fn type_name(value: &AnchorValue) -> &'static str {
    match value.kind() {
        AnchorValueKind::SignedHashLink => "shl",
        AnchorValueKind::HashLink => "hl",
        AnchorValueKind::Transfer => "transfer",
    }
}
