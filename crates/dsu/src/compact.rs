//! Compacted folders: many small files in one container brick.
