//! The audit log: administrative acts and refusals, each record with the hash of the one before.
//!
//! A record's hash is SHA-256 over `"kiln audit 1"`, the hash of the record before (32 zeros for
//! the first), and its fields: numbers as 8 bytes, big-endian, texts with their length in bytes
//! before them. So a record that was altered, taken out or put in is found, and `audit_head` shows
//! that the last ones were taken away. Whoever can write the file can also compute the whole chain
//! anew: keep a record's hash elsewhere (`kiln admin audit check` prints the newest) to notice it.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::keys::{read_ms, stored_ms};
use super::{Control, ControlError};

/// Records that one look reads; the lock is let go in between.
const PAGE: i64 = 1_000;
const HASH_OF_NOTHING: [u8; 32] = [0; 32];

/// What happened, before it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    act: &'static str,
    who: String,
    address: String,
    domain: String,
    detail: Value,
    count: u64,
    time_ms: u64,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// Its place, from 1.
    pub number: u64,
    /// Milliseconds since the epoch; the order is that of the numbers.
    pub time_ms: u64,
    /// What was done or refused, for example `key.created` or `refused.no-credential`.
    pub act: String,
    /// Who did it, as [`Principal`](crate::Principal) shows itself.
    pub who: String,
    /// From which address; empty where there was none, or several.
    pub address: String,
    /// In which domain; empty where that has no meaning.
    pub domain: String,
    /// The rest, as JSON.
    pub detail: Value,
    /// How often, for refusals that were summed up.
    pub count: u64,
    /// SHA-256 of the record before.
    pub previous: [u8; 32],
    /// SHA-256 of this one.
    pub hash: [u8; 32],
}

/// What a walk over the audit log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Records that are right, from the first on.
    pub records: u64,
    /// The hash of the last of them.
    pub head: [u8; 32],
    /// The first that is not right.
    pub broken: Option<Broken>,
}

/// Where the audit log is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// The record's fields are not those that were hashed.
    Altered(u64),
    /// The record does not follow the one before: something is missing or was put in before it.
    OutOfOrder(u64),
    /// Records at the end are missing: the last is this, another one was written.
    CutOff(u64),
}

impl Event {
    /// An act, named `<what>.<done>`, by somebody, at a time in milliseconds since the epoch.
    #[must_use]
    pub fn new(act: &'static str, who: impl Into<String>, time_ms: u64) -> Self {
        Self {
            act,
            who: who.into(),
            address: String::new(),
            domain: String::new(),
            detail: Value::Null,
            count: 1,
            time_ms,
        }
    }

    /// From where.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address.to_string();
        self
    }

    /// In which domain.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// The rest, as a JSON object. Never a secret.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    pub(super) fn times(mut self, count: u64) -> Self {
        self.count = count;
        self
    }
}

impl Control {
    /// Records an event; it is on disk when this returns.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn record(&self, event: &Event) -> Result<(), ControlError> {
        self.change(event, |_| Ok(()))
    }

    /// The newest records, the newest first: at most `most`, and only those before the number
    /// `before` if one is given.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn audit(&self, before: Option<u64>, most: u32) -> Result<Vec<AuditRecord>, ControlError> {
        self.write_refusals_before_a_look();
        let before = before.map_or(i64::MAX, stored_ms);
        self.read(|transaction| {
            let clause = "WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
            records(transaction, clause, (before, i64::from(most)))
        })
    }

    /// Walks over the whole audit log.
    ///
    /// # Errors
    /// [`ControlError`]; that the log is broken is no error of the walk.
    pub fn check_audit(&self) -> Result<AuditCheck, ControlError> {
        self.write_refusals_before_a_look();
        let mut check = AuditCheck {
            records: 0,
            head: HASH_OF_NOTHING,
            broken: None,
        };
        loop {
            let after = stored_ms(check.records);
            // The head in the same transaction, so that what is written meanwhile is no break.
            let (page, head) = self.read(|transaction| {
                let clause = "WHERE number > ?1 ORDER BY number LIMIT ?2";
                let page = records(transaction, clause, (after, PAGE))?;
                Ok((page, head(transaction)?))
            })?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for record in page {
                check.broken = check.broken_by(&record);
                if check.broken.is_some() {
                    return Ok(check);
                }
                check.records = record.number;
                check.head = record.hash;
            }
            if is_last {
                if head != (check.records, check.head) {
                    check.broken = Some(Broken::CutOff(check.records));
                }
                return Ok(check);
            }
        }
    }
}

