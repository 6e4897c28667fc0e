//! Named DSUs from another node, Kiln or `ApiHub`, over HTTP.
//!
//! A DSU is fetched whole, by a key that reads it, into an archive file without a name, and checked:
//! signatures, brick maps, every brick. Then bricks are stored, and the anchors' values as they are,
//! in their order; those of mounted DSUs first.

use std::fs;
use std::io::{self, BufWriter, Seek as _};
use std::path::Path;

use causes::with_causes;
use client::Client;
use client::archive::{Archive, ArchiveError, ExportError, Mounts, export, unnamed_file};
use client::dsus::DsuError;
use dsu::History;
use keyssi::{AnchorId, BrickHash, Domain, KeySsi};
use tokio::task::spawn_blocking;

use crate::error::ImportError;
use crate::finding::{Effect, Finding, Reason, Subject};
use crate::history::Fault;
use crate::report::{Report, Summary};
use crate::target::{NotAppended, Placed, Target};
use crate::work::Step;

/// Bricks asked for at once.
const ASK_BRICKS: usize = 1000;
/// Bytes stored at once.
const STORE_BYTES: usize = 8 << 20;

/// How DSUs are fetched.
#[derive(Debug, Clone)]
pub struct PeerOptions<'a> {
    /// Whether DSUs that are mounted in them are taken too.
    pub mounts: Mounts,
    /// Where the report goes.
    pub report: Option<&'a Path>,
    /// Folder for the archive of one DSU at a time.
    pub scratch: &'a Path,
}

/// Takes DSUs from another node. `tell` gets every finding, `progress` every batch of bricks.
///
/// **Cancellation:** what was taken stays; taking it again is safe.
///
/// # Errors
/// [`ImportError`]; what is wrong with a single DSU is a finding and no error.
pub async fn import_dsus(
    from: &Client,
    keys: &[KeySsi],
    target: &Target,
    options: &PeerOptions<'_>,
    tell: &(dyn Fn(&Finding) + Sync),
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Summary, ImportError> {
    let wrote = |error| ImportError::write("the report", error);
    let report = Report::begin(options.report, tell).map_err(wrote)?;
    let mut taking = Taking {
        target,
        report,
        progress,
    };
    for key in keys {
        let path = AnchorId::of(key).map_or_else(
            |_| format!("a key of type {}", key.kind()),
            |id| id.plain().to_owned(),
        );
        match fetch(from, key, options).await? {
            Ok(archive) => taking.archive(&archive).await?,
            Err((reason, detail)) => {
                let finding = Finding::skipped(Subject::Anchor, path, reason, detail);
                taking.report.add(&finding).map_err(wrote)?;
            }
        }
    }
    taking.report.end().map_err(wrote)
}

/// A checked archive of a DSU, or why there is none.
async fn fetch(
    from: &Client,
    key: &KeySsi,
    options: &PeerOptions<'_>,
) -> Result<Result<Archive, (Reason, String)>, ImportError> {
    let file = fs::create_dir_all(options.scratch).and_then(|()| unnamed_file(options.scratch));
    let file = file.map_err(|error| ImportError::write("the archive", error))?;
    let mut writer = BufWriter::with_capacity(1 << 16, &file);
    if let Err(error) = export(from, key, options.mounts, &mut writer).await {
        return not_fetched(error).map(Err);
    }
    drop(writer);
    let checked = spawn_blocking(move || {
        let mut file = file;
        file.rewind().map_err(ArchiveError::Read)?;
        Archive::open(file)
    });
    match checked.await.map_err(ImportError::Task)? {
        Ok(archive) => Ok(Ok(archive)),
        Err(ArchiveError::Read(error)) => Err(ImportError::write("the archive", error)),
        Err(error) => Ok(Err((Reason::Incomplete, with_causes(&error)))),
    }
}

/// What a failed fetch means: a finding, unless the next DSU would fail alike.
fn not_fetched(error: ExportError) -> Result<(Reason, String), ImportError> {
    let error = match error {
        ExportError::Output(error) => return Err(ImportError::write("the archive", error)),
        ExportError::Dsu(DsuError::Node(error)) if error.may_pass() => return Err(error.into()),
        error => error,
    };
    let reason = match &error {
        ExportError::Dsu(DsuError::NotReadable(_)) => {
            let detail = format!(
                "{}; an anchor id does not say which bricks belong to it: give a key that reads \
                 the DSU (seed, sread, const, array, wallet)",
                with_causes(&error)
            );
            return Ok((Reason::NoReadKey, detail));
        }
        ExportError::Dsu(DsuError::Forged(_) | DsuError::RolledBack(_)) => Reason::Forged,
        _ => Reason::Incomplete,
    };
    Ok((reason, with_causes(&error)))
}

struct Taking<'a> {
    target: &'a Target,
    report: Report<'a>,
    progress: &'a (dyn Fn(Step) + Sync),
}

