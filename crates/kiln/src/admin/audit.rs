//! `kiln admin audit`.

use clap::Subcommand;
use serde_json::Value;

use super::AdminNode;
use super::status::shown;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form, Output, count, printable};
use crate::utc;

/// Commands of the audit log.
#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Print the newest records, the newest first
    #[command(after_help = SHOW_HELP)]
    Show {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50)]
        most: u32,
        /// Only records before this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Walk over all records and say whether any was altered, taken out or put in
    #[command(after_help = CHECK_HELP)]
    Check,
}

const SHOW_HELP: &str = "\
Examples:
  kiln admin audit show --most 20
  kiln admin audit show --before 1000 --json

Equal refusals are one record with their number.";

const CHECK_HELP: &str = "\
Example:
  kiln admin audit check

Ends with 1 and the first broken record if there is one. Whoever can write control.db can also write
a new chain: keep the hash that this prints elsewhere and compare it later.";

pub(super) async fn run(command: &AuditCommand, node: &AdminNode, output: Output) -> Outcome {
    match command {
        AuditCommand::Show { most, before } => {
            let before = before.map(|it| format!("&before={it}")).unwrap_or_default();
            let answer = node.get(&format!("audit?most={most}{before}")).await?;
            match output.form {
                Form::Json => output::json(&answer)?,
                Form::Text => {
                    let records = answer.get("records").and_then(Value::as_array);
                    for record in records.into_iter().flatten() {
                        output::line(&printable(&line(record)))?;
                    }
                }
            }
            Ok(Exit::Done)
        }
        AuditCommand::Check => check(node, output).await,
    }
}

async fn check(node: &AdminNode, output: Output) -> Outcome {
    let answer = node.get("audit/check").await?;
    let broken = answer.get("broken").and_then(Value::as_str);
    match (output.form, broken) {
        (Form::Json, _) => output::json(&answer)?,
        (Form::Text, Some(broken)) => output::line(&format!("broken: {broken}"))?,
        (Form::Text, None) => {
            let records = answer.get("records").and_then(Value::as_u64).unwrap_or(0);
            let head = shown(answer.get("head"));
            output::line(&format!("whole: {}, head {head}", count(records, "record")))?;
        }
    }
    Ok(match broken {
        Some(_) => Exit::Negative,
        None => Exit::Done,
    })
}

fn line(record: &Value) -> String {
    let ms = record.get("timeMs").and_then(Value::as_u64).unwrap_or(0);
    let mut words = vec![format!(
        "{} {} {} by {}",
        shown(record.get("number")),
        utc::format(dsu::Moment::from_millis(ms)),
        shown(record.get("act")),
        shown(record.get("who")),
    )];
    for (word, key) in [("from", "address"), ("in", "domain")] {
        let text = shown(record.get(key));
        if !text.is_empty() {
            words.push(format!("{word} {text}"));
        }
    }
    let times = record.get("count").and_then(Value::as_u64).unwrap_or(1);
    if times > 1 {
        words.push(format!("({times} times)"));
    }
    if let Some(detail) = record.get("detail").filter(|it| !it.is_null()) {
        words.push(detail.to_string());
    }
    words.join(" ")
}
