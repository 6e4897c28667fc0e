//! `kiln dsu ls`, `tree` and `stat`.

use clap::Args;
use client::dsus::{Listing, Snapshot};
use dsu::{Depth, DsuPath, NodeKind};
use serde_json::{Value, json};

use super::arguments::{AtOption, parse_path};
use crate::common::Common;
use crate::context::{self, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;
use crate::utc;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu ls @record
  kiln dsu ls @record /scans --long
  kiln dsu ls @record --recursive --json
  kiln dsu ls @record --at 2026-11-20          as it was at the end of that day

A folder ends with /. Sizes are shown where the DSU notes them without being read.";

/// Options of `kiln dsu ls`.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The folder
    #[arg(value_name = "PATH", value_parser = parse_path, default_value = "/")]
    path: DsuPath,
    #[command(flatten)]
    at: AtOption,
    /// Kind, size and time of each
    #[arg(long, short)]
    long: bool,
    /// What is in its folders too, mounted DSUs included
    #[arg(long, short)]
    recursive: bool,
    /// The lists of mounted DSUs too
    #[arg(long, short)]
    all: bool,
}

/// A line of a listing, with what only the content says.
pub(super) struct Line {
    pub(super) listing: Listing,
    /// The size, where it is known without reading.
    bytes: Option<u64>,
}

pub(super) fn run(args: &ListArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &key, args.at.version()).await?;
        let depth = if args.recursive {
            Depth::Recursive
        } else {
            Depth::Here
        };
        let lines = lines(&snapshot, &args.path, depth, args.all).await?;
        let output = context.output();
        if output.form == Form::Json {
            output::json(&Value::Array(lines.iter().map(Line::json).collect()))?;
            return Ok(Exit::Done);
        }
        for line in &lines {
            output::foreign_line(&line.text(&args.path, args.long))?;
        }
        Ok(Exit::Done)
    })
}

/// What is in a folder.
///
/// # Errors
/// Those of the client.
pub(super) async fn lines(
    snapshot: &Snapshot,
    folder: &DsuPath,
    depth: Depth,
    all: bool,
) -> Result<Vec<Line>, Failure> {
    let mut listed = snapshot.list(folder, depth).await?;
    if !all {
        listed = without_manifests(listed, folder);
    }
    let mut lines = Vec::with_capacity(listed.len());
    for listing in listed {
        lines.push(Line::of(snapshot, listing).await);
    }
    Ok(lines)
}

/// Leaves out the files that name the mounted DSUs, which hold keys.
pub(crate) fn without_manifests(mut listed: Vec<Listing>, folder: &DsuPath) -> Vec<Listing> {
    let points = listed.iter().filter(|line| line.is_mount);
    let mut roots: Vec<DsuPath> = points.map(|line| line.path.clone()).collect();
    if folder.is_root() {
        roots.push(DsuPath::root());
    }
    listed.retain(|line| {
        let is_manifest = line.kind == NodeKind::File && line.path.name() == Some("manifest");
        !(is_manifest && line.path.parent().is_some_and(|it| roots.contains(&it)))
    });
    listed
}

impl Line {
    pub(super) async fn of(snapshot: &Snapshot, listing: Listing) -> Self {
        let bytes = match listing.kind {
            NodeKind::Folder => None,
            // An entry that makes no sense is told when it is read.
            NodeKind::File => match snapshot.content(&listing.path).await {
                Ok((_, content)) => content.total_bytes(),
                Err(_) => None,
            },
        };
        Self { listing, bytes }
    }

    pub(super) fn json(&self) -> Value {
        let Listing {
            path,
            created_at,
            updated_at,
            ..
        } = &self.listing;
        json!({
            "path": path.as_str(),
            "kind": self.kind(),
            "bytes": self.bytes,
            "created": created_at.map(utc::format),
            "updated": updated_at.map(utc::format),
        })
    }

    pub(super) const fn kind(&self) -> &'static str {
        match (self.listing.kind, self.listing.is_mount) {
            (_, true) => "mount",
            (NodeKind::Folder, _) => "folder",
            (NodeKind::File, _) => "file",
        }
    }

    fn text(&self, folder: &DsuPath, long: bool) -> String {
        let path = &self.listing.path;
        let below = path.strip(folder).unwrap_or_else(|| path.clone());
        let slash = match self.listing.kind {
            NodeKind::Folder => "/",
            NodeKind::File => "",
        };
        let name = format!("{}{slash}", below.as_str().trim_start_matches('/'));
        if !long {
            return name;
        }
        let bytes = self
            .bytes
            .map_or_else(|| "-".to_owned(), |it| it.to_string());
        let time = self.listing.updated_at.or(self.listing.created_at);
        let time = time.map_or_else(|| "-".to_owned(), utc::format);
        format!("{:6} {bytes:>12} {time:24} {name}", self.kind())
    }
}