impl Taking<'_> {
    /// Stores the bricks of an archive, then its anchors.
    async fn archive(&mut self, archive: &Archive) -> Result<(), ImportError> {
        let dsus = &archive.manifest().dsus;
        for group in dsus.iter().flat_map(|dsu| &dsu.bricks) {
            for hashes in group.hashes.chunks(ASK_BRICKS) {
                self.bricks(archive, &group.domain, hashes).await?;
            }
        }
        for (dsu, history) in dsus.iter().zip(archive.histories()).rev() {
            self.anchor(&dsu.anchor, history).await?;
        }
        Ok(())
    }

    async fn bricks(
        &mut self,
        archive: &Archive,
        domain: &Domain,
        hashes: &[BrickHash],
    ) -> Result<(), ImportError> {
        let has = self.target.has(domain, hashes.to_vec()).await?;
        let numbers = self.report.numbers();
        let mut absent = Vec::new();
        for (hash, has) in hashes.iter().zip(has) {
            if has {
                numbers.bricks.found += 1;
                numbers.bricks.present += 1;
            } else {
                absent.push(*hash);
            }
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        for hash in absent {
            let size = archive.brick_bytes(&hash).unwrap_or_default();
            if bytes + size > STORE_BYTES && !batch.is_empty() {
                self.store(archive, domain, std::mem::take(&mut batch))
                    .await?;
                bytes = 0;
            }
            bytes += size;
            batch.push(hash);
        }
        self.store(archive, domain, batch).await
    }

    async fn store(
        &mut self,
        archive: &Archive,
        domain: &Domain,
        hashes: Vec<BrickHash>,
    ) -> Result<(), ImportError> {
        let (archive, names) = (archive.clone(), hashes.clone());
        let read = spawn_blocking(move || {
            let read = names.iter().map(|hash| {
                let bytes = archive.brick(hash)?;
                let bytes = bytes.ok_or(ArchiveError::Changed { hash: *hash })?;
                Ok((*hash, bytes))
            });
            read.collect::<Result<Vec<_>, ArchiveError>>()
        });
        let bricks = read.await.map_err(ImportError::Task)?;
        let bricks = bricks.map_err(|error| {
            ImportError::write("the archive", io::Error::other(with_causes(&error)))
        })?;
        let sizes: Vec<u64> = bricks.iter().map(|(_, bytes)| bytes.len() as u64).collect();
        let placed = self.target.put(domain, bricks).await?;
        for ((hash, bytes), placed) in hashes.iter().zip(&sizes).zip(placed) {
            let numbers = self.report.numbers();
            match placed {
                Placed::Refused(detail) => {
                    let (path, reason) = (format!("{domain}/{hash}"), Reason::Refused);
                    let finding = Finding::skipped(Subject::Brick, path, reason, detail);
                    self.note(&finding)?;
                    continue;
                }
                Placed::Stored => {
                    numbers.bricks.stored += 1;
                    numbers.brick_bytes_stored += bytes;
                }
                Placed::Present => numbers.bricks.present += 1,
            }
            numbers.bricks.found += 1;
        }
        (self.progress)(Step {
            files: hashes.len() as u64,
            bytes: sizes.iter().sum(),
        });
        Ok(())
    }

    async fn anchor(&mut self, id: &AnchorId, history: &History) -> Result<(), ImportError> {
        let here = self.target.versions(id).await?;
        let path = id.plain();
        let values = history.values();
        let pairs = values.iter().zip(&here);
        let differs = { pairs }.position(|(value, here)| value.as_str() != here);
        let (fault, written) = if let Some(version) = differs {
            let detail = format!("this node has another entry {version} of the anchor");
            (Some((Reason::DiffersHere, detail)), 0)
        } else if here.len() >= values.len() {
            (None, 0)
        } else {
            match self.target.append(id, values, here.len()).await {
                Ok(()) => (None, values.len() - here.len()),
                Err(NotAppended::Failed(error)) => return Err(error),
                Err(NotAppended::Rule { version, rule }) => {
                    let fault = Fault::of_rule(id, values, version, &rule);
                    (Some((fault.reason, fault.detail)), 0)
                }
                Err(NotAppended::Refused { version, detail }) => (
                    Some((Reason::Refused, format!("entry {version}: {detail}"))),
                    version - here.len(),
                ),
            }
        };
        let taken = if differs.is_some() {
            0
        } else {
            here.len() + written
        };
        if let Some((reason, detail)) = fault {
            let effect = match taken {
                0 => Effect::Skipped,
                _ => Effect::Partly {
                    taken: taken as u64,
                    left_out: values.len().saturating_sub(taken) as u64,
                },
            };
            self.note(&Finding {
                subject: Subject::Anchor,
                path: path.to_owned(),
                reason,
                detail,
                effect,
            })?;
            if effect == Effect::Skipped {
                return Ok(());
            }
        }
        let numbers = self.report.numbers();
        numbers.versions_stored += written as u64;
        numbers.anchors.found += 1;
        if written > 0 {
            numbers.anchors.stored += 1;
        } else {
            numbers.anchors.present += 1;
        }
        Ok(())
    }

    fn note(&mut self, finding: &Finding) -> Result<(), ImportError> {
        let noted = self.report.add(finding);
        noted.map_err(|error| ImportError::write("the report", error))
    }
}
