//! `kiln import`: moving in from an `ApiHub`, or from another node.

mod apihub;
mod peer;
mod target;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use causes::with_causes;
use clap::{Args, Subcommand};
use import::{Counts, Finding, ImportError, SourceError, Step, Summary};
use serde_json::{Value, json};

use crate::common::Common;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, Output};
use crate::progress::Progress;

/// Findings that are named one by one on stderr; the report holds all.
const NAMED_MAX: u64 = 20;

/// Commands that move in.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Take bricks, anchors, documents and domains from an ApiHub's folder, all of it checked
    #[command(after_help = apihub::HELP)]
    Apihub(apihub::ApiHubArgs),
    /// Take DSUs with their histories from another node, Kiln or ApiHub
    #[command(after_help = peer::HELP)]
    Node(peer::PeerArgs),
}

/// Where things go.
#[derive(Args)]
struct Place {
    /// Data folder of a stopped node; without it they go to the running node of --node
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Carries out a command.
pub(crate) fn run(command: &ImportCommand, common: &Common) -> Outcome {
    match command {
        ImportCommand::Apihub(args) => run_until_interrupted(apihub::run(args, common)),
        ImportCommand::Node(args) => {
            // A prompt for a passphrase would not see Ctrl-C.
            let keys = peer::keys(args, common)?;
            run_until_interrupted(peer::run(args, &keys, common))
        }
    }
}

fn run_until_interrupted(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no threads can be started", error))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome,
            interrupted = context::interrupted() => Err(interrupted),
        }
    });
    runtime.shutdown_background();
    outcome
}

/// What a running import shows on stderr.
struct Shown {
    progress: Progress,
    findings: AtomicU64,
}

impl Shown {
    fn begin(what: &str, output: Output) -> Self {
        let progress = Progress::new(output);
        progress.begin(what, None);
        Self {
            progress,
            findings: AtomicU64::new(0),
        }
    }

    fn finding(&self, finding: &Finding) {
        if self.findings.fetch_add(1, Ordering::Relaxed) < NAMED_MAX {
            let Finding {
                path,
                reason,
                detail,
                ..
            } = finding;
            self.progress.warn(&format!("{path}: {reason}: {detail}"));
        }
    }

    fn step(&self, step: Step) {
        self.progress.advance(step.bytes);
    }

    fn end(&self) {
        self.progress.end();
        let named = self.findings.load(Ordering::Relaxed);
        if let Some(more) = named.checked_sub(NAMED_MAX)
            && more > 0
        {
            output::warn(&format!("and {more} more; --report FILE names them all"));
        }
    }
}

/// Prints the numbers, with what else there is to say; the exit code says whether all was taken.
fn tell(summary: &Summary, more: &[(&str, Value)], output: Output) -> Outcome {
    match output.form {
        Form::Json => {
            let mut object = serde_json::Map::new();
            object.insert("summary".to_owned(), json!(summary));
            for (name, value) in more {
                object.insert((*name).to_owned(), value.clone());
            }
            output::json(&Value::Object(object))?;
        }
        Form::Text => {
            let line = |name: &str, counts: &Counts, more: String| {
                let Counts {
                    found,
                    stored,
                    present,
                    skipped,
                } = counts;
                output::line(&format!(
                    "{name:<10}{found} found: {stored} stored{more}, {present} here before, \
                     {skipped} skipped"
                ))
            };
            let bytes = summary.brick_bytes_stored;
            line("bricks", &summary.bricks, format!(" ({bytes} bytes)"))?;
            let versions = summary.versions_stored;
            line(
                "anchors",
                &summary.anchors,
                format!(" ({versions} versions)"),
            )?;
            line("documents", &summary.documents, String::new())?;
            for (reason, number) in &summary.reasons {
                output::line(&format!("  {number} {reason}"))?;
            }
        }
    }
    Ok(if summary.findings() == 0 {
        Exit::Done
    } else {
        Exit::Negative
    })
}

/// What an import that ended early means: code, message, next action.
fn failure(error: ImportError) -> Failure {
    let words = with_causes(&error);
    let local = |next: &str| Failure::new(Exit::Local, &*words).next(next);
    match error {
        ImportError::OutOfSpace => Failure::new(Exit::DiskFull, words)
            .next("make room on the disk, then run it again: it goes on where it stopped"),
        ImportError::Node(error) => error.into(),
        ImportError::Source(SourceError::NoSuchDomain { .. }) => Failure::new(Exit::Usage, words)
            .next("name one of these with --domain, or leave --domain out"),
        ImportError::Source(_) => local("check the folder and its permissions"),
        ImportError::Journal(_) => local(
            "move the journal away; everything is then looked at again, and nothing stored twice",
        ),
        ImportError::Bricks(_) | ImportError::Anchors(_) => {
            local("see what is wrong with `kiln store check --data DIR`, then run it again")
        }
        _ => local("check the path and the disk, then run it again: it goes on where it stopped"),
    }
}
