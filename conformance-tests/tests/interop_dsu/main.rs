//! DSUs between our crates and the unmodified OpenDSU SDK, both ways.
//!
//! A node, our client, and two long-lived Node processes with the SDK (`interop/peer.cjs`): one
//! writes, the other reads, so that what is read comes from the node and not from a cache. Histories
//! are listed by the SDK with its full check of signatures (`trustLevel` 0).
//!
//! - [`kinds`]: for each kind of DSU, what one side writes the other reads, checks and appends to,
//!   and the first one reads that again.
//! - [`random`]: random operations, made by both sides on a DSU of their own each, give the same
//!   tree, bytes and history.
//! - [`lost_update`]: a DSU that the SDK and our client change at the same time keeps both changes.
//!
//! Skipped when `OPENDSU_SDK` does not name a checkout of OpenDSU/opendsu-sdk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod kinds;
mod lost_update;
mod operation;
mod peer;
mod random;
mod shape;
mod tree;
mod world;

use std::future::Future;
use std::io::Write as _;
use std::sync::Once;

use anyhow::Result;

use crate::world::World;

/// Runs a test with a node and the SDK on a runtime; skips it, and says so, without the SDK.
fn with_sdk<F: Future<Output = Result<()>>>(test: impl FnOnce(World) -> F) -> Result<()> {
    let Some(sdk) = peer::checkout()? else {
        static TOLD: Once = Once::new();
        let variable = peer::SDK_VARIABLE;
        // Written past the test harness, which hides what a passing test prints; once for all tests.
        TOLD.call_once(|| {
            let _ = writeln!(
                std::io::stderr(),
                "interop_dsu skipped: {variable} does not name a checkout of OpenDSU/opendsu-sdk"
            );
        });
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async { test(World::start(&sdk)?).await })
}

#[test]
fn dsus_of_every_kind_go_both_ways() -> Result<()> {
    with_sdk(|world| async move { kinds::play(world).await })
}

#[test]
fn random_operations_give_the_same_dsu_in_both() -> Result<()> {
    with_sdk(|world| async move { random::play(world).await })
}

#[test]
fn an_update_by_the_sdk_is_not_lost() -> Result<()> {
    with_sdk(|world| async move { lost_update::play(world).await })
}
