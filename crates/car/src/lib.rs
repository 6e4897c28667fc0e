//! Bricks as IPLD blocks: their CIDs, and CAR v1 archives; pure.
