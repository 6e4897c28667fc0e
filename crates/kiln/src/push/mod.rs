//! `kiln push`: one DSU for each folder, file or line, resumable after a kill without duplicates.
//!
//! For each item, in this order, every step on disk before the next:
//!
//! 1. the item is read: its *fingerprint* is a SHA-256 over its paths and contents;
//! 2. the journal notes that it is begun: name, fingerprint, anchor id of a fresh key;
//! 3. the key goes into the key file or the keyring;
//! 4. its bricks are stored, then its brick map, then the version is anchored. The source is hashed
//!    again on the way; an item that changed meanwhile is not anchored;
//! 5. the journal notes that it is stored, and as which version.
//!
//! So whatever was sent has its key on disk. After a kill, with a key that can be read, the same key
//! is used again, and with it the same anchor: one item never gets two. Brick keys are derived from
//! it, so bricks that are stored already are not sent twice. If the anchor exists, the item is
//! written over it: when nothing differs, no version is made and the item is stored; else it
//! becomes a new version. The same happens when the journal was lost and the keys were not.
//!
//! A keyring for recipients cannot be read by the job that adds to it. There an unfinished item of
//! a killed run is looked for at the node under each anchor with which it was begun. If one exists,
//! the item is stored, its key being in the keyring since step 3. If none does, it is begun anew, and
//! the new key takes the place of the old one, which never opened anything. What remains: a node
//! that answers "not there" and carries out an older request of the killed process after that. It
//! would take a request that outlives its connection by the time of a restart.
//!
//! - **Invariant:** nothing is sent under a key that is not on disk.
//! - **Invariant:** a second key is made for an item only after the node said that no anchor of an
//!   earlier one exists.
//! - **Invariant:** what the report calls stored was anchored with exactly this content.

mod job;
mod journal;
mod keys;
mod lines;
mod report;
mod send;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use client::NodeUrl;
use keyssi::{Domain, KeySsi, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::job::{Job, Register};
use self::journal::Journal;
use self::keys::Keys;
pub(crate) use self::keys::read_key_file;
use self::report::Report;
use self::source::Per;
use crate::common::Common;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::hex::hex;
use crate::output::{self, Form};

pub(crate) const HELP: &str = "\
Examples:
  kiln push patients/ --keys keys.ndjson               a DSU for each folder in patients/
  kiln push patients/ --save-prefix ward3. --jobs 8    keys into the keyring, eight at a time
  kiln push export.ndjson --keys keys.ndjson           a DSU for each line
  kiln push scans/ --per file --keys keys.ndjson --report report.json

Run it again after a kill, a crash or a failure: it goes on where it was. Run it again another day:
what is unchanged is skipped, what changed becomes a new version. Exit code 1: some items failed.";

/// Options of `kiln push`.
#[derive(Args)]
pub(crate) struct PushArgs {
    /// A folder, or a file of JSON lines
    source: PathBuf,
    /// What becomes a DSU [default: folder; line for a file]
    #[arg(long, value_enum)]
    per: Option<Per>,
    /// Items in work at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// The domain of the new DSUs
    #[arg(long, value_name = "DOMAIN", default_value = "default")]
    domain: Domain,
    #[command(flatten)]
    place: KeyPlace,
    /// What is begun and stored, for the next run [default: in the state folder]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Write the report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Where the keys go.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct KeyPlace {
    /// Put the keys into the keyring, each under this prefix and the item's name
    #[arg(long, value_name = "PREFIX")]
    save_prefix: Option<String>,
    /// Add the keys to this file that only you may read, one JSON line each
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

/// Carries out `kiln push`.
pub(crate) fn run(args: &PushArgs, common: &Common) -> Outcome {
    if let Some(path) = &args.report {
        report::check_place(path)?;
    }
    let domain = args.domain.clone();
    let per = args
        .per
        .unwrap_or_else(|| source::per_default(&args.source));
    let items = source::items(&args.source, per)?;
    let node = NodeUrl::from(&common.node()?).to_string();
    let per = per_name(per);
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => default_journal(&args.source, [&node, domain.as_str(), per], common)?,
    };
    let journal = Journal::open(&path, &journal::Job::new(&node, domain.as_str(), per))?;
    let keys = match (&args.place.keys, &args.place.save_prefix) {
        (Some(file), _) => Keys::in_file(file)?,
        (None, prefix) => Keys::in_keyring(prefix.as_deref().unwrap_or_default(), common)?,
    };
    let output = common.output();
    output.say(&format!("journal: {}", journal.path().display()));
    let register = Register { journal, keys };
    let report = |lines, starts| Report {
        source: args.source.display().to_string(),
        node,
        domain: args.domain.to_string(),
        starts,
        lines,
    };
    context::run(common, async |context| {
        // An unknown domain is one failure, not one of each item.
        context.client.services(&domain).await?;
        let job = Job::new(&context.client, domain, register);
        let total = items.len();
        let lines = job.run(items, usize::from(args.jobs), |done| {
            context.progress.begin(&format!("{done} of {total}"), None);
        });
        let lines = lines.await?;
        context.progress.end();
        let report = report(lines, job.starts());
        report.tell(output);
        if output.form == Form::Json {
            output::json(&report.to_json())?;
        }
        // Last: what it says must not be lost with a file that cannot be written.
        if let Some(path) = &args.report {
            report.write(path)?;
        }
        let [_, _, failed] = report.counts();
        Ok(if failed == 0 {
            Exit::Done
        } else {
            Exit::Negative
        })
    })
}

/// A new key of a DSU.
///
/// # Errors
/// [`Exit::Local`] if the system gives no random bytes.
pub(crate) fn new_seed(domain: &Domain) -> Result<KeySsi, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        Failure::new(Exit::Local, "the system gives no random bytes")
            .because(error)
            .next("check that this process may use getrandom(2), then run it again")
    })?;
    let key = PrivateKey::generate(&mut ChaCha20Rng::from_seed(*bytes));
    KeySsi::seed(domain.as_str(), &key).map_err(|error| {
        Failure::new(Exit::Usage, "no key can be made")
            .because(error)
            .next("choose another domain with --domain")
    })
}

/// A place for the journal that is the same whenever the same source goes to the same node.
fn default_journal(source: &Path, target: [&str; 3], common: &Common) -> Result<PathBuf, Failure> {
    let whole = fs::canonicalize(source)
        .map_err(|error| Failure::io(format!("{} cannot be read", source.display()), error))?;
    let mut hasher = Sha256::new();
    hasher.update(whole.as_os_str().as_encoded_bytes());
    for part in target {
        hasher.update([0]);
        hasher.update(part);
    }
    let name = hex(hasher.finalize().get(..16).unwrap_or_default());
    Ok(common.state()?.join("push").join(format!("{name}.ndjson")))
}

const fn per_name(per: Per) -> &'static str {
    match per {
        Per::Folder => "folder",
        Per::File => "file",
        Per::Line => "line",
    }
}
