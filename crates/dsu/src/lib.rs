//! The DSU format: brick maps, bricks, mounts, histories, merge; sans-IO.
