//! Reads of an open database: one key, a page of them, or a walk.

use std::ops::ControlFlow;

use rocksdb::{DBPinnableSlice, Direction, IteratorMode, ReadOptions};

use crate::EngineError;
use crate::database::{Engine, handle};

/// A key and its value.
pub type KeyValue = (Box<[u8]>, Box<[u8]>);

impl Engine {
    /// The value of a key, checked by the database's own checksums.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] and [`EngineError::Database`]; never a wrong value.
    pub fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.get_with(family, key, <[u8]>::to_vec)
    }

    /// Like [`Engine::get`], without a copy: `use_value` sees the bytes where they lie.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get_with<T>(
        &self,
        family: &str,
        key: &[u8],
        use_value: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, EngineError> {
        self.with(|database| {
            let value: Option<DBPinnableSlice<'_>> =
                database.get_pinned_cf(handle(database, family)?, key)?;
            Ok(value.map(|value| use_value(&value)))
        })
    }

    /// Like [`Engine::get_with`], for walks: what it reads does not push out what serving needs.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn peek<T>(
        &self,
        family: &str,
        key: &[u8],
        use_value: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, EngineError> {
        self.with(|database| {
            let mut reading = ReadOptions::default();
            reading.fill_cache(false);
            let value: Option<DBPinnableSlice<'_>> =
                database.get_pinned_cf_opt(handle(database, family)?, key, &reading)?;
            Ok(value.map(|value| use_value(&value)))
        })
    }

    /// The first `max` keys behind `after`, in order, with their values: a walk in short steps, which
    /// holds no snapshot between them.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn page(
        &self,
        family: &str,
        after: &[u8],
        max: usize,
    ) -> Result<Vec<KeyValue>, EngineError> {
        self.with(|database| {
            let mut reading = ReadOptions::default();
            reading.fill_cache(false);
            let from = IteratorMode::From(after, Direction::Forward);
            let entries = database.iterator_cf_opt(handle(database, family)?, reading, from);
            let behind = entries.filter(|entry| !matches!(entry, Ok((key, _)) if **key == *after));
            let page: Result<Vec<KeyValue>, _> = behind.take(max).collect();
            Ok(page?)
        })
    }

    /// Calls `visit` for every key that starts with `prefix`, in order, until it fails.
    ///
    /// # Errors
    /// What `visit` returns, or the database's error, which ends the walk.
    pub fn scan(
        &self,
        family: &str,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.with(|database| {
            let mut reading = ReadOptions::default();
            // A walk must not push out what serving needs.
            reading.fill_cache(false);
            let from = IteratorMode::From(prefix, Direction::Forward);
            for entry in database.iterator_cf_opt(handle(database, family)?, reading, from) {
                let (key, value) = entry?;
                if !key.starts_with(prefix) {
                    break;
                }
                visit(&key, &value)?;
            }
            Ok(())
        })
    }

    /// Calls `visit` for every key from `from` up to, and without, `to`, in order, until it breaks off
    /// or fails.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn range(
        &self,
        family: &str,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        self.with(|database| {
            let mut reading = ReadOptions::default();
            reading.set_iterate_upper_bound(to);
            let from = IteratorMode::From(from, Direction::Forward);
            for entry in database.iterator_cf_opt(handle(database, family)?, reading, from) {
                let (key, value) = entry?;
                if visit(&key, &value)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}
