//! What lies between a store's format and the newest one.

/// What it takes to bring a store to the newest format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Format of the store.
    pub from: u32,
    /// The newest format, which is the same if nothing is to be done.
    pub to: u32,
    /// Records that are still to be written anew.
    pub records: u64,
}

impl Migration {
    /// From one format to another.
    #[must_use]
    pub fn new(from: u32, to: u32, records: u64) -> Self {
        Self { from, to, records }
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.from >= self.to
    }
}
