//! `kiln pull`: DSUs brought to folders, only what changed since the last time.

mod folder;
mod state;

use std::path::{Path, PathBuf};

use clap::Args;
use dsu::DsuPath;
use keyssi::KeySsi;
use serde_json::{Value, json};

use self::folder::{Local, Pulled};
pub(crate) use self::state::STATE_NAME;
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::dsu::target::local_path;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::push::read_key_file;

pub(crate) const HELP: &str = "\
Examples:
  kiln pull @record record/                    the newest version, to ./record
  kiln pull --keys keys.ndjson patients/       every DSU of a key file, each to a folder in it
  kiln pull @record record/ --force            also over what was changed here

Run it again to bring what changed since. What the DSU lost is removed. Where both sides changed, the
folder's stays and is named, and the exit code is 1. A file changed only here is not looked at. A KEY is given as in `kiln dsu get`.";

/// Options of `kiln pull`.
#[derive(Args)]
#[command(
    override_usage = "kiln pull [OPTIONS] KEY DIR\n       kiln pull [OPTIONS] --keys FILE DIR"
)]
pub(crate) struct PullArgs {
    /// The key (unless --keys is given), and the folder
    #[arg(value_names = ["KEY", "DIR"], required = true, num_args = 1..=2)]
    places: Vec<String>,
    /// The DSUs of this key file, as `kiln push --keys` and `kiln keyring export` write it; each goes
    /// to a folder of its name
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Overwrite and remove what was changed in the folder
    #[arg(long)]
    force: bool,
}

/// A DSU and its folder.
struct Target {
    name: String,
    key: KeySsi,
    /// Where it goes, or why its name is that of no folder: a failure of this DSU alone.
    folder: Result<PathBuf, Failure>,
}

/// Carries out `kiln pull`.
pub(crate) fn run(args: &PullArgs, common: &Common) -> Outcome {
    let targets = targets(args, common)?;
    let local = if args.force {
        Local::Replace
    } else {
        Local::Keep
    };
    context::run(common, async |context| {
        let mut lines = Vec::new();
        let mut exit = Exit::Done;
        for Target { name, key, folder } in targets {
            let pulled = match folder {
                Ok(folder) => folder::pull(context, &key, &folder, local)
                    .await
                    .map(|pulled| (folder, pulled)),
                Err(failure) => Err(failure),
            };
            let (folder, pulled) = match pulled {
                // One of many: the others go on, unless nothing can be had at all.
                Err(failure) if args.keys.is_some() && failure.exit() != Exit::Unreachable => {
                    output::warn(&format!("{name}: {}", failure.words()));
                    exit = Exit::Negative;
                    lines.push(json!({ "name": name, "failed": failure.words() }));
                    continue;
                }
                pulled => pulled?,
            };
            if !pulled.kept.is_empty() {
                exit = Exit::Negative;
            }
            tell(context, &name, &folder, &pulled)?;
            lines.push(pulled_json(&name, &folder, &pulled));
        }
        context.progress.end();
        if common.output().form == Form::Json {
            output::json(&json!({ "dsus": lines }))?;
        }
        Ok(exit)
    })
}

fn targets(args: &PullArgs, common: &Common) -> Result<Vec<Target>, Failure> {
    let usage = |message: &str, next: &str| Err(Failure::new(Exit::Usage, message).next(next));
    match (&args.keys, args.places.as_slice()) {
        (Some(file), [folder]) => Ok(read_key_file(file)?
            .into_iter()
            .map(|(name, key)| {
                let folder = folder_of(Path::new(folder), &name);
                Target { name, key, folder }
            })
            .collect()),
        (None, [given, folder]) => Ok(vec![Target {
            name: folder.clone(),
            key: key(given, common)?,
            folder: Ok(PathBuf::from(folder)),
        }]),
        (Some(_), _) => usage("with --keys only the folder is named", "leave out KEY"),
        (None, _) => usage(
            "a key and a folder are needed",
            "give KEY and DIR, or --keys FILE",
        ),
    }
}

/// The folder of a name, which may be a path of plain names.
fn folder_of(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let refused = || {
        Failure::new(
            Exit::Usage,
            format!("the name {name:?} cannot be that of a folder"),
        )
        .next("pull this one alone, with `kiln pull KEY DIR`")
    };
    let path = DsuPath::parse(name).map_err(|_| refused())?;
    // Normalising a name like `a/../b` would bring two DSUs to one folder.
    if path.is_root() || path.as_str().get(1..) != Some(name) {
        return Err(refused());
    }
    local_path(root, &path).map_err(|_| refused())
}

fn tell(context: &Context<'_>, name: &str, folder: &Path, pulled: &Pulled) -> Result<(), Failure> {
    for (path, why) in &pulled.kept {
        output::warn(&format!("{name}: {path} stays as it is: {why}"));
    }
    if context.output().form == Form::Json {
        return Ok(());
    }
    output::foreign_line(&format!(
        "{}  version {}  {} fetched, {} unchanged, {} removed, {} kept",
        folder.display(),
        pulled.version,
        pulled.fetched,
        pulled.unchanged,
        pulled.removed,
        pulled.kept.len()
    ))
}

fn pulled_json(name: &str, folder: &Path, pulled: &Pulled) -> Value {
    let kept = pulled
        .kept
        .iter()
        .map(|(path, why)| json!({ "path": path, "why": why }));
    json!({
        "name": name,
        "folder": folder.to_string_lossy(),
        "anchor_id": pulled.anchor,
        "version": pulled.version,
        "fetched": pulled.fetched,
        "unchanged": pulled.unchanged,
        "removed": pulled.removed,
        "kept": kept.collect::<Vec<_>>(),
    })
}
