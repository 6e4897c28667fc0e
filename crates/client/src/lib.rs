//! Speaks to nodes: BDNS, bricks, anchors, and DSUs on top.
//!
//! - [`Client`]: one per node and process; everything else comes from it.
//! - [`options`], [`events`], [`error`]: settings, what happens, what goes wrong.
//! - [`bdns`]: which services serve which domain.
//! - [`bricks`], [`anchors`], [`proofs`], [`documents`]: the calls.
//! - [`dsus`]: versions of DSUs, read, changed, verified; [`archive`]: whole DSUs in a file.
//! - [`heads`]: the last version seen of each anchor, kept on this machine.
//!
//! Nothing is believed because a node says so: bricks are checked against their names here,
//! histories by the layer above. All waits and all bodies are bounded.

pub mod anchors;
pub mod archive;
pub mod bdns;
pub mod bricks;
mod client;
pub mod documents;
pub mod dsus;
mod endpoint;
pub mod error;
pub mod events;
pub mod heads;
pub mod options;
pub mod proofs;
mod transport;

pub use anchors::Anchors;
pub use bdns::{Bdns, BdnsError, Services};
pub use bricks::{BrickStores, Fetched, PutOutcome, PutReport};
pub use client::Client;
pub use documents::Documents;
pub use endpoint::{Endpoint, NodeUrl};
pub use error::{AnchorRefusal, ClientError, Violation};
pub use events::{Event, EventSink};
pub use heads::{HeadError, HeadMemory};
pub use options::{AnswerLimits, BatchUse, ClientOptions};
pub use proofs::{AnchorState, AnchorStatus, LogHold, Proof, ProofAnswer, Proofs, StatusAnswer};
