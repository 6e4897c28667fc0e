//! The history of an anchor, checked, and compared with what was seen before.

use dsu::History;
use keyssi::AnchorId;

use super::DsuError;
use crate::Client;

/// Fetches every version of an anchor, checks the whole signature chain, compares it with the last
/// head that was seen, and remembers the new head.
///
/// An anchor without versions gives an empty history.
///
/// # Errors
/// [`DsuError::Forged`] names the version that does not hold, [`DsuError::RolledBack`] an older
/// history than one seen before; else the node could not be asked.
///
/// **Source:** DSU specification §14-13: the SDK does not check, and should.
pub async fn history(client: &Client, id: &AnchorId) -> Result<History, DsuError> {
    let values = client.anchors().versions(id).await?;
    let owned = id.clone();
    let checked = tokio::task::spawn_blocking(move || History::check(&owned, &values));
    let history = checked
        .await
        .map_err(DsuError::Task)?
        .map_err(|fault| DsuError::Forged(Box::new(fault)))?;
    remember(client, id, &history)?;
    Ok(history)
}

/// Compares with the last head that was seen, and remembers this one.
pub(super) fn remember(client: &Client, id: &AnchorId, history: &History) -> Result<(), DsuError> {
    let Some(heads) = client.heads() else {
        return Ok(());
    };
    if let Some(seen) = heads.recall(id)? {
        history
            .extends(&seen)
            .map_err(|rollback| DsuError::RolledBack(Box::new(rollback)))?;
    }
    if !history.is_empty() {
        heads.remember(id, &history.seen_head())?;
    }
    Ok(())
}
