//! `kiln admin keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::AdminNode;
use super::quotas::{Limit, limit};
use super::status::shown;
use crate::duration;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::reserve_private;
use crate::output::{self, Form, Output, printable};
use crate::utc;

/// Commands of API keys.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key and print it; it is not shown again
    #[command(after_help = CREATE_HELP)]
    Create(CreateArgs),
    /// List the keys, without their secrets
    #[command(after_help = "Example:\n  kiln admin keys list --data /srv/kiln")]
    List,
    /// End a key at once
    #[command(after_help = "Example:\n  kiln admin keys revoke 0123456789ab")]
    Revoke {
        /// The key's id: the 12 digits after `kiln_`
        #[arg(value_name = "ID")]
        id: String,
    },
}

const CREATE_HELP: &str = "\
Examples:
  kiln admin keys create ward-7 --grant default:anchor --expires-in 90d --out ward-7.key
  kiln admin keys create auditor --grant '*:read' --bytes-down-per-day 50_000_000_000
  kiln admin keys create on-call --grant '*:operate'

Roles: read; write (read, bricks); anchor (all that a wallet does); operate (status, read-only mode);
administer (operate, and say who may do what). The last two give no right on data.
The key goes into the file of --out, which is made before the key is, and its id to stdout; without --out
only the key does. Use it with KILN_API_KEY, --api-key-file, or the header x-api-key. A file with it must
be of mode 0600: with > the shell makes one that others can read.
A quota is a whole number, as in kiln.toml; left out, or `none`, there is no limit.";

/// What a key is to be.
#[derive(Args)]
pub(super) struct CreateArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: DOMAIN:ROLE, or *:ROLE for all domains; can be repeated
    #[arg(long, value_name = "GRANT", required = true)]
    grant: Vec<String>,
    /// Write the key to a new file that only you may read; stdout gets its id
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Time until it ends: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = duration::seconds)]
    expires_in: Option<u64>,
    /// Requests per second in the long run
    #[arg(long, value_name = "N|none", value_parser = rate)]
    requests_per_second: Option<Limit>,
    /// Requests at once
    #[arg(long, value_name = "N|none", value_parser = rate)]
    requests_burst: Option<Limit>,
    /// Bytes that it may send per day
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    bytes_up_per_day: Option<Limit>,
    /// Bytes that it may fetch per day
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    bytes_down_per_day: Option<Limit>,
    /// New bricks per day
    #[arg(long, value_name = "N|none", value_parser = limit)]
    bricks_per_day: Option<Limit>,
    /// New anchors and versions per day
    #[arg(long, value_name = "N|none", value_parser = limit)]
    anchors_per_day: Option<Limit>,
    /// Bytes of bricks that it may have stored
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    storage_bytes: Option<Limit>,
    /// Bricks that it may have stored
    #[arg(long, value_name = "N|none", value_parser = limit)]
    storage_bricks: Option<Limit>,
}

pub(super) async fn run(command: &KeysCommand, node: &AdminNode, output: Output) -> Outcome {
    match command {
        KeysCommand::Create(args) => create(args, node, output).await,
        KeysCommand::List => list(node, output).await,
        KeysCommand::Revoke { id } => revoke(id, node, output).await,
    }
}

