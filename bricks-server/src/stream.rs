//! The body of `get-bricks`: an archive that is made while it is sent, one brick at a time.

use std::collections::VecDeque;
use std::io;

use axum::body::Body;
use axum::response::IntoResponse;
use brickstore::BrickStore;
use bytes::Bytes;
use futures_util::stream;
use keyssi::{BrickHash, Domain};
use node::{ApiError, BodyBudget, Share};

use crate::store_error;

/// An archive on its way. It holds one brick at most, whose bytes are counted against the budget
/// until they are sent.
pub(crate) struct Reading {
    store: BrickStore,
    budget: BodyBudget,
    domain: Domain,
    /// The bricks that are still to be read, with their sizes.
    left: VecDeque<(BrickHash, u64)>,
    /// What can be sent.
    ready: VecDeque<Bytes>,
    /// For the header and the list.
    _share: Share,
}

impl Reading {
    /// An archive that begins with `header` and holds these bricks, of these sizes; `share` is for
    /// both lists.
    pub(crate) fn new(
        (store, budget): (BrickStore, BodyBudget),
        domain: Domain,
        bricks: VecDeque<(BrickHash, u64)>,
        header: Vec<u8>,
        share: Share,
    ) -> Self {
        Self {
            store,
            budget,
            domain,
            left: bricks,
            ready: VecDeque::from([Bytes::from(header)]),
            _share: share,
        }
    }

    /// Reads the next brick, if there is one, and makes it ready to be sent.
    ///
    /// # Errors
    /// When the brick is damaged or cannot be read, or the budget is used up.
    pub(crate) async fn advance(&mut self) -> Result<(), ApiError> {
        while let Some((hash, size)) = self.left.pop_front() {
            let share = crate::share(&self.budget, size).await?;
            let read = self.store.get(&self.domain, hash, node::clock_ms());
            // One that has gone since its size was read is missing, as if it had never been there.
            if let Some(bytes) = read.await.map_err(store_error)? {
                let prefix = car::section_prefix(&car::brick_cid(&hash), bytes.len());
                self.ready.push_back(Bytes::from(prefix));
                self.ready.push_back(node::hold(bytes, share));
                break;
            }
        }
        Ok(())
    }

    /// The body. An error ends it without its last chunk and closes the connection, so that nobody
    /// takes it for whole.
    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut reading| async move {
            if reading.ready.is_empty()
                && let Err(refusal) = reading.advance().await
            {
                // Its status has gone out; its cause belongs into the log.
                drop(refusal.into_response());
                return Err(io::Error::other("a brick could not be read"));
            }
            let piece = reading.ready.pop_front();
            Ok(piece.map(|piece| (piece, reading)))
        }))
    }
}
