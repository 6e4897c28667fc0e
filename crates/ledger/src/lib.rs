//! Append-only histories of anchors, linearizable per anchor, on an embedded ledger.
