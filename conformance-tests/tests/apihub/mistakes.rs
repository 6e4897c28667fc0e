//! A folder that is no ApiHub's, or whose files cannot be read, ends the start.

use anyhow::Result;
use testkit::process::Launch;

use crate::hub::Hub;

/// The start must fail with exit code 3 and say all this on stderr.
fn check(launch: Launch, parts: &[&str]) -> Result<()> {
    for launch in [launch.clone(), launch.arg("--check-config")] {
        let output = launch.env("RUST_BACKTRACE", "1").run()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{parts:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part:?} is not in {stderr}");
        }
        let is_calm = !stderr.contains("panicked") && !stderr.contains("backtrace");
        assert!(is_calm, "{stderr}");
    }
    Ok(())
}

#[test]
fn a_folder_that_is_none_is_named() -> Result<()> {
    let hub = Hub::new()?;
    let bare = Launch::of(testkit::binaries::Binary::Kiln)?.arg("serve");
    let bare = bare.arg("--listen").arg("127.0.0.1:0").arg("--apihub-root");
    let advice = ["--apihub-root names the folder that holds external-volume"];
    for folder in [
        hub.root().join("missing"),
        hub.path(""),       // one too deep
        hub.path("config"), // two too deep
    ] {
        let named = folder.join("external-volume").display().to_string();
        check(
            bare.clone().arg(&folder),
            &[&advice[..], &[&*named]].concat(),
        )?;
        assert!(!folder.join("kiln-data").exists(), "something was made");
    }
    Ok(())
}

#[test]
fn files_that_cannot_be_read_are_named() -> Result<()> {
    let with = |file: &str, text: &str, parts: &[&str]| -> Result<()> {
        let hub = Hub::new()?;
        hub.configure(file, text)?;
        check(hub.launch()?, parts)?;
        assert!(!hub.root().join("kiln-data").exists(), "something was made");
        Ok(())
    };
    for file in ["apihub.json", "bdns.hosts", "domains/one.json"] {
        let name = file.rsplit('/').next().unwrap_or(file);
        with(file, "{", &[name, "is not JSON", "line 1"])?;
        with(file, "", &[name, "is not JSON"])?;
        with(file, "[]", &[name, "is not a JSON object"])?;
        with(file, "null", &[name, "is not a JSON object"])?;
        let hub = Hub::new()?;
        std::fs::create_dir_all(hub.path(&format!("config/{file}")))?;
        check(hub.launch()?, &[name, "cannot read"])?;
    }
    for port in ["70000", "-1", "8080.5", "\"http\"", "true", "[]"] {
        let text = format!("{{\"port\":{port}}}");
        with("apihub.json", &text, &["apihub.json", "port", port])?;
    }
    Ok(())
}
