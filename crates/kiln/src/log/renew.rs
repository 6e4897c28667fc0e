//! `kiln log renew`: ends a log whose newest entries are lost, and starts one of another name over the
//! entries that the store has. The node is stopped meanwhile.
//!
//! ```text
//! 1  the store is checked from end to end, and what is known of the old log is judged
//! 2  the new key:   <key>.next                          nobody has seen it yet
//! 3  the store:     one batch                           here the old log ends
//! 4  the keys:      <key> -> <key>.ended-<id>, <key>.next -> <key>
//! ```
//! A crash before 3 leaves the old log on hold, one after it the new log; this command, or the start of
//! the node, does what is left.
//!
//! **Source:** `translog.md` §4; docs/ledger.md, "A new log that names the old one".

use std::path::{Path, PathBuf};

use causes::with_causes;
use clap::Args;
use keyssi::Domain;
use ledger::{Ending, LedgerError, Lineage, Log, OldKey, RenewError, Renewed};
use serde_json::json;
use translog::{LogKey, Origin, Policy, Predecessor, VerifierKey};

use super::stopped::{self, StoreArgs};
use super::trust::read_policy;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, Output};

pub(super) const HELP: &str = "\
Examples:
  kiln log renew --data kiln-data --domain default --origin anchors.example/default-2 \\
      --checkpoint from-the-witness --policy policy.txt

For a log on hold whose newest entries are lost for good: the store holds less than was signed, and no
backup has the rest. (If the store has all, `kiln log lift` lets the log go on.) The old log ends: nothing
is signed under its name again, and its key is put aside. A new log of another name and with a new key
begins with the entries that the store has. Every checkpoint of it says which log it continues, where that
one ended, and how much of it is here; what is between is lost, and its owners append it again if they
have it. This cannot be undone. It is no change of a log's key: for that see log.old_key.

--checkpoint is the newest signed checkpoint of the old log that can be had anywhere: of a witness, a
monitor, a friend. --policy names the old log's witnesses (the node's log.policy will do): what one of
them cosigned, and the store contains, is surely part of the old log if it cosigned the newest lost
checkpoint too. Without such a witness the new log says for ever that none of the old entries are surely
here.

Choose a name that no log ever had. Then set log.origin in the configuration to it, and give the key that
is printed to witnesses, monitors and readers. Stop the node first.

Exit codes: 0 done, or done before; 1 a file is no checkpoint under the old log's key; 2 a name that
cannot be; 7 the log can go on: it is not on hold, or the store has all that was signed; 11 the chain has
a root that goes further than the checkpoint; 17 the store is damaged.";

/// Options of `kiln log renew`.
#[derive(Args)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The name of the new log, which no log had before
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The old log's verifier key, if its key file is lost; can be repeated
    #[arg(long, value_name = "VKEY")]
    old_vkey: Vec<String>,
    /// A policy with the old log's witnesses, whose cosignatures show how much of it the store has
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) async fn run(args: &RenewArgs, output: Output) -> Outcome {
    let domain = args.store.domain()?;
    let origin = Origin::parse(&args.origin).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{:?} is no name of a log", args.origin),
        )
        .because(error)
        .next("name it as in anchors.example/default-2: no spaces, no +")
    })?;
    let path = args.store.key_path(&domain);
    let lock = args.store.lock()?;
    let store = args.store.open()?;
    let log = store.log(&domain);
    let lineage = log.lineage().await.map_err(cannot_read)?;
    if let Some(lineage) = &lineage {
        put_in_place(&path, &lineage.origin)?;
    }
    if let Some(done) = lineage.filter(|it| it.origin == origin && log.hold().is_none()) {
        return finish(&log, &done, &path, output).await;
    }
    if log.hold().is_none() {
        return Err(can_go_on(RenewError::NotHeld));
    }
    check_name(&store, &domain, &origin).await?;
    let (keys, key) = old_keys(args, &path, &origin)?;
    let outside = args.store.outside(&keys)?;
    let witnesses = witnesses(args.policy.as_deref())?;
    let ending = Ending {
        keys: &keys,
        key,
        outside: &outside,
        witnesses: &witnesses,
        regard: args.store.regard(),
    };
    log.end(&ending).await.map_err(refused)?;
    drop((log, store));
    output.say("reading the whole store before anything of it is signed anew");
    check_store(&args.store)?;
    let store = args.store.open()?;
    let log = store.log(&domain);
    let end = log.end(&ending).await.map_err(refused)?;
    let next = next_key(&path, &origin)?;
    let renewed = log.renew(end, &next).await.map_err(refused)?;
    put_in_place(&path, &origin)?;
    drop(lock);
    tell(&origin, next.verifier(), &renewed, output)
}

