//! With what a node does not start.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use testkit::server::write_file;

use crate::authority::{Authority, Time};
use crate::world::launch;

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("nodes")?;
    let check = |case: &str, tls: &str, parts: &[&str]| -> Result<()> {
        let start = launch(folder.path(), tls, "")?;
        for launch in [start.clone(), start.arg("--check-config")] {
            let output = launch.run()?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{case}: {said}");
            for part in parts {
                assert!(said.contains(part), "{case}: {part} is not in {said}");
            }
        }
        assert!(!folder.path().join("data").exists(), "{case}");
        Ok(())
    };
    check(
        "nothing there",
        "",
        &["tls.certificate", "node.pem", "No such file"],
    )?;
    authority.node(Time::Over)?.install(folder.path())?;
    check("expired", "", &["tls.certificate", "node.pem", "2020"])?;
    let (good, other) = (authority.node(Time::Now)?, authority.node(Time::Now)?);
    good.install(folder.path())?;
    write_file(&folder.path().join("node.pem"), other.pem.as_bytes())?;
    check(
        "two pairs",
        "",
        &["tls.key", "key.pem", "tls.certificate", "node.pem"],
    )?;
    good.install(folder.path())?;
    let key = folder.path().join("key.pem");
    for mode in [0o644, 0o604, 0o660, 0o602] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode))?;
        check("a key for all", "", &["tls.key", "key.pem", "chmod 600"])?;
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640))?;
    check("no authority", "client = \"required\"", &["tls.client_ca"])?;
    let nowhere = "client = \"optional\"\nclient_ca = \"/nowhere/ca.pem\"";
    check(
        "an authority that is not there",
        nowhere,
        &["tls.client_ca", "/nowhere/ca.pem"],
    )?;
    let own = format!("client = \"optional\"\nclient_ca = \"{}\"", key.display());
    check(
        "a key as authority",
        &own,
        &["tls.client_ca", "certificate"],
    )?;
    check(
        "another mode",
        "client = \"maybe\"",
        &["client", "maybe", "required"],
    )?;
    let unused = "client_ca = \"/nowhere/ca.pem\"";
    check(
        "an authority for nothing",
        unused,
        &["tls.client_ca", "tls.client"],
    )
}
