//! Paths inside a DSU.
//!
//! **Source:** dsu specification §7. Unlike the SDK, a trailing `/` is dropped
//! (the SDK would write a node named `undefined`).

use std::fmt;

use thiserror::Error;

/// Most segments of a path. Brick maps are read and written recursively; what
/// is written has to be readable again.
pub const SEGMENTS_MAX: usize = 256;

/// A normalised absolute path: `/` is the root, no trailing `/`, no empty
/// segment, no `..`. A segment `.` is a name like any other: who turns paths
/// into file names has to refuse it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DsuPath(String);

/// The text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// `..` goes above the root.
    #[error("the path leads out of the DSU")]
    AboveRoot,
    /// More than [`SEGMENTS_MAX`] segments.
    #[error("the path has more than {SEGMENTS_MAX} segments")]
    TooDeep,
}

impl DsuPath {
    /// Reads a path as the SDK does: `\` becomes `/`, runs of `/` collapse, `..`
    /// removes the segment before it, a missing `/` at the front is added.
    ///
    /// # Errors
    /// [`PathError`] if it leads above the root or is too deep.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::root().join(text)
    }

    /// The root of the DSU.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// True for `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The path as text, with the leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names on the way, outermost first; none for the root.
    #[must_use]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// The folder that the path lies in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/') {
            Some(("", "")) | None => None,
            Some(("", _)) => Some(Self::root()),
            Some((parent, _)) => Some(Self(parent.to_owned())),
        }
    }

    /// The last segment; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.segments().next_back()
    }

    /// The path that `rest` names, seen from here (a leading `/` of `rest` means
    /// nothing).
    ///
    /// # Errors
    /// [`PathError`] if the result leads above the root or is too deep.
    pub fn join(&self, rest: &str) -> Result<Self, PathError> {
        let mut segments: Vec<&str> = self.segments().collect();
        for segment in rest.split(['/', '\\']) {
            match segment {
                "" => {}
                ".." => {
                    segments.pop().ok_or(PathError::AboveRoot)?;
                }
                name => segments.push(name),
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(PathError::TooDeep);
        }
        Ok(Self(format!("/{}", segments.join("/"))))
    }

    /// True if the path is `folder` or lies below it.
    #[must_use]
    pub fn starts_with(&self, folder: &Self) -> bool {
        self.strip(folder).is_some()
    }

    /// The path seen from `folder`; `None` if it does not lie in it.
    #[must_use]
    pub fn strip(&self, folder: &Self) -> Option<Self> {
        if folder.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&folder.0)? {
            "" => Some(Self::root()),
            rest if rest.starts_with('/') => Some(Self(rest.to_owned())),
            _ => None,
        }
    }

    /// This path as it is seen from where `folder` is a path: what
    /// [`DsuPath::strip`] took away comes back.
    #[must_use]
    pub fn under(&self, folder: &Self) -> Self {
        match (folder.is_root(), self.is_root()) {
            (true, _) => self.clone(),
            (false, true) => folder.clone(),
            (false, false) => Self(format!("{}{}", folder.0, self.0)),
        }
    }

    /// The path of `name`, which is a name already, in this folder.
    pub(crate) fn child(&self, name: &str) -> Self {
        let parent = if self.is_root() { "" } else { &self.0 };
        Self(format!("{parent}/{name}"))
    }
}

impl fmt::Display for DsuPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True if `name` can be one segment of a path.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name != ".." && !name.contains(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> DsuPath {
        DsuPath::parse(text).unwrap()
    }

    #[test]
    fn texts_are_normalised() {
        let cases = [
            ("", "/"),
            ("/", "/"),
            ("a", "/a"),
            ("/a/", "/a"),
            ("//a//b", "/a/b"),
            ("\\a\\b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/../..", "/"),
            ("/a/./b", "/a/./b"),
            ("/a/.../b", "/a/.../b"),
            ("/ä é/\u{1f600}", "/ä é/\u{1f600}"),
        ];
        for (text, normal) in cases {
            assert_eq!(path(text).as_str(), normal, "{text}");
        }
        assert_eq!(DsuPath::parse("/.."), Err(PathError::AboveRoot));
        assert_eq!(DsuPath::parse("/a/../../b"), Err(PathError::AboveRoot));
        assert_eq!(
            DsuPath::parse(&"/a".repeat(SEGMENTS_MAX + 1)),
            Err(PathError::TooDeep)
        );
    }

    #[test]
    fn the_parts_of_a_path() {
        let (root, deep) = (DsuPath::root(), path("/a/b/c"));
        assert_eq!(root.parent(), None);
        assert_eq!(root.name(), None);
        assert_eq!(path("/a").parent(), Some(root.clone()));
        assert_eq!(deep.parent(), Some(path("/a/b")));
        assert_eq!(deep.name(), Some("c"));
        assert_eq!(deep.strip(&path("/a")), Some(path("/b/c")));
        assert_eq!(deep.strip(&deep), Some(root.clone()));
        assert_eq!(deep.strip(&root), Some(deep.clone()));
        assert_eq!(path("/ab").strip(&path("/a")), None);
        assert!(root.starts_with(&root) && !root.starts_with(&deep));
        assert_eq!(root.child("a").child("b"), path("/a/b"));
    }

    proptest! {
        #[test]
        fn normal_paths_are_read_as_they_are(text in "[ab./\\\\é]{0,12}") {
            if let Ok(read) = DsuPath::parse(&text) {
                prop_assert_eq!(DsuPath::parse(read.as_str()), Ok(read.clone()));
                prop_assert!(read.segments().all(is_name));
            }
        }
    }
}
