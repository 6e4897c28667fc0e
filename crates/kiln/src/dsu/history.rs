//! `kiln dsu history`: who signed what when.

use clap::Args;
use client::dsus::{DsuError, history};
use dsu::History;
use keyssi::{AnchorId, AnchorValue, AnchorValueKind};
use serde_json::{Value, json};

use crate::common::Common;
use crate::context::{self, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;
use crate::utc;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu history @record
  kiln dsu history @record --long              with the anchor values
  kiln dsu history ANCHOR_ID --json            the public name is enough

Every signature is checked from the first version on; a history that does not hold is an error.
Times are those of the signers' clocks. The signer is the owner's public key, shortened in text.";

/// The beginning of a public key that is shown in text.
const KEY_CHARS: usize = 16;

/// Options of `kiln dsu history`.
#[derive(Args)]
pub(crate) struct HistoryArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The anchor values too
    #[arg(long, short)]
    long: bool,
}

/// One version.
pub(crate) struct Line<'a> {
    pub(crate) version: usize,
    pub(crate) value: &'a AnchorValue,
    pub(crate) time: Option<String>,
    /// The public key that signed it, base64; none for constant DSUs.
    signer: Option<String>,
}

pub(super) fn run(args: &HistoryArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    let id = AnchorId::of(&key).map_err(|error| Failure::from(DsuError::Key(error)))?;
    context::run(common, async |context| {
        let history = history(&context.client, &id).await?;
        if history.is_empty() {
            return Err(DsuError::NotAnchored(Box::new(id.clone())).into());
        }
        let lines = lines(&id, &history);
        if context.output().form == Form::Json {
            output::json(&Value::Array(lines.iter().map(Line::json).collect()))?;
            return Ok(Exit::Done);
        }
        for line in &lines {
            output::foreign_line(&line.text(args.long))?;
        }
        Ok(Exit::Done)
    })
}

/// The versions of a history, oldest first.
pub(crate) fn lines<'a>(id: &AnchorId, history: &'a History) -> Vec<Line<'a>> {
    // ssi:sza:<domain>::<public key>:v0
    let owner = id.plain().split(':').nth(4).filter(|it| !it.is_empty());
    let mut owner = owner.map(ToOwned::to_owned);
    let mut lines = Vec::with_capacity(history.len());
    for (version, value) in history.values().iter().enumerate() {
        let is_signed = value.kind() != AnchorValueKind::HashLink;
        lines.push(Line {
            version,
            value,
            time: history.time(version).map(utc::format),
            signer: owner.clone().filter(|_| is_signed),
        });
        // From the next version on the new owner signs.
        if let Some(next) = value.new_key() {
            owner = Some(next.to_owned());
        }
    }
    lines
}

impl Line<'_> {
    pub(crate) fn json(&self) -> Value {
        json!({
            "version": self.version,
            "time": self.time,
            "signer": self.signer,
            "brick_map": self.value.brick_map_hash(),
            "handed_to": self.value.new_key(),
            "value": self.value.as_str(),
        })
    }

    fn text(&self, long: bool) -> String {
        let time = self.time.as_deref().unwrap_or("no time");
        let value = if long {
            format!("  {}", self.value.as_str())
        } else {
            String::new()
        };
        format!("{:<4} {time:24}  {}{value}", self.version, self.words())
    }

    /// Who signed what.
    pub(crate) fn words(&self) -> String {
        let short = |key: &str| match key.get(..KEY_CHARS) {
            Some(start) => format!("{start}…"),
            None => key.to_owned(),
        };
        let signer = self.signer.as_deref().map(short);
        let signer = signer.map_or_else(|| "unsigned".to_owned(), |it| format!("by {it}"));
        let what = match (self.value.brick_map_hash(), self.value.new_key()) {
            (_, Some(key)) => format!("handed over to {}", short(key)),
            (Some(hash), None) => format!("brick map {hash}"),
            (None, None) => String::new(),
        };
        format!("{signer}  {what}")
    }
}
