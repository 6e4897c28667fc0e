//! `kiln dsu rm`, `mv`, `cp`, `mount` and `unmount`.

use clap::Args;
use dsu::{DsuPath, NodeKind};
use keyssi::{KeySsi, SsiKind};
use serde_json::Map;

use super::arguments::{parse_path, refuse_two_from_stdin};
use super::draft::Changes;
use crate::common::Common;
use crate::context::{self, key, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::secret_input::KEY_FORMS;
use crate::share::read_only;

pub(super) const REMOVE_HELP: &str = "\
Examples:
  kiln dsu rm @record /draft.txt
  kiln dsu rm @record /scans -r                a folder with all that is in it

Older versions keep what is removed: whoever has the key can read them.";

pub(super) const MOVE_HELP: &str = "\
Examples:
  kiln dsu mv @record /a.txt /b.txt
  kiln dsu mv @record /a.txt /folder/          as /folder/a.txt

Nothing is encrypted or sent again. What is there already is not replaced.";

pub(super) const COPY_HELP: &str = "\
Examples:
  kiln dsu cp @record /report.pdf /2026/report.pdf
  kiln dsu cp @record /scans /archive/         a folder, as /archive/scans

Nothing is encrypted or sent again: the copy is made of the same bricks.";

pub(super) const MOUNT_HELP: &str = "\
Examples:
  kiln dsu mount @record /images @images       whoever reads @record reads @images there
  kiln dsu mount @record /images @images --writable

A DSU is mounted with its read-only key: an owner's key, mounted as it is with --writable, can be
taken out by everyone who can read @record, and with it they can write.";

pub(super) const UNMOUNT_HELP: &str = "\
Example:
  kiln dsu unmount @record /images

The DSU that was mounted stays as it is; older versions still mount it.";

/// Options of `kiln dsu rm`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// What is removed
    #[arg(value_name = "PATH", value_parser = parse_path, required = true)]
    paths: Vec<DsuPath>,
    /// Folders with all that is in them
    #[arg(long, short)]
    recursive: bool,
}

/// Options of `kiln dsu mv` and `kiln dsu cp`.
#[derive(Args)]
pub(crate) struct RelocateArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file or folder
    #[arg(value_name = "FROM", value_parser = parse_path)]
    from: DsuPath,
    /// Its new path; one that ends with / keeps the name
    #[arg(value_name = "TO")]
    to: String,
}

/// Options of `kiln dsu mount`.
#[derive(Args)]
pub(crate) struct MountArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// Where it is mounted; nothing may be there
    #[arg(value_name = "PATH", value_parser = parse_path)]
    path: DsuPath,
    /// The key of the DSU that is mounted
    #[arg(value_name = "OTHER")]
    other: String,
    /// Mount the key as it is, not the read-only one
    #[arg(long)]
    writable: bool,
}

/// Options of `kiln dsu unmount`.
#[derive(Args)]
pub(crate) struct UnmountArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The mount point
    #[arg(value_name = "PATH", value_parser = parse_path)]
    path: DsuPath,
}

/// How something gets to another path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relocation {
    Move,
    Copy,
}

pub(super) fn remove(args: &RemoveArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let first = args.paths.first().cloned().unwrap_or_else(DsuPath::root);
        let mut changes = Changes::open(context, &key, &first).await?;
        for path in &args.paths {
            let inner = changes.inner(path)?;
            let found = changes.stat(&inner).await?;
            if found.is_mount {
                let message = format!("a DSU is mounted at {path}");
                return Err(Failure::new(Exit::Usage, message)
                    .next("take the mount away with `kiln dsu unmount`; the DSU stays as it is"));
            }
            if found.kind == NodeKind::Folder && !args.recursive {
                let message = format!("{path} is a folder");
                return Err(Failure::new(Exit::Usage, message)
                    .next("remove it with all that is in it with -r"));
            }
            changes.draft.remove(&inner, now()).await?;
        }
        changes.commit(context, "", Map::new()).await
    })
}

pub(super) fn relocate(args: &RelocateArgs, how: Relocation, common: &Common) -> Outcome {
    let usage = |error: String| Failure::new(Exit::Usage, error).next("write it as /folder/file");
    let mut to = parse_path(&args.to).map_err(usage)?;
    if to.is_root() || args.to.ends_with('/') {
        let name = args.from.name().unwrap_or_default();
        to = to.join(name).map_err(|error| usage(error.to_string()))?;
    }
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let mut changes = Changes::open(context, &key, &args.from).await?;
        let (from, to) = (changes.inner(&args.from)?, changes.inner(&to)?);
        refuse_taken(&changes, &to).await?;
        match how {
            Relocation::Move => changes.draft.rename(&from, &to, now()).await?,
            Relocation::Copy => changes.draft.copy(&from, &to, now()).await?,
        }
        changes.commit(context, "", Map::new()).await
    })
}

/// Nothing is replaced in passing.
async fn refuse_taken(changes: &Changes, to: &DsuPath) -> Result<(), Failure> {
    match changes.stat(to).await {
        Err(failure) if failure.exit() == Exit::NotFound => Ok(()),
        Err(failure) => Err(failure),
        Ok(_) => Err(Failure::new(Exit::Conflict, format!("{to} exists already"))
            .next("choose another path, or remove this one first")),
    }
}

pub(super) fn mount(args: &MountArgs, common: &Common) -> Outcome {
    refuse_two_from_stdin([args.key.as_str(), args.other.as_str()])?;
    let key_of_dsu = key(&args.key, common)?;
    let other = key(&args.other, common)?;
    let mounted = if args.writable {
        other
    } else {
        mountable(&other)?
    };
    context::run(common, async |context| {
        let mut changes = Changes::open(context, &key_of_dsu, &args.path).await?;
        // A mount that nobody can open would break every listing.
        client::dsus::Snapshot::open(&context.client, &mounted, client::dsus::At::Latest).await?;
        let inner = changes.inner(&args.path)?;
        changes.draft.mount(&inner, &mounted, now()).await?;
        changes.commit(context, "", Map::new()).await
    })
}

/// The key that is mounted for reading.
fn mountable(other: &KeySsi) -> Result<KeySsi, Failure> {
    match other.kind() {
        SsiKind::Seed => read_only(other),
        _ => Ok(other.clone()),
    }
}

pub(super) fn unmount(args: &UnmountArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let mut changes = Changes::open_holder(context, &key, &args.path).await?;
        let inner = changes.inner(&args.path)?;
        changes.draft.unmount(&inner, now()).await?;
        changes.commit(context, "", Map::new()).await
    })
}
