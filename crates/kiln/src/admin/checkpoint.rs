//! `kiln admin checkpoint`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::AdminNode;
use super::status::shown;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form, Output};

/// Commands of checkpoints.
#[derive(Subcommand)]
pub(super) enum CheckpointCommand {
    /// Sign what is in the logs and not yet signed, and print the newest checkpoints
    #[command(after_help = NOW_HELP)]
    Now {
        /// Only the log of this domain
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
    },
}

const NOW_HELP: &str = "\
Examples:
  kiln admin checkpoint now --domain default > last-checkpoint
  kiln admin checkpoint now --json

A checkpoint kept outside the node shows after a restore whether the log was put back whole.
Logs sign by themselves within a second; this waits for it.";

pub(super) async fn run(command: &CheckpointCommand, node: &AdminNode, output: Output) -> Outcome {
    let CheckpointCommand::Now { domain } = command;
    let body = json!({ "domain": domain });
    let answer = node.send(Method::POST, "anchors/checkpoint", &body).await?;
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => {
            let logs = answer.get("logs").and_then(Value::as_object);
            for (domain, log) in logs.into_iter().flatten() {
                match log.get("checkpoint") {
                    Some(Value::String(signed)) => output::line(signed)?,
                    _ => output.say(&format!("domain {domain}: {}", shown(log.get("message")))),
                }
            }
        }
    }
    Ok(Exit::Done)
}
