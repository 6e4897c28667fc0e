//! The checked versions of one anchor, and the head that a client remembers.
