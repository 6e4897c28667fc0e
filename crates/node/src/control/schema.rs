//! The tables, and how a file of an older format becomes one of the newest.

use rusqlite::{Connection, TransactionBehavior};

use super::ControlError;

/// Marks the file as ours in its header ("kiln" in ASCII).
const APPLICATION_ID: i32 = 0x6b69_6c6e;

/// What leads from each format to the next; the format is the number of steps that were taken.
/// A step is never changed once it was released.
const STEPS: [&str; 3] = [
    // Times are milliseconds since the epoch. `grants` and `quotas` are JSON, as the API has them.
    "CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        secret_hash BLOB NOT NULL,
        grants TEXT NOT NULL,
        quotas TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER,
        revoked_ms INTEGER
     ) STRICT;
     CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
     CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        time_ms INTEGER NOT NULL,
        act TEXT NOT NULL,
        who TEXT NOT NULL,
        address TEXT NOT NULL,
        domain TEXT NOT NULL,
        detail TEXT NOT NULL,
        count INTEGER NOT NULL,
        previous BLOB NOT NULL,
        hash BLOB NOT NULL
     ) STRICT;
     CREATE TABLE audit_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL,
        hash BLOB NOT NULL
     ) STRICT;",
    // `settings` is JSON, as a `[[domain]]` of the configuration; NULL for one that stands there.
    "CREATE TABLE domains (
        name TEXT PRIMARY KEY,
        settings TEXT,
        disabled INTEGER NOT NULL
     ) STRICT;",
    // Quotas of domains, as JSON, in the place of the configured ones; and what credentials and
    // domains have used on a day, in days since the epoch.
    "CREATE TABLE domain_quotas (domain TEXT PRIMARY KEY, quotas TEXT NOT NULL) STRICT;
     CREATE TABLE used_today (
        subject TEXT PRIMARY KEY,
        day INTEGER NOT NULL,
        bytes_up INTEGER NOT NULL,
        bytes_down INTEGER NOT NULL,
        bricks INTEGER NOT NULL,
        anchors INTEGER NOT NULL
     ) STRICT;",
];

/// Brings the file to the newest format, one step at a time, each whole or not at all.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), ControlError> {
    loop {
        // Two processes that start at once take turns.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format = format_of(&transaction)?;
        let step = usize::try_from(format)
            .ok()
            .and_then(|step| STEPS.get(step));
        let Some(step) = step else {
            return Ok(());
        };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", format + 1)?;
        transaction.commit()?;
    }
}

/// The newest format.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The format of a file of ours; 0 for an empty one.
pub(super) fn format_of(connection: &Connection) -> Result<i64, ControlError> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_new = format == 0 && id == 0 && tables == 0;
    if id != APPLICATION_ID && !is_new {
        return Err(ControlError::Foreign);
    }
    let known = newest();
    if format > known {
        let found = format;
        return Err(ControlError::Newer { found, known });
    }
    Ok(format)
}
