//! `kiln admin domains`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::AdminNode;
use super::status::shown;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::output::{self, Form, Output, printable};

/// The longest file with the settings of a domain, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Commands of domains.
#[derive(Subcommand)]
pub(super) enum DomainsCommand {
    /// List the domains and whether they are served
    #[command(after_help = "Example:\n  kiln admin domains list --data /srv/kiln")]
    List,
    /// Print the settings of a domain
    #[command(after_help = "Example:\n  kiln admin domains show default")]
    Show(NameArgs),
    /// Serve a further domain, at once and after restarts
    #[command(after_help = ADD_HELP)]
    Add(AddArgs),
    /// Stop all reads and writes of a domain; everything is kept
    #[command(after_help = "Example:\n  kiln admin domains disable research")]
    Disable(NameArgs),
    /// Serve a disabled domain again
    #[command(after_help = "Example:\n  kiln admin domains enable research")]
    Enable(NameArgs),
}

const ADD_HELP: &str = "\
Examples:
  kiln admin domains add research
  kiln admin domains add research --log-origin anchors.example/research
  kiln admin domains add trials --settings trials.toml

The file has the keys of a [[domain]] of kiln.toml, without its head and name. A domain that others
can reach needs a name for its log, which it keeps for ever.";

/// The domain that is meant.
#[derive(Args)]
pub(super) struct NameArgs {
    /// Name of the domain
    #[arg(value_name = "DOMAIN")]
    name: String,
}

/// A domain to be added.
#[derive(Args)]
pub(super) struct AddArgs {
    /// Name of the domain
    #[arg(value_name = "DOMAIN")]
    name: String,
    /// Name of its log: the log's public address without scheme
    #[arg(long, value_name = "ORIGIN")]
    log_origin: Option<String>,
    /// What callers without a credential may do: none, read, anchor or all
    #[arg(long, value_name = "POLICY")]
    anonymous: Option<String>,
    /// File with further settings (TOML)
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

pub(super) async fn run(command: &DomainsCommand, node: &AdminNode, output: Output) -> Outcome {
    match command {
        DomainsCommand::List => list(node, output).await,
        DomainsCommand::Show(args) => show(args, node, output).await,
        DomainsCommand::Add(args) => {
            let body = json!({ "settings": args.settings()? });
            let answer = node.send(Method::POST, "domains", &body).await?;
            done(&answer, output, "serves", &args.name)
        }
        DomainsCommand::Disable(args) => switch(args, "disable", node, output).await,
        DomainsCommand::Enable(args) => switch(args, "enable", node, output).await,
    }
}

async fn list(node: &AdminNode, output: Output) -> Outcome {
    let answer = node.get("domains").await?;
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => {
            for domain in answer
                .get("domains")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let is = |key: &str| domain.get(key).and_then(Value::as_bool) == Some(true);
                let state = if is("disabled") { "disabled" } else { "served" };
                let line = format!(
                    "{:9} {:14} {}",
                    state,
                    shown(domain.get("source")),
                    shown(domain.get("name"))
                );
                output::line(&printable(&line))?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn show(args: &NameArgs, node: &AdminNode, output: Output) -> Outcome {
    let answer = node
        .get(&format!("domains/{}", segment(&args.name)?))
        .await?;
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => output::line(shown(answer.get("toml")).trim_end())?,
    }
    Ok(Exit::Done)
}

async fn switch(args: &NameArgs, action: &str, node: &AdminNode, output: Output) -> Outcome {
    let path = format!("domains/{}/{action}", segment(&args.name)?);
    let answer = node.send(Method::POST, &path, &json!({})).await?;
    let verb = if action == "disable" {
        "no longer serves"
    } else {
        "serves"
    };
    done(&answer, output, verb, &args.name)
}

fn done(answer: &Value, output: Output, verb: &str, name: &str) -> Outcome {
    match output.form {
        Form::Json => output::json(answer)?,
        Form::Text => output.say(&format!("the node {verb} domain {name}")),
    }
    Ok(Exit::Done)
}

/// A name that can stand in a path; the node judges the rest.
pub(super) fn segment(name: &str) -> Result<&str, Failure> {
    let parsed: Result<keyssi::Domain, _> = name.parse();
    parsed.map(|_| name).map_err(|error| {
        Failure::new(Exit::Usage, format!("{name:?} is no domain"))
            .because(error)
            .next("`kiln admin domains list` shows the domains")
    })
}

impl AddArgs {
    /// The settings, as a `[[domain]]` of the configuration has them.
    fn settings(&self) -> Result<Value, Failure> {
        segment(&self.name)?;
        let mut settings = match &self.settings {
            Some(path) => {
                let bytes = read_bounded(path, FILE_BYTES_MAX)?;
                from_toml(&bytes).map_err(|why| {
                    Failure::new(
                        Exit::Usage,
                        format!("{} cannot be used: {why}", path.display()),
                    )
                    .next("give the keys of a [[domain]] of kiln.toml, without the line [[domain]]")
                })?
            }
            None => Map::new(),
        };
        let mut give = |key: &str, value: Value| match settings.insert(key.to_owned(), value) {
            Some(_) => Err(Failure::new(Exit::Usage, format!("{key} is given twice"))
                .next("leave it out of the file or out of the command")),
            None => Ok(()),
        };
        give("name", json!(self.name))?;
        if let Some(anonymous) = &self.anonymous {
            give("anonymous", json!(anonymous))?;
        }
        if let Some(origin) = &self.log_origin {
            let log = settings.entry("log").or_insert_with(|| json!({}));
            if let Some(log) = log.as_object_mut() {
                log.insert("origin".to_owned(), json!(origin));
            }
        }
        Ok(Value::Object(settings))
    }
}

fn from_toml(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    serde_json::to_value(table)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .ok_or_else(|| "it holds a value that JSON has not".to_owned())
}