async fn create(args: &CreateArgs, node: &AdminNode, output: Output) -> Outcome {
    let grants: Result<Vec<node::Grant>, Failure> = args.grant.iter().map(|it| grant(it)).collect();
    let grants = grants?;
    let quotas = node::Quotas {
        requests_per_second: args.requests_per_second.and_then(per_second),
        requests_burst: args.requests_burst.and_then(per_second),
        bytes_up_per_day: args.bytes_up_per_day.and_then(Limit::number),
        bytes_down_per_day: args.bytes_down_per_day.and_then(Limit::number),
        bricks_per_day: args.bricks_per_day.and_then(Limit::number),
        anchors_per_day: args.anchors_per_day.and_then(Limit::number),
        storage_bytes: args.storage_bytes.and_then(Limit::number),
        storage_bricks: args.storage_bricks.and_then(Limit::number),
        ..node::Quotas::default()
    };
    let body = json!({
        "name": args.name,
        "grants": grants,
        "quotas": quotas,
        "expiresInS": args.expires_in,
    });
    // Before there is a key, which would be lost without a file.
    let file = args.out.as_deref().map(reserve_private).transpose()?;
    let mut answer = node.send(Method::POST, "keys", &body).await?;
    let id = shown(answer.get("key").and_then(|key| key.get("id")));
    if let (Some(file), Some(path)) = (file, &args.out) {
        let Some(Value::String(text)) = answer.as_object_mut().and_then(|it| it.remove("text"))
        else {
            return Err(
                Failure::new(Exit::Protocol, "the node's answer is not understood")
                    .next("use the version of kiln that the node runs"),
            );
        };
        let text = Zeroizing::new(text + "\n");
        let path = path.display();
        file.fill(text.as_bytes()).map_err(|error| {
            let message = format!("key {id} is made and cannot be written to {path}");
            Failure::io(message, error).next(format!(
                "make room or name another file, make another key, and end this one: \
                 `kiln admin keys revoke {id}`"
            ))
        })?;
        match output.form {
            Form::Json => output::json(&answer)?,
            Form::Text => {
                output::line(&id)?;
                output.say(&format!("key {id} is made; it is in {path}"));
            }
        }
        return Ok(Exit::Done);
    }
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => {
            output::line(&shown(answer.get("text")))?;
            output.say(&format!("key {id} is made; it is not shown again"));
        }
    }
    Ok(Exit::Done)
}

async fn list(node: &AdminNode, output: Output) -> Outcome {
    let answer = node.get("keys").await?;
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => {
            let keys = answer.get("keys").and_then(Value::as_array);
            for key in keys.into_iter().flatten() {
                output::line(&printable(&line(key)))?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn revoke(id: &str, node: &AdminNode, output: Output) -> Outcome {
    let id: node::KeyId = id.parse().map_err(|_| {
        Failure::new(Exit::Usage, "a key's id is the 12 digits after kiln_")
            .next("`kiln admin keys list` shows the ids")
    })?;
    let path = format!("keys/{id}/revoke");
    let answer = node.send(Method::POST, &path, &json!({})).await?;
    match output.form {
        Form::Json => output::json(&answer)?,
        Form::Text => output.say(&format!("key {id} is revoked")),
    }
    Ok(Exit::Done)
}

fn line(key: &Value) -> String {
    let time = |name: &str| {
        let ms = key.get(name).and_then(Value::as_u64);
        ms.map(|ms| utc::format(dsu::Moment::from_millis(ms)))
    };
    let grants = key.get("grants").and_then(Value::as_array);
    let grants: Vec<_> = grants
        .into_iter()
        .flatten()
        .map(|it| format!("{}:{}", shown(it.get("domain")), shown(it.get("role"))))
        .collect();
    let until = match (time("revokedMs"), time("expiresMs")) {
        (Some(time), _) => format!("revoked {time}"),
        (None, Some(time)) => format!("until {time}"),
        (None, None) => "no end".to_owned(),
    };
    format!(
        "{} {:8} {} {} ({until})",
        shown(key.get("id")),
        shown(key.get("state")),
        grants.join(","),
        shown(key.get("name")),
    )
}

/// A limit of requests, which is smaller than those of bytes.
fn rate(text: &str) -> Result<Limit, String> {
    match limit(text)? {
        Limit::Of(number) if u32::try_from(number).is_err() => {
            Err(format!("it is at most {}", u32::MAX))
        }
        fitting => Ok(fitting),
    }
}

fn per_second(limit: Limit) -> Option<u32> {
    limit.number().and_then(|number| u32::try_from(number).ok())
}

fn grant(text: &str) -> Result<node::Grant, Failure> {
    text.parse().map_err(|error| {
        Failure::new(Exit::Usage, "the grant cannot be used")
            .because(error)
            .next("give --grant as in default:anchor or '*:read'")
    })
}
