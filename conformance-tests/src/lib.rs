//! Whole-system tests that drive the real binaries. All of it stands under
//! `tests/`; the recorded material lies in `vectors/`, the stated differences
//! from it in `deviations/`.
//!
//! - `KILN_BIN_DIR` names a folder with ready binaries; without it they are
//!   built once per test process.
//! - `KILN_EXTRA_VECTORS` names further folders of recorded material, separated
//!   by colons, each with `transcripts/` or `dsu/` of the checked-in shapes.
