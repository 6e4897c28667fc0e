//! A data folder that has lost a part is not begun anew unasked, and what is in one is for its owner.
//!
//! *Bug that this looks for:* a node that starts well, empty, on a folder whose store was removed or
//! whose volume is not mounted, and signs another log with the old key. *Mechanism:* each part is
//! removed from the folder of a node that ran once.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::process::{Launch, NodeProcess};

use crate::{FAILED, check_fails};

/// The folder of a node that ran, and what starts it again.
fn served() -> Result<(TempDir, PathBuf, Launch)> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let launch = Launch::kiln_serve(&data, None)?;
    runs(&launch)?;
    Ok((folder, data, launch))
}

/// It starts, and ends well.
fn runs(launch: &Launch) -> Result<()> {
    ensure!(NodeProcess::start(launch)?.stop()?.success());
    Ok(())
}

fn mode(path: &Path) -> Result<u32> {
    Ok(path.metadata()?.permissions().mode() & 0o7777)
}

#[test]
fn a_store_that_is_gone_is_not_replaced_by_an_empty_one() -> Result<()> {
    for (store, binary) in [
        ("bricks", Binary::BricksServer),
        ("anchors", Binary::AnchorService),
    ] {
        let (_folder, data, launch) = served()?;
        let alone = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
        let alone = alone.arg("--data").arg(&data);
        let lock = data.join(format!("{store}.lock"));
        let gone = format!("the {store} store was in {} and is gone", data.display());
        let remedy = format!("remove {}", lock.display());
        let refused = |case: &str| -> Result<()> {
            for launch in [&launch, &alone] {
                let parts = [
                    &*gone,
                    "is its volume mounted?",
                    "restore a backup",
                    &*remedy,
                ];
                check_fails(case, launch, FAILED, &parts)?;
            }
            Ok(())
        };
        let there = data.join(store);
        let away = data.join("away");
        fs::rename(&there, &away)?;
        refused("removed")?;
        ensure!(!there.exists(), "a refused start has made something");
        // Where a volume was mounted, its folder stays.
        fs::create_dir(&there)?;
        refused("not mounted")?;
        fs::remove_dir(&there)?;
        fs::rename(&away, &there)?;
        runs(&launch)?;

        fs::remove_dir_all(&there)?;
        refused("lost")?;
        fs::remove_file(&lock)?;
        // Asked for, and with another name for the log, as the refusal says.
        runs(&launch.env("KILN__NODE__LOG_ORIGIN_PREFIX", "logs.example"))?;
    }
    Ok(())
}

/// Folders of earlier versions have empty locks.
#[test]
fn a_lock_that_says_nothing_refuses_nothing() -> Result<()> {
    let (_folder, data, launch) = served()?;
    for store in ["bricks", "anchors"] {
        let lock = data.join(format!("{store}.lock"));
        ensure!(lock.metadata()?.len() > 0);
        File::options().write(true).truncate(true).open(lock)?;
    }
    fs::remove_dir_all(data.join("bricks"))?;
    fs::remove_file(data.join("control.db"))?;
    runs(&launch)
}

#[test]
fn a_control_database_that_is_gone_is_not_replaced_by_an_empty_one() -> Result<()> {
    let (_folder, data, launch) = served()?;
    let path = data.join("control.db");
    fs::remove_file(&path)?;
    let gone = format!("control.db was in {} and is gone", data.display());
    let parts = [&*gone, "API keys", "restore it from a backup", "mode 0600"];
    check_fails("control.db", &launch, FAILED, &parts)?;
    ensure!(!path.exists(), "a refused start has made something");
    let mut empty = File::options();
    empty.write(true).create_new(true).mode(0o600).open(&path)?;
    runs(&launch)
}

#[test]
fn what_is_stored_is_for_its_owner_alone() -> Result<()> {
    let (_folder, data, launch) = served()?;
    let stores = [data.join("bricks"), data.join("anchors")];
    for path in stores.iter().chain([&data]) {
        ensure!(mode(path)? == 0o700, "{}", path.display());
    }
    // As an operator and an earlier version made them.
    for path in stores.iter().chain([&data]) {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    let node = NodeProcess::start(&launch)?;
    for path in &stores {
        ensure!(mode(path)? == 0o700, "{}", path.display());
    }
    ensure!(mode(&data)? == 0o755, "it is the operator's");
    // Of a second start all that it says is known when it ends.
    let told = format!(
        "{} can be read by others (mode 0755); chmod 0700 it",
        data.display()
    );
    check_fails("in use", &launch, FAILED, &[&told, "in use"])?;
    ensure!(node.stop()?.success());
    Ok(())
}
