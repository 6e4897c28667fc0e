//! `kiln watch`: new versions of DSUs, printed as they appear.
//!
//! What is new is told by the memory of heads: the versions after the last one that this machine
//! saw. A version is printed first and remembered then, so one that was cut off is printed again,
//! and none is lost.

use std::time::Duration;

use causes::with_causes;
use clap::Args;
use client::dsus::{At, Difference, DsuError, Snapshot, compare, history};
use client::{Client, ClientOptions, HeadMemory};
use dsu::{Depth, DsuPath, History, SeenHead};
use keyssi::{AnchorId, AnchorValue, KeySsi};
use serde_json::{Value, json};

use crate::client_failure::exit_of;
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::dsu::arguments::refuse_two_from_stdin;
use crate::dsu::list::without_manifests;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;
use crate::utc;

pub(crate) const HELP: &str = "\
Examples:
  kiln watch @record                           a line for each new version, until Ctrl-C
  kiln watch @one @two --interval 5 --json     NDJSON, asked every five seconds
  kiln watch @record --once                    what is new since the last look, then the end

New are the versions after the last that this machine has seen in any command; of a DSU that it
has never seen, all. A node that does not answer is asked again at the next turn. A history that
is forged or older than before ends the watch with its exit code.";

/// Options of `kiln watch`.
#[derive(Args)]
pub(crate) struct WatchArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS, required = true)]
    keys: Vec<String>,
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Look once
    #[arg(long)]
    once: bool,
}

/// A DSU that is watched.
struct Watched {
    /// What it is called: as it was given, unless that is the key itself.
    name: String,
    key: KeySsi,
    id: AnchorId,
}

/// Carries out `kiln watch`.
pub(crate) fn run(args: &WatchArgs, common: &Common) -> Outcome {
    refuse_two_from_stdin(args.keys.iter().map(String::as_str))?;
    let watched: Vec<Watched> = args
        .keys
        .iter()
        .map(|given| watched(given, common))
        .collect::<Result<_, _>>()?;
    let outcome = context::run(common, async |context| {
        // Without the memory of heads: it is this command that decides when one was seen.
        let client = Client::new(ClientOptions::new(common.node()?))?;
        let heads = HeadMemory::new(common.state()?.join("heads"));
        loop {
            for it in &watched {
                match look(context, &client, &heads, it).await {
                    Err(failure) if !args.once && may_pass(failure.exit()) => {
                        output::warn(&format!("{}: {}", it.name, failure.words()));
                    }
                    looked => looked?,
                }
            }
            if args.once {
                return Ok(Exit::Done);
            }
            tokio::time::sleep(Duration::from_secs(args.interval)).await;
        }
    });
    match outcome {
        // The only way to end a watch: it did its job.
        Err(failure) if failure.exit() == Exit::Interrupted && !args.once => Ok(Exit::Done),
        outcome => outcome,
    }
}

fn watched(given: &str, common: &Common) -> Result<Watched, Failure> {
    let key = key(given, common)?;
    let id = AnchorId::of(&key).map_err(|error| Failure::from(DsuError::Key(error)))?;
    let is_place = given == "-"
        || ["@", "file:", "env:"]
            .iter()
            .any(|it| given.starts_with(it));
    let name = if is_place {
        given.to_owned()
    } else {
        id.as_str().to_owned()
    };
    Ok(Watched { name, key, id })
}

/// Failures after which the next look may go well.
const fn may_pass(exit: Exit) -> bool {
    matches!(exit, Exit::Unreachable | Exit::Refused | Exit::Protocol)
}

