//! HTTP over the brick store.
