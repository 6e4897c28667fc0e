//! Where the recorded material lies.

use std::env;
use std::path::{Path, PathBuf};

/// Names further folders to run over, separated by colons. Each may hold
/// `transcripts/` and `dsu/` with files of the shapes that are checked in.
const EXTRA_VARIABLE: &str = "KILN_EXTRA_VECTORS";

/// One folder of recorded material.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it belongs to the project, so that its content is known.
    pub(crate) checked_in: bool,
}

/// The checked-in folder of one kind, then the extra ones that have it.
pub(crate) fn folders(kind: &str) -> Vec<Folder> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut folders = vec![Folder {
        path: own.join(kind),
        checked_in: true,
    }];
    let extra = env::var_os(EXTRA_VARIABLE).unwrap_or_default();
    let extra = env::split_paths(&extra).filter(|it| !it.as_os_str().is_empty());
    folders.extend(
        extra
            .map(|it| it.join(kind))
            .filter(|it| it.is_dir())
            .map(|path| Folder {
                path,
                checked_in: false,
            }),
    );
    folders
}
