//! `kiln dsu export` and `kiln dsu import`: whole DSUs in one file.

mod open;
mod verify;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use causes::with_causes;
use clap::Args;
use client::archive::{ExportError, Exported, ImportError, Imported, Mounts, export, import};
use dsu::DsuPath;
use keyssi::KeySsi;
use serde_json::json;

pub(super) use self::verify::verify;

use self::open::{archive_failure, open};
use super::target::{Existing, NewFile, check_free};
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, count};
use crate::secret_input::KEY_FORMS;

pub(super) const EXPORT_HELP: &str = "\
Examples:
  kiln dsu export @record record.car           all versions, with the DSUs mounted in it
  kiln dsu export @record record.car --without-mounts
  kiln dsu export @record - | kiln --node https://other.example dsu import -

The file is encrypted as the DSU is: who has it needs a key to read it. It shows which DSUs and
bricks belong together. It is whole when it appears under its name.";

pub(super) const IMPORT_HELP: &str = "\
Examples:
  kiln dsu import record.car                   needs no key
  kiln --node https://other.example dsu import record.car
  kiln dsu import -                            from stdin; kept in the temporary folder meanwhile

All of the file is checked before anything is sent. Bricks that are there are not sent again: after
an interruption, start it again. A DSU that the node has must be the same as far as both go.";

/// Options of `kiln dsu export`.
#[derive(Args)]
pub(crate) struct ExportArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// Where the archive goes, or - for stdout
    #[arg(value_name = "FILE.car")]
    file: String,
    /// Leave out the DSUs that are mounted in it
    #[arg(long)]
    without_mounts: bool,
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

/// Options of `kiln dsu import`.
#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The archive, or - for stdin
    #[arg(value_name = "FILE.car")]
    file: String,
}

pub(super) fn run_export(args: &ExportArgs, common: &Common) -> Outcome {
    let path = Path::new(&args.file);
    let is_stdout = args.file == "-";
    if is_stdout && io::stdout().is_terminal() {
        return Err(
            Failure::new(Exit::Usage, "an archive is not written to a terminal")
                .next("name a file, or send stdout to one"),
        );
    }
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    if !is_stdout {
        check_free(path, existing)?;
    }
    let mounts = if args.without_mounts {
        Mounts::LeaveOut
    } else {
        Mounts::Include
    };
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        context.progress.begin("exporting", None);
        let exported = if is_stdout {
            let mut stdout = BufWriter::new(io::stdout());
            let exported = export(&context.client, &key, mounts, &mut stdout).await;
            exported.map_err(|error| export_failure(error, None))?
        } else {
            to_file(context, &key, mounts, path, existing).await?
        };
        context.progress.end();
        tell_exported(context, &exported, &args.file)
    })
}

pub(super) fn run_import(args: &ImportArgs, common: &Common) -> Outcome {
    let archive = open(&args.file)?;
    context::run(common, async |context| {
        context.progress.begin("importing", Some(archive.bytes()));
        let imported = import(&context.client, &archive).await;
        let imported = imported.map_err(|error| import_failure(error, &args.file))?;
        context.progress.end();
        tell_imported(context, &imported)
    })
}

/// Writes an archive that is whole when it has its name.
async fn to_file(
    context: &Context<'_>,
    key: &KeySsi,
    mounts: Mounts,
    path: &Path,
    existing: Existing,
) -> Result<Exported, Failure> {
    let sink = Sink {
        file: NewFile::create(path)?,
        failure: None,
    };
    let mut writer = BufWriter::with_capacity(1 << 16, sink);
    let exported = export(&context.client, key, mounts, &mut writer).await;
    let (sink, _) = writer.into_parts();
    let exported = exported.map_err(|error| export_failure(error, sink.failure))?;
    sink.file.finish(existing)?;
    Ok(exported)
}

/// Writes to the new file, and keeps its failure, which says more than an I/O error.
struct Sink {
    file: NewFile,
    failure: Option<Failure>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|failure| {
            self.failure = Some(failure);
            io::Error::other("the file cannot be written")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tell_exported(context: &Context<'_>, exported: &Exported, file: &str) -> Outcome {
    let versions: usize = exported.dsus.iter().map(|dsu| dsu.versions).sum();
    let words = [
        count(exported.dsus.len() as u64, "DSU"),
        count(versions as u64, "version"),
        count(exported.bricks as u64, "brick"),
        count(exported.bytes, "byte"),
    ];
    let output = context.output();
    output.say(&words.join(", "));
    for point in &exported.unopened {
        output::warn(&format!(
            "what is mounted at {point} is not in the archive: its key opens no bricks"
        ));
    }
    if file == "-" {
        return Ok(Exit::Done);
    }
    let dsus: Vec<_> = exported
        .dsus
        .iter()
        .map(|dsu| {
            json!({
                "anchor": dsu.anchor.plain(),
                "mounted_at": (!dsu.point.is_root()).then(|| dsu.point.as_str()),
                "versions": dsu.versions,
            })
        })
        .collect();
    match output.form {
        Form::Text => output::foreign_line(file)?,
        Form::Json => output::json(&json!({
            "path": file,
            "dsus": dsus,
            "bricks": exported.bricks,
            "bytes": exported.bytes,
            "left_out": paths(&exported.unopened),
        }))?,
    }
    Ok(Exit::Done)
}

fn tell_imported(context: &Context<'_>, imported: &Imported) -> Outcome {
    let output = context.output();
    let (stored, present) = (imported.bricks_stored, imported.bricks_present);
    output.say(&format!(
        "{} stored, {present} there already",
        count(stored as u64, "brick")
    ));
    let mut lines = Vec::new();
    for dsu in &imported.dsus {
        let (added, before) = (dsu.versions_added, dsu.versions_before);
        let anchor = dsu.anchor.plain();
        if output.form == Form::Text {
            let added = count(added as u64, "version");
            output::line(&format!("{anchor}  {added} added, {before} there already"))?;
        }
        lines.push(json!({
            "anchor": anchor, "versions_added": added, "versions_before": before,
        }));
    }
    if output.form == Form::Json {
        output::json(&json!({
            "dsus": lines, "bricks_stored": stored, "bricks_present": present,
        }))?;
    }
    Ok(Exit::Done)
}

fn paths(paths: &[DsuPath]) -> Vec<&str> {
    paths.iter().map(DsuPath::as_str).collect()
}

fn export_failure(error: ExportError, of_file: Option<Failure>) -> Failure {
    match (error, of_file) {
        (_, Some(failure)) => failure,
        (ExportError::Dsu(error), None) => error.into(),
        (ExportError::Output(error), None) => Failure::stdout(error),
        (error, None) => Failure::new(Exit::Local, with_causes(&error)).next(
            "clone the DSU with `kiln dsu clone`, which makes smaller bricks, and export that",
        ),
    }
}

fn import_failure(error: ImportError, file: &str) -> Failure {
    match error {
        ImportError::Node(error) => error.into(),
        ImportError::Archive(error) => archive_failure(error, file),
        ImportError::Conflict { .. } => Failure::new(Exit::Conflict, with_causes(&error)).next(
            "nothing was written; import it into a node where this DSU did not go another way",
        ),
        ImportError::Forged { .. } => Failure::new(Exit::Forged, with_causes(&error)).next(
            "nothing was written; trust nothing that this node shows of the DSU, tell its operator",
        ),
        error => {
            Failure::new(Exit::Local, with_causes(&error)).next("report this as a fault of kiln")
        }
    }
}
