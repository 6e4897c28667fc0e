//! What operators ask of the ledger's scrub.
//!
//! **Source:** `docs/admin.md`.

use std::sync::Arc;

use ledger::Scrubber;
use node::ScrubSwitch;
use serde_json::{Value, json};

/// The scrub of the ledger.
pub(crate) struct Scrub(pub(crate) Arc<Scrubber>);

impl ScrubSwitch for Scrub {
    const STORE: &'static str = "anchors";

    fn status(&self) -> Value {
        json!(self.0.state())
    }

    fn start(&self) {
        self.0.start_pass();
    }

    fn stop(&self) {
        self.0.stop();
    }
}