impl AuditCheck {
    fn broken_by(&self, record: &AuditRecord) -> Option<Broken> {
        if record.number != self.records + 1 || record.previous != self.head {
            return Some(Broken::OutOfOrder(record.number));
        }
        (record.computed_hash() != record.hash).then_some(Broken::Altered(record.number))
    }
}

impl AuditRecord {
    fn computed_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"kiln audit 1");
        hash.update(self.previous);
        for number in [self.number, self.time_ms, self.count] {
            hash.update(number.to_be_bytes());
        }
        let detail = self.detail.to_string();
        for text in [&self.act, &self.who, &self.address, &self.domain, &detail] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }

    /// The record as the API shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "number": self.number,
            "timeMs": self.time_ms,
            "act": self.act,
            "who": self.who,
            "address": self.address,
            "domain": self.domain,
            "detail": self.detail,
            "count": self.count,
            "previous": hex(&self.previous),
            "hash": hex(&self.hash),
        })
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Altered(number) => write!(f, "record {number} was altered"),
            Self::OutOfOrder(number) => write!(
                f,
                "record {number} does not follow the one before it: something was taken out or put in"
            ),
            Self::CutOff(number) => write!(f, "records after record {number} were taken away"),
        }
    }
}

/// A hash as hexadecimal digits.
pub(crate) fn hex(hash: &[u8; 32]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in hash {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Appends a record, in the transaction of what it records.
pub(super) fn append(transaction: &Transaction<'_>, event: &Event) -> Result<(), ControlError> {
    let (last, previous) = head(transaction)?;
    let mut record = AuditRecord {
        number: last + 1,
        time_ms: event.time_ms,
        act: event.act.to_owned(),
        who: event.who.clone(),
        address: event.address.clone(),
        domain: event.domain.clone(),
        detail: event.detail.clone(),
        count: event.count,
        previous,
        hash: HASH_OF_NOTHING,
    };
    record.hash = record.computed_hash();
    transaction.execute(
        "INSERT INTO audit (number, time_ms, act, who, address, domain, detail, count, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            stored_ms(record.number),
            stored_ms(record.time_ms),
            &record.act,
            &record.who,
            &record.address,
            &record.domain,
            record.detail.to_string(),
            stored_ms(record.count),
            record.previous,
            record.hash,
        ),
    )?;
    transaction.execute(
        "INSERT OR REPLACE INTO audit_head (one, number, hash) VALUES (1, ?1, ?2)",
        (stored_ms(record.number), record.hash),
    )?;
    Ok(())
}

/// Number and hash of the last record that was written; 0 and zeros before the first.
fn head(connection: &Connection) -> Result<(u64, [u8; 32]), ControlError> {
    let found = connection.query_row("SELECT number, hash FROM audit_head", [], |row| {
        Ok((read_ms(row.get(0)?), row.get(1)?))
    });
    Ok(found.optional()?.unwrap_or((0, HASH_OF_NOTHING)))
}

fn records(
    connection: &Connection,
    clause: &str,
    parameters: (i64, i64),
) -> Result<Vec<AuditRecord>, ControlError> {
    let columns = "number, time_ms, act, who, address, domain, detail, count, previous, hash";
    let mut query = connection.prepare(&format!("SELECT {columns} FROM audit {clause}"))?;
    let mut rows = query.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record_of(row)?);
    }
    Ok(found)
}

fn record_of(row: &Row<'_>) -> Result<AuditRecord, ControlError> {
    let detail: String = row.get(6)?;
    // What is no JSON was altered: it is shown as text, and does not hash to what it should.
    let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
    let hash = |index| -> Result<[u8; 32], rusqlite::Error> {
        let bytes: Vec<u8> = row.get(index)?;
        Ok(bytes.try_into().unwrap_or(HASH_OF_NOTHING))
    };
    Ok(AuditRecord {
        number: read_ms(row.get(0)?),
        time_ms: read_ms(row.get(1)?),
        act: row.get(2)?,
        who: row.get(3)?,
        address: row.get(4)?,
        domain: row.get(5)?,
        detail,
        count: read_ms(row.get(7)?),
        previous: hash(8)?,
        hash: hash(9)?,
    })
}
