//! `kiln dsu verify`: every version, every brick.

use std::collections::BTreeSet;

use causes::with_causes;
use clap::Args;
use client::dsus::{At, Fault, Snapshot, Verified, verify};
use dsu::DsuPath;
use keyssi::{AnchorId, KeySsi};
use serde_json::{Value, json};

use super::archive;
use crate::client_failure::exit_of;
use crate::common::Common;
use crate::context::{self, Context, key};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form, count};
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu verify @record
  kiln dsu verify @record --mounts --json
  kiln dsu verify --car record.car             an archive, without a node or a key
  kiln dsu verify --car record.car @record     and every file in it is opened

Checks the signatures of every version, fetches every brick of every version once, and decrypts
it. Exit codes: 0 all is well, 1 something is missing or wrong (each finding is a line).";

/// Options of `kiln dsu verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS, required_unless_present = "car")]
    key: Option<String>,
    /// An archive (`kiln dsu export`) in place of a node, - for stdin; without KEY nothing is opened
    #[arg(long, value_name = "FILE.car", conflicts_with = "mounts")]
    car: Option<String>,
    /// The DSUs mounted in the newest version too
    #[arg(long)]
    mounts: bool,
}

/// What was seen of one DSU.
struct Report {
    /// Where it is mounted; the root for the one that was named.
    point: DsuPath,
    verified: Verified,
    /// A mounted DSU that could not be looked at at all.
    unreadable: Option<Failure>,
}

pub(super) fn run(args: &VerifyArgs, common: &Common) -> Outcome {
    if let Some(file) = &args.car {
        return archive::verify(file, args.key.as_deref(), common);
    }
    // The command line is refused where both are missing.
    let key = key(args.key.as_deref().unwrap_or_default(), common)?;
    context::run(common, async |context| {
        context.progress.begin("verifying", None);
        let mut reports = vec![Report {
            point: DsuPath::root(),
            verified: verify(&context.client, &key).await?,
            unreadable: None,
        }];
        if args.mounts {
            mounted(context, &key, &mut reports).await?;
        }
        context.progress.end();
        tell(context, &reports)?;
        let is_well = reports
            .iter()
            .all(|it| it.verified.faults.is_empty() && it.unreadable.is_none());
        Ok(if is_well { Exit::Done } else { Exit::Negative })
    })
}

/// Verifies what is mounted, each DSU once.
async fn mounted(
    context: &Context<'_>,
    key: &KeySsi,
    reports: &mut Vec<Report>,
) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![(DsuPath::root(), key.clone())];
    while let Some((point, key)) = todo.pop() {
        let Ok(id) = AnchorId::of(&key) else { continue };
        if !seen.insert(id.as_str().to_owned()) {
            continue;
        }
        if !point.is_root() {
            let (verified, unreadable) = match verify(&context.client, &key).await {
                Ok(verified) => (verified, None),
                Err(error) => (Verified::default(), Some(error.into())),
            };
            let is_unreadable = unreadable.is_some();
            reports.push(Report {
                point: point.clone(),
                verified,
                unreadable,
            });
            if is_unreadable {
                continue;
            }
        }
        let snapshot = match Snapshot::open(&context.client, &key, At::Latest).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // What is damaged is among the faults; a node that went away is told here.
                if reports
                    .iter()
                    .all(|it| it.point != point || it.verified.faults.is_empty())
                {
                    reports.push(Report {
                        point,
                        verified: Verified::default(),
                        unreadable: Some(error.into()),
                    });
                }
                continue;
            }
        };
        for mount in snapshot.manifest().mounts() {
            let place = mount.point().under(&point);
            match mount.ssi() {
                Ok(ssi) => todo.push((place, ssi)),
                Err(error) => reports.push(Report {
                    unreadable: Some(
                        Failure::new(Exit::BrickDamaged, "it cannot be opened").because(error),
                    ),
                    point: place,
                    verified: Verified::default(),
                }),
            }
        }
    }
    Ok(())
}

fn tell(context: &Context<'_>, reports: &[Report]) -> Result<(), Failure> {
    let sum = |of: fn(&Verified) -> u64| reports.iter().map(|it| of(&it.verified)).sum::<u64>();
    let versions = sum(|it| it.versions as u64);
    let (files, bricks) = (sum(|it| it.files as u64), sum(|it| it.bricks as u64));
    let bytes = sum(|it| it.bytes);
    if context.output().form == Form::Json {
        let findings: Vec<Value> = reports.iter().flat_map(Report::json).collect();
        return output::json(&json!({
            "dsus": reports.len(),
            "versions": versions,
            "files": files,
            "bricks": bricks,
            "bytes": bytes,
            "findings": findings,
        }));
    }
    let findings: Vec<String> = reports.iter().flat_map(Report::texts).collect();
    for finding in &findings {
        output::foreign_line(&format!("wrong: {finding}"))?;
    }
    output::line(&format!(
        "{}, {}, {}, {}, {bytes} bytes",
        count(reports.len() as u64, "DSU"),
        count(versions, "version"),
        count(files, "file"),
        count(bricks, "brick"),
    ))?;
    output::line(&match findings.len() {
        0 => "all is well".to_owned(),
        number => count(number as u64, "finding"),
    })
}

impl Report {
    fn texts(&self) -> Vec<String> {
        let place = if self.point.is_root() {
            String::new()
        } else {
            format!("in the DSU mounted at {}: ", self.point)
        };
        let faults = self.verified.faults.iter();
        let faults = faults.map(|fault| with_causes(&fault.error));
        let unreadable = self.unreadable.iter().map(Failure::words);
        faults
            .chain(unreadable)
            .map(|text| format!("{place}{text}"))
            .collect()
    }

    fn json(&self) -> Vec<Value> {
        let finding = |fault: &Fault| {
            json!({
                "mounted_at": self.point.as_str(),
                "version": fault.version,
                "path": fault.path.as_ref().map(DsuPath::as_str),
                "brick": fault.brick.map(|it| it.to_string()),
                "code": exit_of(&fault.error) as u8,
                "what": with_causes(&fault.error),
            })
        };
        let unreadable = self.unreadable.iter().map(|failure| {
            json!({
                "mounted_at": self.point.as_str(),
                "code": failure.exit() as u8,
                "what": failure.words(),
            })
        });
        self.verified
            .faults
            .iter()
            .map(finding)
            .chain(unreadable)
            .collect()
    }
}
