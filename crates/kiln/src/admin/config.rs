//! `kiln admin config`.

use clap::Subcommand;
use serde_json::Value;

use super::AdminNode;
use super::status::shown;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form, Output, printable};

/// Commands of the configuration.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the configuration that the node runs with, secrets left out
    #[command(after_help = SHOW_HELP)]
    Show,
}

const SHOW_HELP: &str = "\
Example:
  kiln admin config show --data /srv/kiln

Comments at its head say where values were read from; those that are not named are the defaults.";

pub(super) async fn run(command: &ConfigCommand, node: &AdminNode, output: Output) -> Outcome {
    match command {
        ConfigCommand::Show => {
            let answer = node.get("config").await?;
            match output.form {
                Form::Json => output::json(&answer)?,
                Form::Text => {
                    for line in origins(&answer) {
                        output::line(&printable(&line))?;
                    }
                    output::line(shown(answer.get("toml")).trim_end())?;
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Where values were read from, as comments of TOML.
fn origins(answer: &Value) -> Vec<String> {
    let origins = answer.get("origins").and_then(Value::as_object);
    let origins = origins.into_iter().flatten();
    origins
        .map(|(key, origin)| format!("# {key}: {}", shown(Some(origin))))
        .collect()
}
