//! `kiln admin scrub` and `kiln admin quarantine`.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Service;
use super::status::{bytes, shown};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, Output, count, printable};
use crate::utc;

/// Commands of the scrub.
#[derive(Subcommand)]
pub(super) enum ScrubCommand {
    /// Print how far the scrub is, and what the last whole pass found
    #[command(after_help = STATUS_HELP)]
    Status(StoreArgs),
    /// Begin a pass now, or go on with one that was held up
    #[command(after_help = "Example:\n  kiln admin scrub start --store bricks")]
    Start(StoreArgs),
    /// Hold the scrub up, until a start or a restart of the node
    #[command(after_help = "Example:\n  kiln admin scrub stop --data /srv/kiln")]
    Stop(StoreArgs),
}

const STATUS_HELP: &str = "\
Examples:
  kiln admin scrub status
  kiln admin scrub status --store bricks --json

Ends with 1 while damage is known: bricks are in quarantine, or the anchors' last pass or the one that
runs has found some.";

/// Which stores.
#[derive(Args)]
pub(super) struct StoreArgs {
    /// Only this store
    #[arg(long, value_name = "STORE")]
    store: Option<Store>,
}

/// A store of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Bricks,
    Anchors,
}

/// Commands of the quarantine.
#[derive(Subcommand)]
pub(super) enum QuarantineCommand {
    /// List the damaged bricks that are kept and not served
    #[command(after_help = LIST_HELP)]
    List,
}

const LIST_HELP: &str = "\
Examples:
  kiln admin quarantine list
  kiln admin quarantine list --json

A put of the right bytes ends the quarantine of a brick: `kiln push`, or whoever has it sends it
again.";

impl Store {
    const ALL: [Self; 2] = [Self::Bricks, Self::Anchors];

    fn name(self) -> &'static str {
        match self {
            Self::Bricks => "bricks",
            Self::Anchors => "anchors",
        }
    }
}

pub(super) async fn run(command: &ScrubCommand, services: &[Service], output: Output) -> Outcome {
    let (args, act) = match command {
        ScrubCommand::Status(args) => (args, None),
        ScrubCommand::Start(args) => (args, Some("start")),
        ScrubCommand::Stop(args) => (args, Some("stop")),
    };
    let wanted: Vec<_> = match args.store {
        Some(store) => vec![store],
        None => Store::ALL.to_vec(),
    };
    let mut states = Map::new();
    for service in services {
        let parts = parts(service).await?;
        for store in wanted.iter().map(|store| store.name()) {
            if !parts.contains_key(store) {
                continue;
            }
            let state = match act {
                None => service.node.get(&format!("{store}/scrub")).await?,
                Some(act) => {
                    let path = format!("{store}/scrub/{act}");
                    service.node.send(Method::POST, &path, &json!({})).await?
                }
            };
            states.insert(store.to_owned(), state);
        }
    }
    if states.is_empty() {
        return Err(absent(args.store.map_or("store", Store::name)));
    }
    let is_damaged = states.values().any(is_damaged);
    match output.form {
        Form::Json => output::json(&Value::Object(states))?,
        Form::Text => {
            for (store, state) in &states {
                for (word, text) in lines(state) {
                    output::line(&printable(&format!("{store:10}{word:12}{text}")))?;
                }
            }
        }
    }
    Ok(if act.is_none() && is_damaged {
        Exit::Negative
    } else {
        Exit::Done
    })
}

