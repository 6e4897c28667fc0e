//! The contract of `ledger::Ledger`, run over each back end: the same named cases, none left out.
//!
//! **Bug that this looks for:** a back end that takes what another refuses, tells a loser something
//! else, stores part of a batch, loses or doubles an entry whose answer nobody heard, or gives
//! values back in another order or another text. **Mechanism:** a table of cases (`cases`), each
//! with anchors of its own, runs over a [`bench::Bench`] that says how to get at one back end. What
//! a back end may decline with `Unsupported` is listed with it, name by name; the runner demands
//! exactly this list.
//!
//! **Source:** the contract in `crates/ledger/src/contract.rs`; keyssi specification §6; ledger
//! specification §1.6, §2.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod author;
mod back_ends;
mod bench;
mod cases;
mod run;
mod world;