/// What is left to do for a log that was renewed already.
async fn finish(log: &Log, lineage: &Lineage, path: &Path, output: Output) -> Outcome {
    let key = stopped::load_key(path)?;
    let renewed = Renewed {
        size: log.size().await.map_err(cannot_read)?,
        predecessor: lineage.predecessor().clone(),
        note: None,
    };
    output.say("it was renewed before");
    tell(&lineage.origin, key.verifier(), &renewed, output)
}

fn cannot_read(error: LedgerError) -> Failure {
    Failure::new(Exit::Local, "the log cannot be read")
        .because(error)
        .next(stopped::CHECK_STORE)
}

/// The keys of the old log, and whether it could sign.
fn old_keys(
    args: &RenewArgs,
    path: &Path,
    new: &Origin,
) -> Result<(Vec<VerifierKey>, OldKey), Failure> {
    let mut keys = Vec::new();
    let mut standing = OldKey::Lost;
    let is_there = path.try_exists();
    if is_there.map_err(|error| Failure::io("the key cannot be looked for", error))? {
        keys.push(stopped::load_key(path)?.verifier().clone());
        standing = OldKey::AtHand;
    }
    for text in &args.old_vkey {
        let key = VerifierKey::parse(text.trim()).map_err(|error| {
            Failure::new(Exit::Usage, format!("{text:?} is no verifier key"))
                .because(error)
                .next("give it as witnesses and monitors have it: NAME+ID+KEY")
        })?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let Some(first) = keys.first() else {
        let message = format!("{} is not there", path.display());
        return Err(Failure::new(Exit::Local, message).next(
            "name the old log's key with --key, or, if it is lost, its verifier key with --old-vkey",
        ));
    };
    if keys.iter().any(|key| key.name() != first.name()) {
        return Err(
            Failure::new(Exit::Usage, "the keys of the old log are of several logs")
                .next("leave out each --old-vkey that has another name, or name the right --key"),
        );
    }
    if first.name().as_str() == new.as_str() {
        return Err(used(new));
    }
    Ok((keys, standing))
}

/// The keys of the witnesses that are believed; none without a policy.
fn witnesses(policy: Option<&Path>) -> Result<Vec<VerifierKey>, Failure> {
    let Some(path) = policy else {
        return Ok(Vec::new());
    };
    let policy = Policy::parse(&read_policy(path)?).map_err(|error| {
        let message = format!("{} is no policy: {}", path.display(), with_causes(&error));
        Failure::new(Exit::Usage, message).next("name the file that log.policy names")
    })?;
    let witnesses = policy.witnesses().iter();
    Ok(witnesses.map(|witness| witness.key.clone()).collect())
}

/// Refuses a name that a log of this store has or had.
async fn check_name(
    store: &ledger::EmbeddedLedger,
    domain: &Domain,
    origin: &Origin,
) -> Result<(), Failure> {
    let names = store.log_names().await;
    let names = names.map_err(cannot_read)?;
    match names.iter().find(|(_, used)| used == origin) {
        None => Ok(()),
        Some((by, _)) if by == domain => Err(used(origin)),
        Some((by, _)) => Err(Failure::new(
            Exit::Usage,
            format!("{origin} is the log of domain {by}"),
        )
        .next("choose a name that no log ever had")),
    }
}

fn used(origin: &Origin) -> Failure {
    let message = format!("{origin} is the name that the log has or had");
    Failure::new(Exit::Usage, message).next("choose a name that no log ever had")
}

/// Nothing is signed anew that was not read from end to end.
fn check_store(args: &StoreArgs) -> Result<(), Failure> {
    let checked = ledger::check(&args.anchors());
    let report = checked.map_err(|error| {
        Failure::new(Exit::Local, "the anchors cannot be checked")
            .because(error)
            .next(stopped::CHECK_STORE)
    })?;
    let Some(first) = report.findings.first() else {
        return Ok(());
    };
    let count = report.findings.len();
    let message = format!("the store is damaged in {count} places; the first: {first}");
    Err(Failure::new(Exit::LogDamaged, message)
        .next("see `kiln store check`; restore a backup that is sound, then run this again"))
}

/// The key of the new log: made now, or by a run that was cut off.
fn next_key(path: &Path, origin: &Origin) -> Result<LogKey, Failure> {
    let next = node::next_key_file(path);
    let cannot = |what: String| {
        Failure::new(Exit::Local, what)
            .next("mend the file of the new key or its folder, then run this again")
    };
    anchor_service::put_unused_log_key_aside(&next, origin)
        .map_err(|error| cannot(format!("{error:#}")))?;
    let make = |seed: &[u8; 32]| LogKey::from_seed(origin, seed).to_text();
    let text =
        node::load_or_create_key_file(&next, make).map_err(|error| cannot(with_causes(&error)))?;
    stopped::parse_key(&next, &text)
}

fn put_in_place(path: &Path, origin: &Origin) -> Result<(), Failure> {
    anchor_service::put_renewed_log_key_in_place(path, origin).map_err(|error| {
        let message = format!("the log is renewed, and its key is not in its place: {error:#}");
        Failure::new(Exit::Local, message).next("run this again")
    })
}

fn tell(origin: &Origin, key: &VerifierKey, renewed: &Renewed, output: Output) -> Outcome {
    let Predecessor {
        origin: old,
        size,
        kept,
        ..
    } = &renewed.predecessor;
    if output.form == Form::Json {
        output::json(&json!({
            "origin": origin.as_str(),
            "vkey": key.to_string(),
            "size": renewed.size,
            "continues": { "origin": old.as_str(), "size": size, "kept": kept },
        }))?;
        return Ok(Exit::Done);
    }
    let begins = renewed.size;
    output::line(&format!(
        "{old} has ended; {origin} continues it, with {begins} entries"
    ))?;
    output::line(&format!(
        "of the {size} entries that were signed, the first {kept} are surely here"
    ))?;
    output::line(&format!("its key: {key}"))?;
    output.say(&format!(
        "next: set log.origin = \"{origin}\", give its key to witnesses and readers, and register it \
         with the registry if its roots go to a chain; then start the node"
    ));
    Ok(Exit::Done)
}

fn can_go_on(error: RenewError) -> Failure {
    let next = match &error {
        RenewError::Contained(_) => "let it go on: kiln log lift, with the same checkpoint",
        _ => "start the node",
    };
    Failure::new(Exit::Conflict, "the log does not end")
        .because(error)
        .next(next)
}

fn refused(error: RenewError) -> Failure {
    let (exit, next) = match &error {
        RenewError::NotHeld | RenewError::Contained(_) => return can_go_on(error),
        RenewError::NameUsed(name) => return used(name),
        RenewError::OnChain(_) => (
            Exit::Rollback,
            "give the signed checkpoint of that root; if the chain account's key was stolen, or nobody \
             has it, leave the chain out of account with --without-chain",
        ),
        RenewError::OtherLog(_) => (
            Exit::Negative,
            "name the log's own key with --key, and a former one with --old-vkey",
        ),
        RenewError::Damaged { .. } => (
            Exit::LogDamaged,
            "restore a backup that is sound, then run this again",
        ),
        _ => (Exit::Local, "see `kiln store check`"),
    };
    Failure::new(exit, "the log does not end")
        .because(error)
        .next(next)
}
