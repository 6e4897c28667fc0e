//! The two ways to write an anchor value.

/// What a write asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The first value of an anchor.
    Create,
    /// A further value.
    Append,
}

impl Write {
    /// The write that adds to a history of this length.
    pub(crate) fn after(versions: usize) -> Self {
        if versions == 0 {
            Self::Create
        } else {
            Self::Append
        }
    }
}
