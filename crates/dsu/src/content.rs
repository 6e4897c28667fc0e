//! How to read one file: its bricks, in order.
