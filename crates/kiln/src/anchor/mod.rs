//! `kiln anchor`: the histories of anchors, proofs of them, and what these prove.

mod chain;
mod evidence;
mod prove;
mod raw;
mod report;
mod show;
mod status;
mod trust;
mod verify;

use clap::Subcommand;
use client::dsus::DsuError;
use dsu::History;
use keyssi::{AnchorId, AnchorValue};
use translog::Op;

use crate::common::Common;
use crate::context::key;
use crate::exit::{Failure, Outcome};

/// Commands on anchors.
#[derive(Subcommand)]
pub(crate) enum AnchorCommand {
    /// Show the history of an anchor, every signature checked
    #[command(after_help = show::HELP)]
    Show(show::ShowArgs),
    /// Get the proof that a version is in the log
    #[command(after_help = prove::HELP)]
    Prove(prove::ProveArgs),
    /// Say where a version has got to: stored, in the log, on a chain, in conflict
    #[command(after_help = status::HELP)]
    Status(status::StatusArgs),
    /// Check a proof and say what it proves, without a node
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
}

/// Carries out `kiln anchor`.
pub(crate) fn run(command: &AnchorCommand, common: &Common) -> Outcome {
    match command {
        AnchorCommand::Show(args) => show::run(args, common),
        AnchorCommand::Prove(args) => prove::run(args, common),
        AnchorCommand::Status(args) => status::run(args, common),
        AnchorCommand::Verify(args) => verify::run(args, common),
    }
}

/// The anchor that a KEY argument leads to.
fn anchor_id(given: &str, common: &Common) -> Result<AnchorId, Failure> {
    let key = key(given, common)?;
    AnchorId::of(&key).map_err(|error| DsuError::Key(error).into())
}

/// A version of a history, the last one unless it is named.
fn pick<'a>(
    id: &AnchorId,
    history: &'a History,
    asked: Option<usize>,
) -> Result<(usize, &'a AnchorValue), Failure> {
    let count = history.len();
    let Some(last) = count.checked_sub(1) else {
        return Err(DsuError::NotAnchored(Box::new(id.clone())).into());
    };
    let version = asked.unwrap_or(last);
    let value = history.version(version);
    let value = value.ok_or(DsuError::NoSuchVersion {
        asked: version,
        count,
    })?;
    Ok((version, value))
}

/// What an entry of the log does, in a word.
const fn op_word(op: Op) -> &'static str {
    match op {
        Op::Create => "create",
        Op::Append => "append",
        Op::CreateConstant => "create-constant",
        Op::Transfer => "transfer",
        Op::Migrate => "migrate",
        Op::Erased => "erased",
    }
}
