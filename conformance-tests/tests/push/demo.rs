//! The demo: a hospital on the node, and commands that work when pasted.

use std::env;
use std::process::Command;

use anyhow::{Context as _, Result};
use testkit::binaries::{self, Binary};

use crate::Place;

#[test]
fn what_the_demo_says_to_try_works() -> Result<()> {
    let place = Place::new()?;
    let demo = place.run(0, &["demo", "--patients", "2", "--folder", "my demo"])?;
    // Two patients, a study, a leaflet, the hospital; one patient has a second version.
    assert_eq!(place.anchors()?, 5);
    let printed = String::from_utf8(demo.stdout)?;
    assert!(printed.lines().count() >= 4, "{printed}");
    let kiln = binaries::path(Binary::Kiln)?;
    let folder = kiln.parent().context("no folder")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        [folder.to_owned()]
            .into_iter()
            .chain(env::split_paths(&path)),
    )?;
    for line in printed.lines() {
        let mut shell = Command::new("sh");
        place.prepare(&mut shell);
        let output = shell.env("PATH", &path).args(["-c", line]).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        assert!(
            !output.stdout.is_empty() || line.contains("watch"),
            "{line} prints nothing"
        );
    }
    // Nothing is overwritten: the keys are the only ones.
    place.run(7, &["demo", "--folder", "my demo"])?;
    Ok(())
}
