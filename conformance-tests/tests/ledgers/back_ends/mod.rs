//! The back ends, each with the whole suite.

mod embedded;
