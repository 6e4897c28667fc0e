//! `kiln dsu cat`, `tree` and `stat`.

use std::fmt::Write as _;

use clap::Args;
use client::dsus::{Listing, Snapshot};
use dsu::{Content, Depth, DsuPath, NodeKind};
use serde_json::{Value, json};

use super::arguments::{AtOption, parse_path};
use super::get::{to_stdout, write_stdout};
use super::list::{Line, lines};
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::secret_input::KEY_FORMS;
use crate::utc;

pub(super) const CAT_HELP: &str = "\
Examples:
  kiln dsu cat @record /notes.txt
  kiln dsu cat @record /scan.dcm --range 0-1023
  kiln dsu cat @record /notes.txt --at 0       as it was in the first version

A range is A-B (both included, counted from 0), A- (from A on) or -N (the last N bytes). Where the
DSU notes the sizes of bricks, only the bricks of the range are fetched.";

pub(super) const TREE_HELP: &str = "\
Examples:
  kiln dsu tree @record
  kiln dsu tree @record /scans --at 3";

pub(super) const STAT_HELP: &str = "\
Examples:
  kiln dsu stat @record /report.pdf
  kiln dsu stat @record                        the DSU itself: version, time, what is mounted";

/// Options of `kiln dsu cat`.
#[derive(Args)]
pub(crate) struct CatArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file
    #[arg(value_name = "PATH", value_parser = parse_path)]
    path: DsuPath,
    #[command(flatten)]
    at: AtOption,
    /// A part of the file
    #[arg(long, value_name = "A-B", value_parser = parse_range, allow_hyphen_values = true)]
    range: Option<ByteRange>,
}

/// Options of `kiln dsu tree` and `kiln dsu stat`.
#[derive(Args)]
pub(crate) struct PathArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// The file or folder
    #[arg(value_name = "PATH", value_parser = parse_path, default_value = "/")]
    path: DsuPath,
    #[command(flatten)]
    at: AtOption,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// From the first byte up to the second, which is not in it.
    Between(u64, u64),
    /// So many bytes at the end.
    Last(u64),
}

pub(super) fn cat(args: &CatArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &key, args.at.version()).await?;
        let Some(range) = args.range else {
            let reader = snapshot.read(&args.path).await?;
            return to_stdout(reader, context).await;
        };
        let (_, content) = snapshot.content(&args.path).await?;
        match (content.total_bytes(), range) {
            (Some(total), ByteRange::Last(bytes)) => {
                let part = (total.saturating_sub(bytes), total);
                part_of_known(context, &args.path, snapshot.version(), &content, part).await
            }
            (Some(_), ByteRange::Between(from, to)) => {
                part_of_known(
                    context,
                    &args.path,
                    snapshot.version(),
                    &content,
                    (from, to),
                )
                .await
            }
            (None, ByteRange::Between(from, to)) => {
                part_of_unknown(&snapshot, &args.path, (from, to)).await
            }
            (None, ByteRange::Last(_)) => {
                let message = format!("the DSU does not note the size of {}", args.path);
                Err(Failure::new(Exit::Usage, message)
                    .next("give a range from the beginning, or pipe the whole file through tail"))
            }
        }
    })
}

/// Fetches only the bricks that hold the range.
async fn part_of_known(
    context: &Context<'_>,
    path: &DsuPath,
    version: usize,
    plan: &Content,
    (from, to): (u64, u64),
) -> Outcome {
    for part in plan.range(from..to).unwrap_or_default() {
        let bytes = match part.piece.brick() {
            None => part.piece.open(&[]),
            Some(brick) => {
                let fetched = context
                    .client
                    .bricks()
                    .fetch(&brick.domain, &brick.hash)
                    .await;
                let fetched = fetched.map_err(|source| client::dsus::DsuError::FetchBrick {
                    path: path.clone(),
                    version,
                    hash: brick.hash,
                    source: Box::new(source),
                })?;
                part.piece.open(&fetched)
            }
        };
        let bytes = bytes.map_err(|source| {
            let text = format!("{path} (version {version}): a brick of it is damaged");
            Failure::new(Exit::BrickDamaged, text)
                .because(source)
                .next("see what else is wrong with `kiln dsu verify`")
        })?;
        let end = part.skip.saturating_add(part.bytes).min(bytes.len());
        write_stdout(bytes.get(part.skip..end).unwrap_or_default())?;
    }
    Ok(Exit::Done)
}

/// Reads from the beginning up to the end of the range.
async fn part_of_unknown(snapshot: &Snapshot, path: &DsuPath, (from, to): (u64, u64)) -> Outcome {
    let mut reader = snapshot.read(path).await?;
    let mut first = 0_u64;
    while first < to
        && let Some((_, bytes)) = reader.next().await?
    {
        let within = |place: u64| {
            let place = place.saturating_sub(first);
            usize::try_from(place)
                .unwrap_or(usize::MAX)
                .min(bytes.len())
        };
        write_stdout(bytes.get(within(from)..within(to)).unwrap_or_default())?;
        first += bytes.len() as u64;
    }
    Ok(Exit::Done)
}

