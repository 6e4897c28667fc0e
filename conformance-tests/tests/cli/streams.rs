//! What goes to which stream, pipes, generated files, and that no secret is shown unasked.

use std::io::Write as _;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result};

use crate::{CONST, SEED, kiln};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command in an empty folder with this text on stdin.
fn with_stdin(arguments: &[&str], input: &str) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let mut command = kiln(folder.path(), arguments)?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child
        .stdin
        .take()
        .context("no stdin")?
        .write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?)
}

#[test]
fn data_go_to_stdout_and_talk_to_stderr() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shown = kiln(folder.path(), &["explain", SEED, "--json"])?.output()?;
    assert_eq!(shown.status.code(), Some(0));
    serde_json::from_slice::<serde_json::Value>(&shown.stdout)?;
    let said = text(&shown.stderr);
    assert_eq!(
        said.matches("warning: the secret stands on the command line")
            .count(),
        1,
        "{said}"
    );
    let failed = kiln(folder.path(), &["ssi", "show", "@nobody"])?.output()?;
    assert_eq!(failed.status.code(), Some(5));
    assert!(failed.stdout.is_empty());
    assert!(text(&failed.stderr).contains("\nnext: "));
    Ok(())
}

#[test]
fn keys_and_data_come_from_stdin() -> Result<()> {
    let shown = with_stdin(&["ssi", "show", "-"], &format!("{SEED}\n"))?;
    assert!(
        shown.status.success() && shown.stderr.is_empty(),
        "{}",
        text(&shown.stderr)
    );
    let signed = with_stdin(&["ssi", "sign", "env:SEED", "--data", "-"], "hello\n")?;
    let signature = text(&signed.stdout);
    let arguments = [
        "ssi",
        "verify",
        "env:PUBLIC",
        "--data",
        "-",
        "--signature",
        signature.trim(),
    ];
    assert_eq!(with_stdin(&arguments, "hello\n")?.status.code(), Some(0));
    assert_eq!(with_stdin(&arguments, "hello")?.status.code(), Some(1));
    let explained = with_stdin(&["explain", "-"], CONST)?;
    assert!(text(&explained.stdout).contains("the key of a constant DSU"));
    Ok(())
}

/// Every command that reads a key shows none of it unless it is asked to.
#[test]
fn no_secret_is_shown_unasked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for arguments in [
        &["ssi", "show", "env:SEED"][..],
        &["ssi", "show", "env:SEED", "--json"],
        &["ssi", "show", SEED, "--json"],
        &["ssi", "show", SEED, SEED],
        &["ssi", "shwo", SEED],
        &["ssi", "derive", "env:SEED", "--json"],
        &["ssi", "derive", "env:SEED", "--to", "const"],
        &["ssi", "sign", "env:SEED", "--data", "none"],
        &["explain", "env:SEED"],
        &["explain", "env:SEED", "--json"],
        &["explain", SEED],
        &["keyring", "add", "x", SEED],
    ] {
        let output = kiln(folder.path(), arguments)?.output()?;
        let shown = text(&output.stdout) + &text(&output.stderr);
        let secret = SEED.split(':').nth(3).context("no secret")?;
        assert!(!shown.contains(secret), "{arguments:?}: {shown}");
        assert!(!shown.contains("BBudG"), "{arguments:?}: {shown}");
    }
    Ok(())
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = kiln(folder.path(), &["exit-codes"])?;
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    assert_eq!(output.status.code(), Some(141));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn a_full_disk_behind_stdout_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let mut command = kiln(folder.path(), &["exit-codes"])?;
    let output = command
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    assert_eq!(output.status.code(), Some(14), "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn completions_and_pages_are_made_for_all_commands() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = kiln(folder.path(), &["completions", shell])?.output()?;
        assert!(made.status.success(), "{shell}");
        assert!(text(&made.stdout).contains("keyring"), "{shell}");
    }
    let made = kiln(folder.path(), &["man", "pages"])?.output()?;
    assert!(made.status.success(), "{}", text(&made.stderr));
    for page in [
        "kiln.1",
        "kiln-serve.1",
        "kiln-keyring-add.1",
        "kiln-ssi-new.1",
    ] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
    Ok(())
}
