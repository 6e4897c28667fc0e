//! The table: which lie, told to whom, and what comes of it.

mod batches;
mod bdns;
mod bricks;
mod history;
mod row;
mod writes;

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use testkit::liar::Lie;

use crate::stage::Stage;
use row::check;

/// Rows at a time: most of their time is waiting.
const AT_ONCE: usize = 6;

/// The kinds of lies: their names, and the name of a lie. A kind that is new does not compile here,
/// and one without a row fails the test.
macro_rules! kinds {
    ($($pattern:pat => $name:literal,)+) => {
        const KINDS: &[&str] = &[$($name),+];

        pub(super) fn kind(lie: &Lie) -> &'static str {
            match lie {
                $($pattern => $name,)+
            }
        }
    };
}

kinds! {
    Lie::Forget(_) => "Forget",
    Lie::ForgetOldest(_) => "ForgetOldest",
    Lie::Alter(..) => "Alter",
    Lie::Swap(..) => "Swap",
    Lie::HistoryOf(_) => "HistoryOf",
    Lie::Invent(_) => "Invent",
    Lie::BytesOf(_) => "BytesOf",
    Lie::SwapBlocks(..) => "SwapBlocks",
    Lie::FlipInBlock(_) => "FlipInBlock",
    Lie::OmitBlock(_) => "OmitBlock",
    Lie::RepeatBlock(_) => "RepeatBlock",
    Lie::SayAll(_) => "SayAll",
    Lie::FlipBit(_) => "FlipBit",
    Lie::ChangeByte(..) => "ChangeByte",
    Lie::Shorten(_) => "Shorten",
    Lie::CutAfter(_) => "CutAfter",
    Lie::Endless(_) => "Endless",
    Lie::Drip(_) => "Drip",
    Lie::Stall => "Stall",
    Lie::Silence => "Silence",
    Lie::Instead(..) => "Instead",
    Lie::PretendStored => "PretendStored",
    Lie::DoneBut(..) => "DoneBut",
    Lie::DoneThenDrop => "DoneThenDrop",
    Lie::Drop => "Drop",
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_lie_is_detected_and_named() {
    let stage = Stage::new().await;
    let mut rows = history::rows(&stage).await;
    rows.extend(bricks::rows(&stage).await);
    rows.extend(batches::rows());
    rows.extend(writes::rows());
    rows.extend(bdns::rows());
    let told: BTreeSet<&str> = rows.iter().map(|row| kind(&row.lie)).collect();
    let untold: Vec<_> = KINDS.iter().filter(|name| !told.contains(*name)).collect();
    assert!(untold.is_empty(), "no row tells {untold:?}");
    let count = rows.len();
    let checks = rows.into_iter().map(|row| check(&stage, row));
    let checked: Vec<Result<(), String>> = futures_util::stream::iter(checks)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<String> = checked.into_iter().filter_map(Result::err).collect();
    assert!(
        failed.is_empty(),
        "{} of {count} rows:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
