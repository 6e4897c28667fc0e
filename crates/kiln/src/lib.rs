//! The kiln command: serves both services from one process and checks a store.
