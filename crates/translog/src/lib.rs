//! The transparency log of anchors: C2SP tlog-tiles, checkpoints, proofs and witness statements.
//! Pure: no I/O, no clock, no randomness of its own, nothing asynchronous.
//!
//! **Source:** `translog.md`.
