//! `kiln admin read-only`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{AdminNode, status::shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

/// Commands of the read-only mode.
#[derive(Subcommand)]
pub(super) enum ReadOnlyCommand {
    /// Refuse all writes; when this ends, none is acknowledged any more
    #[command(after_help = ON_HELP)]
    On,
    /// Take writes again
    #[command(after_help = "Example:\n  kiln admin read-only off --data /srv/kiln")]
    Off,
    /// Say whether writes are refused, and why
    #[command(after_help = "Example:\n  kiln admin read-only show --json")]
    Show,
}

const ON_HELP: &str = "\
Example:
  kiln admin read-only on --data /srv/kiln

It holds over restarts. Writes that had begun are waited for, half a minute at most; ends with 16 if
some still run then: the mode is on all the same, call it again to wait on.";

pub(super) async fn run(command: &ReadOnlyCommand, node: &AdminNode, output: Output) -> Outcome {
    let answer = match command {
        ReadOnlyCommand::Show => node.get("read-only").await?,
        ReadOnlyCommand::On => set(node, true).await?,
        ReadOnlyCommand::Off => set(node, false).await?,
    };
    output.table(&answer, &[("writes", words(&answer))])?;
    let still = !matches!(command, ReadOnlyCommand::Show)
        && answer.get("readOnly") != Some(&json!(matches!(command, ReadOnlyCommand::On)));
    if still {
        output.say("another cause holds: take it away too");
        return Ok(Exit::Negative);
    }
    Ok(Exit::Done)
}

async fn set(node: &AdminNode, active: bool) -> Result<Value, crate::exit::Failure> {
    let body = json!({ "readOnly": active });
    node.send(Method::PUT, "read-only", &body).await
}

/// Whether writes are taken, and if not, why.
pub(super) fn words(answer: &Value) -> String {
    let causes = answer.get("causes").and_then(Value::as_array);
    let causes: Vec<_> = causes
        .into_iter()
        .flatten()
        .map(|it| cause(&shown(Some(it))))
        .collect();
    if causes.is_empty() {
        return "taken".to_owned();
    }
    format!("refused: {}", causes.join("; "))
}

fn cause(name: &str) -> String {
    match name {
        "configuration" => "node.read_only in the configuration".to_owned(),
        "admin" => "kiln admin read-only on".to_owned(),
        "file" => "a file named readonly".to_owned(),
        other => other.to_owned(),
    }
}
