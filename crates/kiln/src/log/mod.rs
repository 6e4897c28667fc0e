//! `kiln log check` and `kiln log monitor`: an independent reader of the transparency log of
//! anchors. It believes nothing but the signatures of the keys that it is given. `kiln log lift` and
//! `kiln log renew` are for the operator of a log on hold.
//!
//! **Source:** `translog.md` §9.

mod continued;
mod files;
mod finding;
mod lift;
mod look;
mod memory;
mod renew;
mod replay;
mod rules;
mod source;
mod stopped;
mod trust;
mod vouch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::common::{Common, KEY_OPTIONS, LOCAL_OPTIONS};
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::output::{self, Form, Output};

use continued::{Old, OldArgs};
use files::Files;
use finding::Stop;
use look::{Look, Looked, Reader};
use source::Source;
use trust::{Trust, TrustArgs};

/// Commands on the transparency log of a domain.
#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Replay a whole log: signatures, tree, entries, openings, the rules of the anchors
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Check a log, then each new checkpoint as it appears
    #[command(after_help = MONITOR_HELP)]
    Monitor(MonitorArgs),
    /// Let a log on hold go on, after comparing it with checkpoints that were kept elsewhere
    #[command(after_help = lift::HELP)]
    Lift(lift::LiftArgs),
    /// End a log whose newest entries are lost, and start one of another name that continues it
    #[command(after_help = renew::HELP)]
    Renew(renew::RenewArgs),
}

impl LogCommand {
    /// The command by its name, and the shared options that would do nothing for it.
    pub(crate) fn options_without_meaning(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Check(_) => ("kiln log check", &KEY_OPTIONS),
            Self::Monitor(_) => ("kiln log monitor", &KEY_OPTIONS),
            Self::Lift(_) => ("kiln log lift", &LOCAL_OPTIONS),
            Self::Renew(_) => ("kiln log renew", &LOCAL_OPTIONS),
        }
    }
}

const CHECK_HELP: &str = "\
Examples:
  kiln log check https://node.example/log/default --vkey anchors.example/default+2b1a01bb+AU0M…
  kiln log check --from ./copy --policy trusted.txt --json
  kiln log check https://node.example/log/default --policy p.txt --checkpoint from-a-friend

A log may continue another one, which ended: then each of its checkpoints says so. With --old-vkey the old
log's signature is checked, and each checkpoint of it that was seen here or is given with --checkpoint has
to fit what was kept.

The key must come from somewhere else than the answers that it verifies. Every entry is hashed; every
hash of every tile is compared; where openings can be had, every anchor is replayed. The checkpoint is
held against the one that was found in order last time (in the state folder, --state), and then
remembered. The first thing that is wrong is printed with its place.

Exit codes: 0 in order; 1 the checkpoint is not signed as it has to be; 10 an entry breaks a rule;
11 older than before; 17 damaged: an entry, tile, bundle or opening is wrong or missing; 18 the log
shows different histories (both signed checkpoints are kept in the state folder).";

const MONITOR_HELP: &str = "\
Examples:
  kiln log monitor https://node.example/log/default --policy trusted.txt
  kiln log monitor https://node.example/log/default --vkey VKEY --interval 10 --json
  kiln log monitor https://node.example/log/default --vkey VKEY --once

Prints a line for each new checkpoint that is in order, and ends at the first that is not, with the
exit codes of `kiln log check`. A node that does not answer is asked again at the next turn. It begins
with a check of the whole log, since it keeps the heads of the anchors in memory only.";

const URL_HELP: &str = "The address of the log, as in https://node.example/log/default";

