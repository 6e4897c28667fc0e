//! Whole-system tests that drive the real binaries. All of it stands under
//! `tests/`; the recorded material lies in `vectors/`, the stated differences
//! from it in `deviations/`.
