//! `kiln store migrate`: brings what a stopped node holds to the newest formats.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use ledger::{EmbeddedLedger, EngineOptions, Mode};
use node::LimitsConfig;
use serde_json::{Map, json};

use crate::common::DataArgs;
use crate::output::{Form, Output};

/// Options of `kiln store migrate`.
#[derive(Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    folder: DataArgs,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// One of the things in a data folder that have a format of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Bricks,
    Anchors,
    Control,
}

/// A part's format, the newest one, and how many of its records would be written anew.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    part: Part,
    from: i64,
    to: i64,
    records: u64,
}

pub(crate) fn run(args: &MigrateArgs, output: Output) -> anyhow::Result<ExitCode> {
    let data = args.folder.data.as_path();
    ensure!(
        data.is_dir(),
        "there is no folder {}; name the node's data folder with --data",
        data.display()
    );
    // A node that runs has brought its stores forward when it started, and keeps them locked.
    let _locks = lock(data)?;
    // All are looked at before any is changed: one of a newer format stops the whole.
    let steps = plan(data)?;
    ensure!(
        !steps.is_empty(),
        "{} holds no stores; name the node's data folder with --data",
        data.display()
    );
    for step in steps.iter().filter(|step| step.is_due() && !args.dry_run) {
        step.take(data)
            .with_context(|| format!("the {} cannot be brought forward", step.part))?;
    }
    report(output, &steps, args.dry_run).context("stdout cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

fn lock(data: &Path) -> anyhow::Result<Vec<std::fs::File>> {
    let parts = ["bricks", "anchors"].into_iter();
    parts
        .filter(|store| data.join(store).is_dir())
        .map(|store| node::lock_store(data, store))
        .collect()
}

/// What there is, in the order in which it is brought forward.
fn plan(data: &Path) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let store = |part, found: ledger::Migration| Step {
        part,
        from: found.from.into(),
        to: found.to.into(),
        records: found.records,
    };
    if data.join("bricks").is_dir() {
        let found = brickstore::migration(&data.join("bricks"))?;
        steps.push(store(Part::Bricks, found));
    }
    if data.join("anchors").is_dir() {
        let found = ledger::migration(&data.join("anchors"))?;
        steps.push(store(Part::Anchors, found));
    }
    if let Some((from, to)) = node::control_format(data)? {
        steps.push(Step {
            part: Part::Control,
            from,
            to,
            records: 0,
        });
    }
    Ok(steps)
}

impl Step {
    fn is_due(&self) -> bool {
        self.from < self.to
    }

    /// Brings the part forward. What was done before the power went is not done again.
    fn take(&self, data: &Path) -> anyhow::Result<()> {
        let options = EngineOptions {
            free_bytes_min: LimitsConfig::default().free_bytes_min,
            mode: Mode::Serve,
        };
        match self.part {
            Part::Bricks => brickstore::migrate(&data.join("bricks"), options)?,
            Part::Anchors => {
                drop(EmbeddedLedger::open(
                    &data.join("anchors"),
                    options,
                    node::clock_ms,
                )?);
            }
            Part::Control => node::migrate_control(data)?,
        }
        Ok(())
    }

    fn words(&self, is_dry: bool) -> String {
        let Self {
            part,
            from,
            to,
            records,
        } = self;
        if !self.is_due() {
            return format!("{part}: format {from} is the newest");
        }
        let verb = if is_dry { "would be" } else { "was" };
        let anew = match records {
            0 => String::new(),
            count if is_dry => format!("; {count} records would be written anew"),
            count => format!("; {count} records were written anew"),
        };
        format!("{part}: {verb} brought from format {from} to {to}{anew}")
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bricks => "bricks",
            Self::Anchors => "anchors",
            Self::Control => "control",
        })
    }
}

fn report(output: Output, steps: &[Step], is_dry: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if output.form == Form::Json {
        let mut object = Map::new();
        for step in steps {
            let seen = json!({"from": step.from, "to": step.to, "records": step.records});
            object.insert(step.part.to_string(), seen);
        }
        object.insert("dryRun".to_owned(), is_dry.into());
        return writeln!(out, "{}", serde_json::Value::Object(object));
    }
    for step in steps {
        writeln!(out, "{}", step.words(is_dry))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use brickstore::BrickStore;
    use engine::rocksdb::WriteBatch;
    use engine::{Engine, Family};

    use super::*;

    const RAW: &[Family] = &[
        Family {
            name: "bricks",
            tune: |_| {},
        },
        Family {
            name: "brick_meta",
            tune: |_| {},
        },
    ];

    fn options() -> EngineOptions {
        EngineOptions {
            free_bytes_min: 0,
            mode: Mode::Serve,
        }
    }

    /// Says that the brick store has this format.
    fn set_format(data: &Path, format: u32) {
        let engine = Engine::open(&data.join("bricks"), RAW, u32::MAX, options()).unwrap();
        let mut batch = WriteBatch::default();
        engine.put_format(&mut batch, format).unwrap();
        engine.write(batch).unwrap();
    }

    #[test]
    fn an_older_store_is_brought_forward_once_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        drop(BrickStore::open(&data.join("bricks"), options()).unwrap());
        drop(EmbeddedLedger::open(&data.join("anchors"), options(), node::clock_ms).unwrap());
        drop(node::Control::open(data).unwrap());
        assert!(plan(data).unwrap().iter().all(|step| !step.is_due()));
        set_format(data, 1);
        let steps = plan(data).unwrap();
        let due: Vec<_> = steps.iter().filter(|step| step.is_due()).collect();
        assert_eq!(due.len(), 1);
        assert_eq!(
            due[0].words(true),
            "bricks: would be brought from format 1 to 2"
        );
        due[0].take(data).unwrap();
        let steps = plan(data).unwrap();
        assert_eq!(steps[0].words(false), "bricks: format 2 is the newest");
        set_format(data, 9);
        let refused = plan(data).unwrap_err().to_string();
        assert!(refused.contains('9'), "{refused}");
    }
}