/// Reads `A-B`, `A-` or `-N`.
fn parse_range(text: &str) -> Result<ByteRange, String> {
    let malformed = || "write it as A-B, A- or -N".to_owned();
    let number = |text: &str| {
        let is_digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        is_digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (from, to) = text.split_once('-').ok_or_else(malformed)?;
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok(ByteRange::Between(from, to.saturating_add(1))),
        (Some(from), None) if to.is_empty() => Ok(ByteRange::Between(from, u64::MAX)),
        (None, Some(bytes)) if from.is_empty() => Ok(ByteRange::Last(bytes)),
        _ => Err(malformed()),
    }
}

pub(super) fn tree(args: &PathArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &key, args.at.version()).await?;
        let lines = lines(&snapshot, &args.path, Depth::Recursive, false).await?;
        if context.output().form == Form::Json {
            output::json(&Value::Array(lines.iter().map(Line::json).collect()))?;
            return Ok(Exit::Done);
        }
        output::foreign_line(args.path.as_str())?;
        let mut listed: Vec<&Listing> = lines.iter().map(|it| &it.listing).collect();
        // By segments: text order would put `a b` between `a` and `a/c`.
        listed.sort_by(|one, other| one.path.segments().cmp(other.path.segments()));
        for text in drawn(&listed, &args.path) {
            output::foreign_line(&text)?;
        }
        Ok(Exit::Done)
    })
}

/// One line for each, with the branches that lead to it.
fn drawn(listed: &[&Listing], root: &DsuPath) -> Vec<String> {
    let depth_of = |path: &DsuPath| path.strip(root).map_or(0, |it| it.segments().count());
    let depths: Vec<usize> = listed.iter().map(|it| depth_of(&it.path)).collect();
    let has_next = |index: usize, depth: usize| {
        let later = depths.iter().skip(index + 1);
        later.take_while(|it| **it >= depth).any(|it| *it == depth)
    };
    let mut texts = Vec::with_capacity(listed.len());
    for (index, (line, &own)) in listed.iter().zip(&depths).enumerate() {
        let mut text = String::new();
        for depth in 1..own {
            text.push_str(if has_next(index, depth) {
                "│   "
            } else {
                "    "
            });
        }
        text.push_str(if has_next(index, own) {
            "├── "
        } else {
            "└── "
        });
        let end = match (line.kind, line.is_mount) {
            (_, true) => "/ (mounted)",
            (NodeKind::Folder, _) => "/",
            (NodeKind::File, _) => "",
        };
        let _ = write!(text, "{}{end}", line.path.name().unwrap_or_default());
        texts.push(text);
    }
    texts
}

pub(super) fn stat(args: &PathArgs, common: &Common) -> Outcome {
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let snapshot = Snapshot::open(&context.client, &key, args.at.version()).await?;
        let found = snapshot.locate(&args.path).await?;
        let line = Line::of(&snapshot, snapshot.stat(&args.path).await?).await;
        let version = found.snapshot.version();
        let signed = found.snapshot.history().time(version).map(utc::format);
        let bricks = match snapshot.content(&args.path).await {
            Ok((_, content)) => Some(content.bricks().len()),
            Err(_) => None,
        };
        let mut mounts = found.snapshot.manifest().mounts();
        if !found.path.is_root() {
            mounts.clear();
        }
        let points = mounts.iter().map(|it| it.point().under(&found.point));
        let mounts: Vec<String> = points.map(|it| it.to_string()).collect();
        let mut json = line.json();
        if let Some(object) = json.as_object_mut() {
            object.insert("bricks".to_owned(), json!(bricks));
            object.insert("version".to_owned(), json!(version));
            object.insert("signed".to_owned(), json!(signed));
            object.insert("versions".to_owned(), json!(found.snapshot.history().len()));
            object.insert("anchor_id".to_owned(), json!(found.snapshot.id().as_str()));
            object.insert("mounts".to_owned(), json!(mounts));
        }
        let text = |name: &str| match json.get(name) {
            None | Some(Value::Null) => "not noted".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut rows = vec![
            ("path", args.path.to_string()),
            ("kind", line.kind().to_owned()),
        ];
        if line.listing.kind == NodeKind::File {
            rows.extend(["bytes", "bricks"].map(|name| (name, text(name))));
        }
        let of_dsu = [
            "created",
            "updated",
            "version",
            "versions",
            "signed",
            "anchor_id",
        ];
        rows.extend(of_dsu.map(|name| (name, text(name))));
        rows.extend(mounts.into_iter().map(|point| ("mounts", point)));
        context.output().table(&json, &rows)?;
        Ok(Exit::Done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let check = |text: &str, expected: Option<ByteRange>| {
            assert_eq!(parse_range(text).ok(), expected, "{text}");
        };
        check("0-0", Some(ByteRange::Between(0, 1)));
        check("5-9", Some(ByteRange::Between(5, 10)));
        check("5-", Some(ByteRange::Between(5, u64::MAX)));
        check("-5", Some(ByteRange::Last(5)));
        for bad in ["", "-", "5", "9-5", "a-b", "1-2-3", "+1-2"] {
            check(bad, None);
        }
    }
}
