//! Versionless DSUs: one mutable document.
