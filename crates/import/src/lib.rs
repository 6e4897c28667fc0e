//! Moving in: takes what an `ApiHub` or another node holds into the stores of a node.
//!
//! - [`ApiHubFolder`]: the folder of an `ApiHub`; only read, no symbolic link is followed.
//! - [`import_apihub`]: its bricks, anchors and versionless documents. Each brick is hashed, each
//!   anchor entry judged by the rules as if a client had sent it. What is not sound is a
//!   [`Finding`] of the report; the rest goes on.
//! - [`import_dsus`]: named DSUs from another node, by keys that read them.
//! - [`translate`]: its configuration as a `kiln.toml`.
//! - [`Target`]: the stores of a stopped node, or a running one.
//!
//! All of it can be killed at any point and run again: what is stored is durable, and nothing is
//! stored twice.

mod anchors;
mod apihub;
mod bricks;
mod config_file;
mod documents;
mod error;
mod finding;
mod history;
mod journal;
mod peer;
mod report;
mod source;
mod target;
mod work;

pub use apihub::{ApiHubOptions, import_apihub};
pub use bricks::BRICK_BYTES_MAX;
pub use config_file::{Translated, translate};
pub use error::ImportError;
pub use finding::{Effect, Finding, Reason, Subject};
pub use journal::JournalError;
pub use peer::{PeerOptions, import_dsus};
pub use report::{Counts, Summary};
pub use source::{ApiHubFolder, SourceError};
pub use target::Target;
pub use work::{BrokenHistory, Look, Step};
