//! `kiln anchor`: proofs judged offline and against a real chain, and all of it with a real node.
//!
//! The `.trycmd` files hold help texts and mistakes; `TRYCMD=overwrite cargo test -p
//! conformance-tests --test anchor_cli` writes them anew after a wanted change.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod altered;
mod chain;
mod live;
mod log;
mod offline;
mod place;
mod roots;

use anyhow::Result;
use testkit::binaries::{self, Binary};

#[test]
fn help_and_mistakes_are_recorded() -> Result<()> {
    let cases = trycmd::TestCases::new();
    cases.register_bin("kiln", binaries::path(Binary::Kiln)?);
    cases.env("KILN_NODE", "http://127.0.0.1:9");
    cases.case("tests/anchor_cli/*.trycmd").run();
    Ok(())
}