/// Prints the versions after the last one seen.
async fn look(
    context: &Context<'_>,
    client: &Client,
    heads: &HeadMemory,
    watched: &Watched,
) -> Result<(), Failure> {
    let seen = heads.recall(&watched.id)?;
    let history = history(client, &watched.id).await?;
    if let Some(seen) = &seen {
        history
            .extends(seen)
            .map_err(|rollback| DsuError::RolledBack(Box::new(rollback)))?;
    }
    for version in seen.map_or(0, |seen| seen.versions)..history.len() {
        let changes = changes(client, &watched.key, version).await?;
        print(context, watched, &history, version, &changes)?;
        // One by one: a later version that cannot be had does not bring this one back.
        let value = history.version(version).map(AnchorValue::as_str);
        let head = SeenHead {
            versions: version + 1,
            last_value: value.unwrap_or_default().to_owned(),
        };
        heads.remember(&watched.id, &head)?;
    }
    Ok(())
}

/// What a version changed, or in words why that is not known.
type Changes = Result<Vec<Difference>, String>;

/// # Errors
/// Only what may pass; what is wrong with the version itself is told with it.
async fn changes(client: &Client, key: &KeySsi, version: usize) -> Result<Changes, Failure> {
    match compared(client, key, version).await {
        Ok(differences) => Ok(Ok(differences)),
        Err(error) if may_pass(exit_of(&error)) => Err(error.into()),
        Err(error) => Ok(Err(with_causes(&error))),
    }
}

async fn compared(
    client: &Client,
    key: &KeySsi,
    version: usize,
) -> Result<Vec<Difference>, DsuError> {
    let after = Snapshot::open(client, key, At::Version(version)).await?;
    let Some(before) = version.checked_sub(1) else {
        let root = DsuPath::root();
        let all = without_manifests(after.list(&root, Depth::Recursive).await?, &root);
        return Ok(all
            .into_iter()
            .map(|line| Difference::Added(line.path))
            .collect());
    };
    let before = Snapshot::open(client, key, At::Version(before)).await?;
    compare(&before, &after).await
}

fn print(
    context: &Context<'_>,
    watched: &Watched,
    history: &History,
    version: usize,
    changes: &Changes,
) -> Result<(), Failure> {
    let time = history.time(version).map(utc::format);
    let signer = signer(watched, history, version);
    if context.output().form == Form::Json {
        // One value a line, also on a terminal.
        return output::line(
            &json!({
                "dsu": watched.name,
                "anchor_id": watched.id.as_str(),
                "version": version,
                "time": time,
                "signer": signer,
                "changes": changes.as_ref().ok().map(|all| {
                    all.iter().map(difference).collect::<Vec<Value>>()
                }),
                "unknown_because": changes.as_ref().err(),
            })
            .to_string(),
        );
    }
    let words = match changes {
        Err(why) => format!("changes unknown: {why}"),
        Ok(all) if all.is_empty() => "no path changed".to_owned(),
        Ok(all) => {
            let words = all.iter().map(|it| format!("{} {}", word(it), it.path()));
            words.collect::<Vec<_>>().join(", ")
        }
    };
    let time = time.unwrap_or_else(|| "no time".to_owned());
    let signer = signer.map_or_else(String::new, |it| format!("  by {it:.12}…"));
    output::foreign_line(&format!(
        "{time}  {}  version {version}{signer}  {words}",
        watched.name
    ))
}

/// The public key that signed a version, in base64: that of the anchor, or the one that it was
/// handed to before. `None` for a constant DSU.
fn signer(watched: &Watched, history: &History, version: usize) -> Option<String> {
    let before = history.values().get(..version).unwrap_or_default();
    if let Some(key) = before.iter().rev().find_map(|value| value.new_key()) {
        return Some(key.to_owned());
    }
    watched.id.public_key()?;
    let anchor = watched.key.anchor().ok()?;
    Some(anchor.control().to_owned())
}

fn difference(difference: &Difference) -> Value {
    json!({ "path": difference.path().as_str(), "change": word(difference) })
}

const fn word(difference: &Difference) -> &'static str {
    match difference {
        Difference::Added(_) => "added",
        Difference::Removed(_) => "removed",
        Difference::Changed(_) => "changed",
        Difference::KindChanged(_) => "replaced",
        _ => "differs",
    }
}
