//! `kiln admin config`.

use clap::Subcommand;

use super::AdminNode;
use super::status::shown;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form, Output};

/// Commands of the configuration.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the configuration that the node runs with, secrets left out
    #[command(after_help = "Example:\n  kiln admin config show --data /srv/kiln")]
    Show,
}

pub(super) async fn run(command: &ConfigCommand, node: &AdminNode, output: Output) -> Outcome {
    match command {
        ConfigCommand::Show => {
            let answer = node.get("config").await?;
            match output.form {
                Form::Json => output::json(&answer)?,
                Form::Text => output::line(shown(answer.get("toml")).trim_end())?,
            }
        }
    }
    Ok(Exit::Done)
}
