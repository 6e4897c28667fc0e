//! API keys: made, listed, revoked, and checked from memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, Row};
use subtle::ConstantTimeEq;

use super::{Control, ControlError, Event, KEYS_AGE_MAX};
use crate::access::{Grant, KeyId, KeyText};
use crate::limits::{Of, Quotas};

/// Longest name of a key, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Grants of one key.
const GRANTS_MAX: usize = 100;
/// Keys of a node, also those that are revoked: all are kept in memory.
const KEYS_MAX: i64 = 100_000;

/// What is known of a key; not the key itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it.
    pub id: KeyId,
    /// What its maker calls it.
    pub name: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// What it may use.
    pub quotas: Quotas,
    /// Milliseconds since the epoch.
    pub created_ms: u64,
    /// Milliseconds since the epoch; `None`: never.
    pub expires_ms: Option<u64>,
    /// Milliseconds since the epoch, if it was.
    pub revoked_ms: Option<u64>,
    secret_hash: [u8; 32],
}

/// What a key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What to call it: 1 to 100 characters that can be printed.
    pub name: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// What it may use.
    pub quotas: Quotas,
    /// When it ends, in milliseconds since the epoch.
    pub expires_ms: Option<u64>,
}

/// Why a key is refused. Callers are told the same in all cases; operators are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is no key of this id, or its secret is another one.
    Unknown,
    /// The right secret of a key that was revoked.
    Revoked,
    /// The right secret of a key that has ended.
    Expired,
    /// The keys in memory are too old to be believed, as the file cannot be read.
    Stale,
}

/// The keys in memory.
#[derive(Clone)]
pub(super) struct KeyCache {
    by_id: Arc<HashMap<KeyId, Arc<ApiKey>>>,
    as_of: Instant,
}

impl Control {
    /// Makes a key. It is durable when this returns; its text is given out here and never again.
    /// `event` is recorded with the key's id, name and grants.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for what is wrong with `new`; nothing is made then.
    pub fn create_key(
        &self,
        new: NewKey,
        event: Event,
        now_ms: u64,
    ) -> Result<(ApiKey, KeyText), ControlError> {
        validate(&new, now_ms)?;
        let text = KeyText::random().map_err(|_| ControlError::NoRandomness)?;
        let key = ApiKey {
            id: text.id(),
            name: new.name,
            grants: new.grants,
            quotas: new.quotas,
            created_ms: now_ms,
            expires_ms: new.expires_ms,
            revoked_ms: None,
            secret_hash: text.secret_hash(),
        };
        let event = event.detail(serde_json::json!({
            "key": key.id.to_string(),
            "name": key.name,
            "grants": key.grants,
            "expiresMs": key.expires_ms,
        }));
        self.change(&event, |transaction| {
            let known: i64 =
                transaction.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
            if known >= KEYS_MAX {
                let text = format!("a node has at most {KEYS_MAX} keys");
                return Err(ControlError::Invalid(text));
            }
            insert(transaction, &key)
        })?;
        self.keys_changed()?;
        Ok((key, text))
    }

    /// Ends a key at once, in this process before this returns, in others within a second. One that
    /// was revoked before keeps its time.
    ///
    /// # Errors
    /// [`ControlError::Absent`] when there is no such key.
    pub fn revoke_key(&self, id: KeyId, event: Event, now_ms: u64) -> Result<ApiKey, ControlError> {
        let event = event.detail(serde_json::json!({ "key": id.to_string() }));
        self.change(&event, |transaction| {
            let changed = transaction.execute(
                "UPDATE keys SET revoked_ms = coalesce(revoked_ms, ?2) WHERE id = ?1",
                (id.to_string(), stored_ms(now_ms)),
            )?;
            match changed {
                0 => Err(ControlError::Absent(format!("key {id}"))),
                _ => Ok(()),
            }
        })?;
        self.keys_changed()?;
        let keys = self.cached_keys();
        let key = keys.by_id.get(&id).map(|key| ApiKey::clone(key));
        key.ok_or_else(|| ControlError::Absent(format!("key {id}")))
    }

