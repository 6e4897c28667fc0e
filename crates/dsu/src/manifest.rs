//! Mounts: the manifest of a DSU.
