//! RocksDB options: what every store of ours shares, and how one column family differs.

use rocksdb::{BlockBasedOptions, Cache, DBRecoveryMode, LogLevel, Options};

/// Column family that every store has: format version, domain ids, counters.
pub const META: &str = "meta";

/// A column family and how its options differ from the shared ones.
#[derive(Clone, Copy)]
pub struct Family {
    /// Name of the column family.
    pub name: &'static str,
    /// Changes the shared options for this family.
    pub tune: fn(&mut Options),
}

/// Memory for index, filter and data blocks of one store, in bytes.
const BLOCK_CACHE_BYTES: usize = 16 << 20;
/// Memory for all unflushed writes of one store, in bytes. Together with the cache this bounds
/// what an idle or busy store holds (promise P7).
const WRITE_BUFFER_BYTES: usize = 32 << 20;
/// Write-ahead logs are retired by flushing once they pass this size, which bounds the time that
/// replay takes after a crash.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Open table and blob files per store; RocksDB closes the least used beyond it.
const OPEN_FILES_MAX: i32 = 256;
/// Files of RocksDB's own diagnostic log that are kept.
const DIAGNOSTIC_LOGS_MAX: usize = 4;

pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A torn last record is the normal mark of a crash and was never acknowledged. Anything else
    // that is wrong in the log means lost acknowledged writes: refuse to open rather than drop
    // what follows it, as the default (point in time) would.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A log file that has gone missing as a whole is noticed too.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_db_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_keep_log_file_num(DIAGNOSTIC_LOGS_MAX);
    options.set_log_level(LogLevel::Warn);
    options
}

pub(crate) fn family(cache: &Cache, tune: fn(&mut Options)) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Ten bits a key: a miss reads a data block once in a hundred times.
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_paranoid_checks(true);
    tune(&mut options);
    options
}

pub(crate) fn cache() -> Cache {
    Cache::new_lru_cache(BLOCK_CACHE_BYTES)
}
