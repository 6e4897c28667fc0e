//! What happens inside a client, told as it happens: for progress bars, reports and logs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use causes::with_causes;
use keyssi::BrickHash;

use crate::endpoint::NodeUrl;

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A majority of the domain's storages holds the brick, and at least one did not before (or
    /// does not say).
    BrickStored {
        /// The brick.
        hash: BrickHash,
        /// Its size.
        bytes: u64,
    },
    /// Every storage that was asked had the brick already.
    BrickSkipped {
        /// The brick.
        hash: BrickHash,
        /// Its size.
        bytes: u64,
    },
    /// A brick came and was checked.
    BrickFetched {
        /// The brick.
        hash: BrickHash,
        /// Its size.
        bytes: u64,
    },
    /// A call failed in a way that may pass, and is made again after a wait.
    Retry {
        /// What was called.
        url: NodeUrl,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The wait before the next one.
        wait: Duration,
        /// What failed.
        what: String,
    },
    /// A version was anchored, and its head could not be remembered on this machine: that an older
    /// history is shown later may go unnoticed.
    HeadNotRemembered {
        /// Why.
        what: String,
    },
    /// A node lied, failed or lacked what it should have; others may have made up for it.
    BadNode {
        /// What was called.
        url: NodeUrl,
        /// What was wrong.
        what: String,
    },
}

/// Takes events. Called on the thread where they happen: it must be quick.
pub type EventSink = Arc<dyn Fn(&Event) + Send + Sync>;

/// Where a client's events go, if anywhere.
#[derive(Default)]
pub(crate) struct Events(RwLock<Option<EventSink>>);

impl Events {
    pub(crate) fn send_to(&self, sink: EventSink) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }

    pub(crate) fn emit(&self, event: &Event) {
        match event {
            Event::BadNode { url, what } => tracing::warn!(%url, what, "bad node"),
            Event::Retry {
                url, attempt, what, ..
            } => tracing::debug!(%url, attempt, what, "retry"),
            _ => {}
        }
        // Cloned, so that a sink that takes long holds up nobody who sets another.
        let sink = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(sink) = sink {
            sink(event);
        }
    }

    /// Reports a node that failed with this error, its causes included.
    pub(crate) fn bad_node(&self, url: &NodeUrl, error: &dyn std::error::Error) {
        self.emit(&Event::BadNode {
            url: url.clone(),
            what: with_causes(error),
        });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}
