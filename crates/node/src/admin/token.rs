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
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::key_file::{self, KeyFileError};

/// Name of the file in the data folder.
const FILE: &str = "admin-token";
/// How a token begins, so that scanners for leaked secrets know it.
pub(super) const PREFIX: &str = "kiln_admin_";
/// Fewest characters behind it. A shorter token could be guessed, as nothing slows who tries.
const SECRET_CHARACTERS_MIN: usize = 32;

/// The file with the token.
#[derive(Clone, Debug)]
pub(crate) struct AdminToken(PathBuf);

/// Why the token cannot be used. The token is in none of them.
#[derive(Debug, Error)]
pub(crate) enum AdminTokenError {
    /// The file is of no use.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// What it holds is none of our tokens.
    #[error(
        "{} holds no admin token: it must be one word, {PREFIX} and then {SECRET_CHARACTERS_MIN} or \
         more random characters; write such a one into it, or remove the file and restart the node, \
         which then makes one",
        .0.display()
    )]
    Form(PathBuf),
}

impl AdminToken {
    /// The token of a data folder; made now if there is none.
    ///
    /// # Errors
    /// When the file cannot be made or read, others can read it, or it holds no token.
    pub(crate) fn open(data: &Path) -> Result<Self, AdminTokenError> {
        let path = data.join(FILE);
        let token = key_file::load_or_create(&path, |seed| {
            tracing::info!(file = %path.display(), "made the token of the admin listener");
            Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(seed)))
        })?;
        require_form(&path, &token)?;
        Ok(Self(path))
    }

    /// Whether this is the token.
    ///
    /// # Errors
    /// 503 when the file cannot be used any more.
    pub(crate) async fn is(&self, sent: &str) -> Result<bool, ApiError> {
        let path = self.0.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
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

fn load(path: &Path) -> Result<Zeroizing<String>, AdminTokenError> {
    let token = key_file::load(path)?;
    require_form(path, &token)?;
    Ok(token)
}

/// Refuses what the listener would not take for a token, or what could be guessed.
fn require_form(path: &Path, token: &str) -> Result<(), AdminTokenError> {
    let secret = token.strip_prefix(PREFIX);
    let is_token = secret.is_some_and(|secret| {
        secret.len() >= SECRET_CHARACTERS_MIN && secret.bytes().all(|it| it.is_ascii_graphic())
    });
    if is_token {
        return Ok(());
    }
    Err(AdminTokenError::Form(path.to_owned()))
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
    async fn a_text_of_another_form_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let token = AdminToken::open(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let secret = "0123456789abcdef0123456789abcdef";
        for text in [
            PREFIX.to_owned(),
            secret.to_owned(),
            format!("{PREFIX}{}", &secret[1..]),
            format!("{PREFIX}{secret} and more"),
        ] {
            write(&path, &text);
            let refused = AdminToken::open(folder.path()).unwrap_err().to_string();
            assert!(refused.contains("remove the file"), "{refused}");
            assert!(!refused.contains(secret), "{refused}");
            assert!(token.is(&text).await.is_err(), "{text}");
        }
        let text = format!("{PREFIX}{secret}");
        write(&path, &text);
        AdminToken::open(folder.path()).unwrap();
        assert!(token.is(&text).await.unwrap());
    }

    /// Puts another text into the file, whose mode stays.
    fn write(path: &Path, text: &str) {
        use std::io::Write;
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).truncate(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
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
