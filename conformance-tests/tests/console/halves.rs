//! The two services apart: each page shows what its process has, and says where the rest is.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::binaries::Binary;
use testkit::process::{Launch, NodeProcess};

use crate::VIEWS;
use crate::browser::{Browser, SCREENS};

fn started(binary: Binary, data: &Path) -> Result<NodeProcess> {
    let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
    Ok(NodeProcess::start(&launch.arg("--data").arg(data))?)
}

#[test]
fn a_service_alone_shows_its_half() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (binary, here, elsewhere) in [
        (
            Binary::BricksServer,
            "bricks",
            "This process keeps no anchors",
        ),
        (
            Binary::AnchorService,
            "anchors",
            "This process keeps no bricks",
        ),
    ] {
        let data = folder.path().join(here);
        let process = started(binary, &data)?;
        let admin = process
            .further_address("admin")
            .map_err(anyhow::Error::msg)?;
        let token = std::fs::read_to_string(data.join("admin-token"))?;
        let mut browser = Browser::start(admin, SCREENS[0])?;
        browser.sign_in(token.trim())?;
        let mut told = String::new();
        for view in VIEWS {
            browser.view(view)?;
            browser.beat()?;
            let page = browser.read()?;
            ensure!(
                page["heading"] == view && page["alerts"] == json!([]),
                "{page}"
            );
            told += &page["text"].to_string();
        }
        ensure!(told.contains(elsewhere), "{here}: {told}");
        ensure!(told.contains(&format!("Scrub of {here}")), "{here}: {told}");
        browser.check_clean()?;
        ensure!(process.stop()?.success());
    }
    Ok(())
}
