//! `kiln import node`.

use std::path::PathBuf;

use clap::Args;
use client::ClientOptions;
use client::archive::Mounts;
use import::{PeerOptions, import_dsus};
use keyssi::KeySsi;
use url::Url;

use super::{Place, Shown, failure, target, tell};
use crate::common::Common;
use crate::context::{self, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln import node https://old.example --dsu file:record.key --data kiln-data
  kiln import node https://old.example --list keys.txt --report report.ndjson
  kiln --node http://127.0.0.1:8080 import node https://old.example --dsu @record --without-mounts

A key that reads the DSU is needed: the id of an anchor does not say which bricks belong to it. All
versions are fetched with all their bricks, and checked before anything is stored: signatures, brick
maps, every brick. Values are stored as they are signed, in their order. It can be run again: what is
here is not stored twice, and new versions are added.

Exit codes: 0 all was taken; 1 a DSU was left out, or a part of one; 3 a store cannot be used; 4 the
other node cannot be reached; 14 the disk is full.";

/// The longest list of keys, in bytes.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// Options of `kiln import node`.
#[derive(Args)]
pub(crate) struct PeerArgs {
    /// The node to take from
    #[arg(value_name = "URL")]
    url: String,
    #[arg(long, value_name = "KEY", help = KEY_FORMS, required_unless_present = "list")]
    dsu: Vec<String>,
    /// File with further keys, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Leave out the DSUs that are mounted in them
    #[arg(long)]
    without_mounts: bool,
    /// Write every finding to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The keys that are named.
pub(super) fn keys(args: &PeerArgs, common: &Common) -> Result<Vec<KeySsi>, Failure> {
    let mut keys = Vec::new();
    for given in &args.dsu {
        keys.push(key(given, common)?);
    }
    let Some(list) = &args.list else {
        return Ok(keys);
    };
    let wrong = |line: usize| {
        // It may be a key with a slip of the pen: it is not repeated.
        let message = format!("{}: line {line} is no KeySSI", list.display());
        Failure::new(Exit::Usage, message).next("give one KeySSI a line")
    };
    let text = read_bounded(list, LIST_BYTES_MAX)?;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = std::str::from_utf8(line).map_err(|_| wrong(number + 1))?;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            keys.push(KeySsi::parse(line).map_err(|_| wrong(number + 1))?);
        }
    }
    Ok(keys)
}

pub(super) async fn run(args: &PeerArgs, keys: &[KeySsi], common: &Common) -> Outcome {
    let output = common.output();
    let url = Url::parse(&args.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        Failure::new(Exit::Usage, "the address of the other node is none")
            .next("give it as in https://old.example")
    })?;
    let from = context::open(common, ClientOptions::new(url))?;
    let opened = target::open(&args.place, common)?;
    let options = PeerOptions {
        mounts: if args.without_mounts {
            Mounts::LeaveOut
        } else {
            Mounts::Include
        },
        report: args.report.as_deref(),
        scratch: &opened.memory,
    };
    let shown = Shown::begin("importing", output);
    let taken = import_dsus(
        &from,
        keys,
        &opened.target,
        &options,
        &|finding| shown.finding(finding),
        &|step| shown.step(step),
    )
    .await;
    shown.end();
    tell(&taken.map_err(failure)?, &[], output)
}
