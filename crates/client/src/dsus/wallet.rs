//! Wallet DSUs: a constant part that everyone with the words can find, and a writable part.

use dsu::{DsuPath, Moment};
use getrandom::SysRng;
use keyssi::{KeySsi, PrivateKey};
use rand_core::UnwrapErr;

use super::DsuError;
use super::draft::Draft;
use crate::Client;

/// Where the writable part is mounted in the constant part.
const WRITABLE_POINT: &str = "/writableDSU";
/// Where the application is mounted in the writable part.
const CODE_POINT: &str = "/code";

/// Makes the wallet of `ssi` (type `wallet`): a new writable DSU, with the application's DSU
/// mounted at `/code` if there is one, then the constant DSU that mounts the writable one at
/// `/writableDSU`. Returns the key of the writable part.
///
/// # Errors
/// [`DsuError::Exists`] if the wallet is there already.
///
/// **Source:** DSU specification §9.
pub async fn create_wallet(
    client: &Client,
    ssi: &KeySsi,
    application: Option<&KeySsi>,
    now: Moment,
) -> Result<KeySsi, DsuError> {
    // Before the writable part is made, which would be left behind.
    let mut constant = Draft::create(client, ssi, now).await?;
    let key = PrivateKey::generate(&mut UnwrapErr(SysRng));
    let writable = KeySsi::seed(ssi.domain(), &key).map_err(DsuError::Identifier)?;
    let writable = writable.with_hint(ssi.hint().cloned());
    let mut inner = Draft::create(client, &writable, now).await?;
    if let Some(application) = application {
        inner.mount(&point(CODE_POINT), application, now).await?;
    }
    inner.commit(now).await?;
    constant
        .mount(&point(WRITABLE_POINT), &writable, now)
        .await?;
    constant.commit(now).await?;
    Ok(writable)
}

fn point(name: &str) -> DsuPath {
    DsuPath::root()
        .join(name)
        .unwrap_or_else(|_| DsuPath::root())
}
