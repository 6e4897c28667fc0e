//! HTTP over the ledger: anchors, BDNS and versionless DSUs.
