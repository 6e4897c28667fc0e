//! The token of the admin listener: a file in the data folder that only its owner may read, made
//! when there is none. Who can read the file may do everything.
//!
//! The file is read at each request, so another token written into it counts at once, and one that
//! others could read by now no longer does.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::key_file::{self, KeyFileError};

/// Name of the file in the data folder.
const FILE: &str = "admin-token";
/// How a token begins, so that scanners for leaked secrets know it.
pub(super) const PREFIX: &str = "kiln_admin_";

/// The file with the token.
#[derive(Clone, Debug)]
pub(crate) struct AdminToken(PathBuf);

impl AdminToken {
    /// The token of a data folder; made now if there is none.
    ///
    /// # Errors
    /// When the file cannot be made or read, or others can read it.
    pub(crate) fn open(data: &Path) -> Result<Self, KeyFileError> {
        let path = data.join(FILE);
        key_file::load_or_create(&path, |seed| {
            tracing::info!(file = %path.display(), "made the token of the admin listener");
            Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(seed)))
        })?;
        Ok(Self(path))
    }

    /// Whether this is the token.
    ///
    /// # Errors
    /// 503 when the file cannot be used any more.
    pub(crate) async fn is(&self, sent: &str) -> Result<bool, ApiError> {
        let path = self.0.clone();
        let loaded = tokio::task::spawn_blocking(move || key_file::load(&path)).await;
        let unusable = || {
            let text = "the file with the admin token cannot be used; the node's log says why";
            ApiError::unavailable(text, 5)
        };
        let token = loaded
            .map_err(|error| unusable().because(error))?
            .map_err(|error| unusable().because(error))?;
        // Hashes have one length, and say nothing of how much of a guess was right.
        Ok(hash(sent).ct_eq(&hash(&token)).into())
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn only_the_token_in_the_file_is_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let token = AdminToken::open(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap().trim().to_owned();
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 43);
        assert!(token.is(&text).await.unwrap());
        for other in ["", PREFIX, &text[1..], &format!("{text}x")] {
            assert!(!token.is(other).await.unwrap(), "{other:?}");
        }
        AdminToken::open(folder.path()).unwrap();
        assert!(token.is(&text).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_was_opened_to_others_no_longer_counts() {
        let folder = tempfile::tempdir().unwrap();
        let token = AdminToken::open(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap().trim().to_owned();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(token.is(&text).await.is_err());
        AdminToken::open(folder.path()).unwrap_err();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(token.is(&text).await.unwrap());
    }
}
