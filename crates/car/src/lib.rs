//! Bricks as IPLD blocks: their CIDs, and CAR v1 archives; pure.
//!
//! ```text
//! archive := varint(header bytes) ‖ header ‖ section*
//! header  := DAG-CBOR {"roots": [CID, …], "version": 1}
//! section := varint(CID bytes + data bytes) ‖ CID ‖ data
//! ```
//!
//! **Source:** <https://ipld.io/specs/transport/car/carv1/>,
//! <https://github.com/multiformats/cid>, <https://github.com/multiformats/unsigned-varint>.
//!
//! This is code of our own on `cid`, `unsigned-varint` and `serde_ipld_dagcbor` because the CAR
//! libraries at hand (`iroh-car`, for one) refuse sections above 4 MiB, and a brick of the
//! `OpenDSU` SDK has up to 10,000,064 bytes; and because they want to read from a stream, while
//! this parser takes bytes wherever they come from.

mod block;
mod parser;
mod writer;

pub use block::{CidError, brick_cid, brick_hash, dag_cbor_cid};
pub use cid::Cid;
pub use parser::{CarError, CarEvent, CarLimits, CarParser};
pub use writer::{header, section_bytes, section_prefix};

/// The media type of an archive.
///
/// **Source:** <https://www.iana.org/assignments/media-types/application/vnd.ipld.car>.
pub const MEDIA_TYPE: &str = "application/vnd.ipld.car";

/// The media type of one block, as it is.
///
/// **Source:** <https://www.iana.org/assignments/media-types/application/vnd.ipld.raw>.
pub const RAW_MEDIA_TYPE: &str = "application/vnd.ipld.raw";