/// Where a log is.
#[derive(Args)]
#[group(required = true, multiple = false, id = "place")]
struct PlaceArgs {
    #[arg(value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    /// A folder with the files of the log: checkpoint, tile/…, openings/…
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// Options of `kiln log check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    old: OldArgs,
    /// Where the openings are, if not beside the log; they have to be there then
    #[arg(long, value_name = "URL|DIR")]
    openings: Option<String>,
    /// A further signed checkpoint, of the log or the one that it continues, which has to fit; can be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

/// Options of `kiln log monitor`.
#[derive(Args)]
pub(crate) struct MonitorArgs {
    #[arg(value_name = "URL", help = URL_HELP)]
    url: String,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    old: OldArgs,
    /// Where the openings are, if not beside the log; they have to be there then
    #[arg(long, value_name = "URL|DIR")]
    openings: Option<String>,
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Look once
    #[arg(long)]
    once: bool,
}

/// Carries out a command.
pub(crate) fn run(command: &LogCommand, common: &Common) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no runtime can be started", error))?;
    runtime.block_on(async {
        let work = async {
            match command {
                LogCommand::Check(args) => check(args, common).await,
                LogCommand::Monitor(args) => monitor(args, common).await,
                LogCommand::Lift(args) => lift::run(args, common.output()).await,
                LogCommand::Renew(args) => renew::run(args, common.output()).await,
            }
        };
        tokio::select! {
            outcome = work => outcome,
            interrupted = context::interrupted() => match command {
                // The only way to end it: it did its job.
                LogCommand::Monitor(args) if !args.once => Ok(Exit::Done),
                _ => Err(interrupted),
            },
        }
    })
}

async fn check(args: &CheckArgs, common: &Common) -> Outcome {
    let trust = Trust::of(&args.trust)?;
    let log = match (&args.place.url, &args.place.from) {
        (_, Some(folder)) => Source::folder(folder)?,
        (url, None) => Source::web(url.as_deref().unwrap_or_default(), common)?,
    };
    let (mut further, mut old) = (Vec::new(), Old::of(&args.old)?);
    for path in &args.checkpoint {
        let bytes = read_bounded(path, translog::NOTE_BYTES_MAX as u64)?;
        if old.take(&bytes, &path.display().to_string()) {
            continue;
        }
        match trust.signed_by_log(&bytes, &path.display().to_string()) {
            Ok(believed) => further.push(believed),
            Err(finding) => {
                return report(&Looked::found(finding), common.output());
            }
        }
    }
    let files = Files::of(log, args.openings.as_deref(), common)?;
    let mut reader = Reader::new(files, trust, old, common.state()?);
    reader.further = further;
    let looked = match reader.look().await {
        Look::Failed(failure) => return Err(failure),
        Look::Done(looked) => looked,
    };
    report(&looked, common.output())
}

async fn monitor(args: &MonitorArgs, common: &Common) -> Outcome {
    let log = Source::web(&args.url, common)?;
    let files = Files::of(log, args.openings.as_deref(), common)?;
    let (trust, old) = (Trust::of(&args.trust)?, Old::of(&args.old)?);
    let mut reader = Reader::new(files, trust, old, common.state()?);
    loop {
        match reader.look().await {
            Look::Failed(failure) if args.once || !may_pass(failure.exit()) => return Err(failure),
            Look::Failed(failure) => output::warn(&failure.words()),
            Look::Done(looked) => {
                if looked.is_news {
                    report_line(&looked, common.output())?;
                }
                if let Some(finding) = &looked.finding {
                    return Ok(finding.kind.exit());
                }
            }
        }
        if args.once {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(Duration::from_secs(args.interval)).await;
    }
}

fn may_pass(exit: Exit) -> bool {
    matches!(
        exit,
        Exit::Unreachable | Exit::Refused | Exit::Protocol | Exit::NotFound
    )
}

/// What a check found, in full.
fn report(looked: &Looked, output: Output) -> Outcome {
    if output.form == Form::Json {
        output::json(&looked.json())?;
    } else {
        for line in looked.lines() {
            output::foreign_line(&line)?;
        }
    }
    let exit = looked.finding.as_ref().map(|it| it.kind.exit());
    Ok(exit.unwrap_or(Exit::Done))
}

/// What a look found, in one line.
fn report_line(looked: &Looked, output: Output) -> Result<(), Failure> {
    match output.form {
        Form::Json => output::line(&looked.json().to_string()),
        Form::Text => output::foreign_line(&looked.line()),
    }
}

impl From<Stop> for Look {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Found(finding) => Self::Done(Box::new(Looked::found(*finding))),
            Stop::Failed(failure) => Self::Failed(*failure),
        }
    }
}