pub(super) async fn quarantine(
    command: &QuarantineCommand,
    services: &[Service],
    output: Output,
) -> Outcome {
    let QuarantineCommand::List = command;
    for service in services {
        if !parts(service).await?.contains_key(Store::Bricks.name()) {
            continue;
        }
        let answer = service.node.get("bricks/quarantine").await?;
        match output.form {
            Form::Json => output::json(&answer)?,
            Form::Text => {
                let bricks = answer.get("bricks").and_then(Value::as_array);
                let bricks = bricks.map(Vec::as_slice).unwrap_or_default();
                for brick in bricks {
                    output::line(&printable(&line(brick)))?;
                }
                let all = number(&answer, "count");
                let rest = all.saturating_sub(bricks.len() as u64);
                if rest > 0 {
                    output.say(&format!("and {rest} more"));
                }
            }
        }
        return Ok(Exit::Done);
    }
    Err(absent(Store::Bricks.name()))
}

/// The parts of a service, by name.
async fn parts(service: &Service) -> Result<Map<String, Value>, Failure> {
    let status = service.node.get("status").await?;
    let parts = status.get("parts").and_then(Value::as_object);
    Ok(parts.cloned().unwrap_or_default())
}

fn absent(store: &str) -> Failure {
    let message = format!("no service that was asked keeps the {store}");
    Failure::new(Exit::NotFound, message)
        .next("name the data folder with --data, or the service that keeps them with --url")
}

fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// Whether the store holds what is damaged, as far as it is known. Only bricks have a quarantine,
/// which tells it best: what was mended since the last pass is not in it.
fn is_damaged(state: &Value) -> bool {
    if let Some(quarantined) = state.get("quarantined").and_then(Value::as_u64) {
        return quarantined > 0;
    }
    let mut passes = ["current", "last"].iter().filter_map(|it| state.get(it));
    passes.any(|pass| number(pass, "damaged") > 0)
}

fn lines(state: &Value) -> Vec<(&'static str, String)> {
    let is_running = state.get("running").and_then(Value::as_bool) == Some(true);
    let pass = |key: &str| state.get(key).filter(|pass| pass.is_object());
    let now = match pass("current") {
        Some(pass) => {
            let how = if is_running { "runs" } else { "is held up" };
            let begun = time(number(pass, "beganMs"));
            let number = number(pass, "number");
            format!("pass {number}, begun {begun}, {how}: {}", found(pass))
        }
        None => "no pass runs".to_owned(),
    };
    let last = match pass("last") {
        Some(pass) => {
            let ended = time(number(pass, "endedMs"));
            let number = number(pass, "number");
            format!("pass {number}, ended {ended}: {}", found(pass))
        }
        None => "none yet".to_owned(),
    };
    let mut lines = vec![("now", now), ("last whole", last)];
    if state.get("quarantined").is_some() {
        let bricks = count(number(state, "quarantined"), "brick");
        lines.push(("quarantine", bricks));
    }
    lines
}

fn found(pass: &Value) -> String {
    let (things, read) = (number(pass, "things"), bytes(number(pass, "bytes")));
    let damaged = number(pass, "damaged");
    format!(
        "{} checked, {read}, {damaged} damaged",
        count(things, "thing")
    )
}

fn line(brick: &Value) -> String {
    let domain = brick.get("domain").and_then(Value::as_str);
    format!(
        "{} {} {} {}",
        time(number(brick, "foundMs")),
        domain.unwrap_or("-"),
        shown(brick.get("hash")),
        shown(brick.get("what")),
    )
}

fn time(ms: u64) -> String {
    utc::format(dsu::Moment::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_what_is_in_quarantine_or_what_a_pass_found() {
        let check = |state: Value, expected: bool| {
            assert_eq!(is_damaged(&state), expected, "{state}");
        };
        let (sound, bad) = (json!({ "damaged": 0 }), json!({ "damaged": 1 }));
        check(json!({ "current": null, "last": null }), false);
        check(json!({ "current": null, "last": sound }), false);
        check(json!({ "current": bad, "last": sound }), true);
        check(json!({ "current": null, "last": bad }), true);
        // It was mended since.
        check(
            json!({ "current": null, "last": bad, "quarantined": 0 }),
            false,
        );
        check(
            json!({ "current": null, "last": sound, "quarantined": 1 }),
            true,
        );
    }
}
