//! Making bricks: the envelope of a chunk, and that of a brick map.
