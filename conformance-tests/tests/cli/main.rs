//! The `kiln` command without a node: what it prints, what it says of mistakes, the keyring.
//!
//! The `.trycmd` files hold commands and their whole output, stdout and stderr together; a folder
//! `NAME.in` holds the files that `NAME.trycmd` works on. After a wanted change,
//! `TRYCMD=overwrite cargo test -p conformance-tests --test cli` writes them anew; read the
//! difference before it is committed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod keyring;
mod streams;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use testkit::binaries::{self, Binary};

/// A seed that protects nothing.
const SEED: &str = "ssi:seed:default:g+7szw3gw7SjPVDfbq4fvYWWo5V3f+12qaNy+bGLpEw=::v0";
/// The key of a constant DSU, made from the words below.
const CONST: &str = "ssi:const:default:B4TzbYN+G7MpIxw2JIPBok5+flRDeacfVXlKeSugbIQ=::v0";
const WORDS: &str = "guess me";
/// The public name of the seed.
const PUBLIC: &str = "ssi:sza:default::BO5b7ON03WYwK8QRP90LJ3hGwY2hUtBjRbS7AuE26sitJpGMFZEftQqTbAeRWiF1SfcnN1ygusNL7qFy64nGgHk=:v0";
/// A test key that the age project has published, and its public key.
const AGE_KEY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const AGE_RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// What the commands find in their environment.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("KILN_KEYRING", "keyring"),
    ("KILN_KEYRING_IDENTITY", "identity.txt"),
    ("KILN_NODE", "http://127.0.0.1:9"),
    ("SEED", SEED),
    ("CONST", CONST),
    ("PUBLIC", PUBLIC),
    ("WORDS", WORDS),
    ("LIST", "[\"one\",\"two\"]"),
    ("AGE_KEY", AGE_KEY),
];

/// `kiln` in a folder, with the same environment as in the `.trycmd` files.
fn kiln(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binaries::path(Binary::Kiln)?);
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
        .envs(ENVIRONMENT)
        .env_remove("KILN_KEYRING_PASSPHRASE");
    Ok(command)
}

#[test]
fn commands_print_what_is_recorded() -> Result<()> {
    let cases = trycmd::TestCases::new();
    cases.register_bin("kiln", binaries::path(Binary::Kiln)?);
    for (name, value) in ENVIRONMENT {
        cases.env(name, value);
    }
    cases.case("tests/cli/*.trycmd").run();
    Ok(())
}
