//! `kiln dsu get`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use client::dsus::{FileReader, Listing, Snapshot};
use dsu::{Depth, DsuPath, NodeKind};
use serde_json::json;

use super::arguments::{AtOption, parse_path};
use super::list::without_manifests;
use super::target::{Existing, NewFile, check_free, local_path, make_folders};
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, count};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu get @record /report.pdf             to ./report.pdf
  kiln dsu get @record /report.pdf -           to stdout
  kiln dsu get @record /scans                  a folder, to ./scans
  kiln dsu get @record / patient               the whole DSU, to ./patient
  kiln dsu get @record / patient --at 3        as it was in version 3
  kiln dsu get @record /a.txt --at 2026-11-20  as it was at the end of that day

A target that ends with / takes it under its own name; a file goes into a folder that is there.
Files that are there already are kept unless --force is given. A file is whole when it appears.
The list of mounted DSUs, /manifest, holds keys and does not come along with a folder.";

/// Options of `kiln dsu get`.
#[derive(Args)]
pub(crate) struct GetArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file or folder in the DSU
    #[arg(value_name = "PATH", value_parser = parse_path)]
    path: DsuPath,
    /// Where it goes, or - for stdout [default: its own name, in this folder]
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    #[command(flatten)]
    at: AtOption,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
}

/// What was brought.
#[derive(Default)]
pub(crate) struct Brought {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

pub(super) fn run(args: &GetArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &key, args.at.version()).await?;
        let found = snapshot.stat(&args.path).await?;
        let target = args.target.as_deref();
        if target == Some("-") {
            let reader = snapshot.read(&args.path).await?;
            return to_stdout(reader, context).await;
        }
        let target = target_of(&args.path, target, found.kind)?;
        let brought = match found.kind {
            NodeKind::File => {
                let files = vec![(args.path.clone(), target.clone())];
                bring(context, &snapshot, files, existing).await?
            }
            NodeKind::Folder => {
                bring_folder(context, &snapshot, &args.path, &target, existing).await?
            }
        };
        context.progress.end();
        let words = format!("{}, {} bytes", count(brought.files, "file"), brought.bytes);
        let output = context.output();
        output.say(&format!("{words}, version {}", snapshot.version()));
        match output.form {
            Form::Text => output::foreign_line(&target.to_string_lossy())?,
            Form::Json => output::json(&json!({
                "path": target.to_string_lossy(),
                "version": snapshot.version(),
                "files": brought.files,
                "bytes": brought.bytes,
            }))?,
        }
        Ok(Exit::Done)
    })
}

/// Brings all that is in a folder of a DSU below the local folder `target`. Nothing is written
/// before every name and every place has been looked at.
///
/// # Errors
/// A name that is no local one, a file in the way, what the client meets.
pub(crate) async fn bring_folder(
    context: &Context<'_>,
    snapshot: &Snapshot,
    folder: &DsuPath,
    target: &Path,
    existing: Existing,
) -> Result<Brought, Failure> {
    let listed = without_manifests(snapshot.list(folder, Depth::Recursive).await?, folder);
    let mut files = Vec::new();
    let mut folders = vec![target.to_owned()];
    for Listing { path, kind, .. } in listed {
        let Some(below) = path.strip(folder) else {
            continue;
        };
        let local = local_path(target, &below)?;
        match kind {
            NodeKind::Folder => folders.push(local),
            NodeKind::File => {
                check_free(&local, existing)?;
                files.push((path, local));
            }
        }
    }
    for local in files
        .iter()
        .filter_map(|(_, local)| local.parent())
        .chain(folders.iter().map(PathBuf::as_path))
    {
        make_folders(target, local)?;
    }
    bring(context, snapshot, files, existing).await
}

/// Brings files of a DSU to the places named. Their folders must be there.
///
/// # Errors
/// As [`bring_folder`]; files that were finished by then stay.
pub(crate) async fn bring(
    context: &Context<'_>,
    snapshot: &Snapshot,
    files: Vec<(DsuPath, PathBuf)>,
    existing: Existing,
) -> Result<Brought, Failure> {
    for (_, local) in &files {
        check_free(local, existing)?;
    }
    let (paths, places): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    let mut reader = snapshot.read_many(&paths).await?;
    context.progress.begin("fetching", reader.total_bytes());
    let mut brought = Brought::default();
    let mut places = places.iter().enumerate();
    let mut open = next_file(&mut places)?;
    while let Some((index, bytes)) = reader.next().await? {
        // Files without content give no bytes.
        while let Some((number, file)) = open.take_if(|(number, _)| *number < index) {
            debug_assert!(number < index);
            file.finish(existing)?;
            brought.files += 1;
            open = next_file(&mut places)?;
        }
        if let Some((_, file)) = &mut open {
            file.write(&bytes)?;
            brought.bytes += bytes.len() as u64;
        }
    }
    while let Some((_, file)) = open {
        file.finish(existing)?;
        brought.files += 1;
        open = next_file(&mut places)?;
    }
    Ok(brought)
}

/// Writes what a reader gives to stdout.
///
/// # Errors
/// Those of reading and of stdout.
pub(crate) async fn to_stdout(mut reader: FileReader, context: &Context<'_>) -> Outcome {
    context.progress.begin("fetching", reader.total_bytes());
    while let Some((_, bytes)) = reader.next().await? {
        write_stdout(&bytes)?;
    }
    Ok(Exit::Done)
}

/// Writes bytes to stdout as they are.
///
/// # Errors
/// Those of stdout.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)
}

fn next_file<'a>(
    places: &mut impl Iterator<Item = (usize, &'a PathBuf)>,
) -> Result<Option<(usize, NewFile)>, Failure> {
    let next = places.next();
    next.map(|(index, place)| Ok((index, NewFile::create(place)?)))
        .transpose()
}

/// Where a file or folder goes.
fn target_of(path: &DsuPath, target: Option<&str>, kind: NodeKind) -> Result<PathBuf, Failure> {
    let name = || match path.name() {
        // Looked at as every name from a DSU.
        Some(_) => {
            let parent = path.parent().unwrap_or_else(DsuPath::root);
            Ok(path.strip(&parent).unwrap_or_else(DsuPath::root))
        }
        None => Err(
            Failure::new(Exit::Usage, "the root of a DSU has no name of its own")
                .next("name a folder for it, as in `kiln dsu get KEY / patient`"),
        ),
    };
    let Some(target) = target else {
        return local_path(Path::new(""), &name()?);
    };
    let local = Path::new(target);
    let takes_names = target.ends_with('/') || matches!(target, "." | "..");
    if takes_names || (kind == NodeKind::File && local.is_dir()) {
        return local_path(local, &name()?);
    }
    Ok(local.to_owned())
}