    /// All keys, the oldest first, as they are on disk.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn keys(&self) -> Result<Vec<ApiKey>, ControlError> {
        self.read(|transaction| all(transaction))
    }

    /// Checks a key from memory, in the same time whether there is such a key or not.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn check_key(&self, text: &KeyText, now_ms: u64) -> Result<Arc<ApiKey>, KeyRefusal> {
        let keys = self.cached_keys();
        if keys.as_of.elapsed() > KEYS_AGE_MAX {
            return Err(KeyRefusal::Stale);
        }
        let presented = text.secret_hash();
        let found = keys.by_id.get(&text.id());
        // What no secret hashes to, as far as anybody can find.
        let expected = found.map_or([0; 32], |key| key.secret_hash);
        let is_right: bool = presented.ct_eq(&expected).into();
        let Some(key) = found.filter(|_| is_right) else {
            return Err(KeyRefusal::Unknown);
        };
        if key.revoked_ms.is_some() {
            return Err(KeyRefusal::Revoked);
        }
        if key.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(KeyRefusal::Expired);
        }
        Ok(Arc::clone(key))
    }

    fn cached_keys(&self) -> Arc<KeyCache> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    /// Reads the keys again after a change of our own, which `data_version` does not show.
    fn keys_changed(&self) -> Result<(), ControlError> {
        let connection = self.connection();
        let read = KeyCache::read(&connection)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }
}

impl KeyCache {
    pub(super) fn read(connection: &Connection) -> Result<Self, ControlError> {
        let as_of = Instant::now();
        let keys = all(connection)?.into_iter();
        let by_id = keys.map(|key| (key.id, Arc::new(key))).collect();
        Ok(Self {
            by_id: Arc::new(by_id),
            as_of,
        })
    }

    /// The same keys, which were found unchanged at `as_of`.
    pub(super) fn as_of(&self, as_of: Instant) -> Self {
        Self {
            by_id: Arc::clone(&self.by_id),
            as_of: self.as_of.max(as_of),
        }
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({} {:?})", self.id, self.name)
    }
}

fn validate(new: &NewKey, now_ms: u64) -> Result<(), ControlError> {
    let invalid = |text: String| Err(ControlError::Invalid(text));
    let length = new.name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&length) || new.name.chars().any(char::is_control) {
        return invalid(format!(
            "the name of a key has 1 to {NAME_CHARS_MAX} characters that can be printed"
        ));
    }
    if new.grants.is_empty() || new.grants.len() > GRANTS_MAX {
        return invalid(format!("a key has 1 to {GRANTS_MAX} grants"));
    }
    if new.expires_ms.is_some_and(|end| end <= now_ms) {
        return invalid("the key would have ended before it begins".to_owned());
    }
    let quotas = new.quotas.validate(Of::Credential);
    quotas.map_err(ControlError::Invalid)
}

fn insert(connection: &Connection, key: &ApiKey) -> Result<(), ControlError> {
    let grants = serde_json::json!(key.grants).to_string();
    let quotas = serde_json::json!(key.quotas).to_string();
    connection.execute(
        "INSERT INTO keys (id, name, secret_hash, grants, quotas, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            key.id.to_string(),
            &key.name,
            key.secret_hash,
            grants,
            quotas,
            stored_ms(key.created_ms),
            key.expires_ms.map(stored_ms),
        ),
    )?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<ApiKey>, ControlError> {
    let mut query = connection.prepare(
        "SELECT id, name, secret_hash, grants, quotas, created_ms, expires_ms, revoked_ms
         FROM keys ORDER BY created_ms, id",
    )?;
    let mut rows = query.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(key_of(row)?);
    }
    Ok(keys)
}

fn key_of(row: &Row<'_>) -> Result<ApiKey, ControlError> {
    let text = |index| row.get::<_, String>(index);
    Ok(ApiKey {
        id: text(0)?.parse().map_err(unreadable)?,
        name: text(1)?,
        secret_hash: row.get(2)?,
        grants: serde_json::from_str(&text(3)?).map_err(unreadable)?,
        quotas: serde_json::from_str(&text(4)?).map_err(unreadable)?,
        created_ms: read_ms(row.get(5)?),
        expires_ms: row.get::<_, Option<i64>>(6)?.map(read_ms),
        revoked_ms: row.get::<_, Option<i64>>(7)?.map(read_ms),
    })
}

fn unreadable(error: impl std::fmt::Display) -> ControlError {
    ControlError::Corrupt(error.to_string())
}

/// `SQLite` has signed numbers; a time beyond them is never.
pub(super) fn stored_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(super) fn read_ms(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}
