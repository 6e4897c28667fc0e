//! Where frozen copies of stores go, which backups are made from: below `frozen/` in the data folder.
//! Who makes a backup names the copy, reads it, and takes it away (`kiln backup create`).

use std::path::{Path, PathBuf};

use axum::body::Bytes;
use axum::routing::post;
use axum::{Extension, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Caller;
use crate::admin::{parse_request, record_act};
use crate::data_folder::lock_store;
use crate::error::ApiError;
use crate::front::typed_json;
use crate::setup::Setup;
use crate::system::clock_ms;

/// The folder below the data folder.
const FOLDER: &str = "frozen";
/// What whoever makes a backup of a data folder has locked.
const BACKUP: &str = "backup";

/// The route of a part that copies its store for a backup, `POST freeze`. `freeze` makes the copy at a
/// path and says what is to be known of it. What is asked for is in the audit log, as `act`, before it
/// is done.
///
/// **Source:** `docs/backup.md`.
pub fn freeze_routes<F>(
    store: &'static str,
    act: &'static str,
    setup: &Setup,
    freeze: impl Fn(PathBuf) -> F + Clone + Send + Sync + 'static,
) -> Router
where
    F: Future<Output = Result<Value, ApiError>> + Send + 'static,
{
    let (data, control) = (setup.config.node.data.clone(), setup.control.clone());
    let answer = async move |Extension(caller): Extension<Caller>, body: Bytes| {
        let wanted: FreezeRequest = parse_request(&body)?;
        let path = wanted.path(&data, store)?;
        record_act(&control, caller.event(act, clock_ms())).await?;
        let made = freeze(path).await?;
        Ok::<_, ApiError>(typed_json(StatusCode::OK, &made))
    };
    Router::new().route("/freeze", post(answer))
}

/// Takes away the copies that a backup which was killed has left: they keep files that the stores have
/// deleted. While a backup is made nothing happens.
pub(crate) fn clear(data: &Path) {
    let folder = data.join(FOLDER);
    if !folder.exists() {
        return;
    }
    let Ok(_lock) = lock_store(data, BACKUP) else {
        return;
    };
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => tracing::info!("took away what a backup that was cut off had left"),
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "what a backup has left stays");
        }
    }
}

/// What the route takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeRequest {
    /// Name of the copy, made of digits; its folder exists.
    name: String,
}

impl FreezeRequest {
    /// Where the copy of this store goes.
    ///
    /// # Errors
    /// 400 for a name that is none, 409 when the folder does not wait for this copy.
    fn path(&self, data: &Path, store: &str) -> Result<PathBuf, ApiError> {
        let name = &self.name;
        if name.is_empty() || name.len() > 20 || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            let text = "name is the name of the frozen copy, 1 to 20 digits";
            return Err(ApiError::bad_request(text));
        }
        let folder = data.join(FOLDER).join(name);
        let path = folder.join(store);
        if !folder.is_dir() || path.exists() {
            let text = format!(
                "there is no folder {FOLDER}/{name} in the data folder that waits for the {store}; \
                 make it first, or take another name"
            );
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_backup_left_goes_and_a_living_one_keeps_its_own() {
        let data = tempfile::tempdir().unwrap();
        let copy = data.path().join("frozen/17/keys");
        std::fs::create_dir_all(&copy).unwrap();
        let backup = lock_store(data.path(), BACKUP).unwrap();
        clear(data.path());
        assert!(copy.exists());
        drop(backup);
        clear(data.path());
        assert!(!data.path().join("frozen").exists());
        clear(data.path());
    }

    #[test]
    fn a_copy_goes_into_a_folder_that_waits_for_it_and_nowhere_else() {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let request = FreezeRequest {
                name: name.to_owned(),
            };
            request.path(data.path(), "bricks")
        };
        for name in ["", "..", "1/2", "1 ", "a", "123456789012345678901"] {
            assert!(path(name).is_err(), "{name}");
        }
        assert!(path("17").is_err(), "no folder");
        std::fs::create_dir_all(data.path().join("frozen/17")).unwrap();
        assert!(path("17").unwrap().ends_with("frozen/17/bricks"));
        std::fs::create_dir(data.path().join("frozen/17/bricks")).unwrap();
        assert!(path("17").is_err(), "there already");
    }
}
