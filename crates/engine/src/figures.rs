//! How a store stands: its state, its room, and what RocksDB says of itself. Read on demand: a few
//! properties that RocksDB keeps in memory, one system call, and one folder's names.

use rocksdb::DB;

use crate::database::{Health, logged_bytes};
use crate::{Engine, Figures, META};

/// Properties of RocksDB that are summed over the column families, and what we call them.
const OF_FAMILIES: [(&str, &str); 4] = [
    ("memtable_bytes", "rocksdb.cur-size-all-mem-tables"),
    ("table_bytes", "rocksdb.total-sst-files-size"),
    ("blob_bytes", "rocksdb.total-blob-file-size"),
    (
        "compaction_pending_bytes",
        "rocksdb.estimate-pending-compaction-bytes",
    ),
];
/// Those of the whole database.
const OF_DATABASE: [(&str, &str); 3] = [
    ("write_stopped", "rocksdb.is-write-stopped"),
    (
        "write_delayed_bytes_per_second",
        "rocksdb.actual-delayed-write-rate",
    ),
    ("background_errors_total", "rocksdb.background-errors"),
];

impl Engine {
    /// How the store stands. What cannot be read now (the database is being reopened) is left out.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = Figures {
            state: match self.health() {
                Health::Ready => "ready",
                Health::Full => "full",
                Health::Poisoned { .. } => "poisoned",
            },
            ..Figures::default()
        };
        self.stats().add_to(&mut figures);
        let mut add = |name, value: u64| figures.values.push((name, as_figure(value)));
        add("wal_bytes", logged_bytes(self.path()));
        if let Ok(volume) = rustix::fs::statvfs(self.path()) {
            let free = volume.f_bavail.saturating_mul(volume.f_frsize);
            add("volume_free_bytes", free);
        }
        let names = self.families().iter().map(|family| family.name);
        let names: Vec<_> = names.chain([META]).collect();
        // An error means that the database is closed for the moment.
        let _ = self.with(|database| {
            for (name, property) in OF_FAMILIES {
                add(name, sum_over(database, &names, property));
            }
            for (name, property) in OF_DATABASE {
                let value = database.property_int_value(property).ok().flatten();
                add(name, value.unwrap_or(0));
            }
            Ok(())
        });
        figures
    }
}

fn sum_over(database: &DB, families: &[&str], property: &str) -> u64 {
    let handles = families.iter().filter_map(|name| database.cf_handle(name));
    let read = |handle| {
        database
            .property_int_value_cf(handle, property)
            .ok()
            .flatten()
    };
    handles.filter_map(read).sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn as_figure(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use rocksdb::WriteBatch;

    use crate::{Engine, EngineOptions, Family, Mode};

    const FAMILIES: &[Family] = &[Family {
        name: "things",
        tune: |_| {},
    }];

    #[test]
    fn a_write_shows_in_the_figures() {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions {
            free_bytes_min: 0,
            mode: Mode::Serve,
        };
        let engine = Engine::open(folder.path(), FAMILIES, 1, options).unwrap();
        let value = |name| {
            let figures = engine.figures();
            let found = figures.values.iter().find(|(it, _)| *it == name);
            found.unwrap_or_else(|| panic!("{name}")).1
        };
        let before = value("wal_bytes");
        let mut batch = WriteBatch::default();
        engine
            .put(&mut batch, "things", b"k", &[7; 10_000])
            .unwrap();
        engine.write(batch).unwrap();
        assert!(value("wal_bytes") >= before + 10_000.0);
        assert!(value("memtable_bytes") >= 10_000.0);
        assert!(value("volume_free_bytes") > 0.0);
        assert!(value("write_stopped").abs() < 0.5);
        assert_eq!(engine.figures().state, "ready");
        assert!(engine.stats().since_last_write().is_some());
    }
}
