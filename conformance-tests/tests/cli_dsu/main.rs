//! `kiln dsu` and `kiln share` against a real node: what each command does, and what each mistake
//! ends with.
//!
//! `help.trycmd` holds the help texts; `TRYCMD=overwrite cargo test -p conformance-tests --test
//! cli_dsu` writes it anew after a wanted change.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod changes;
mod content;
mod interrupted;
mod mistakes;
mod proof;
mod sharing;
#[path = "../disk/volume.rs"]
mod volume;
mod world;

use anyhow::Result;
use testkit::binaries::{self, Binary};

#[test]
fn help_texts_are_recorded() -> Result<()> {
    let cases = trycmd::TestCases::new();
    cases.register_bin("kiln", binaries::path(Binary::Kiln)?);
    cases.case("tests/cli_dsu/*.trycmd").run();
    Ok(())
}
