//! EVM chains as ledgers: JSON-RPC with bounds, transactions whose nonces survive failures, and
//! the two contracts that anchors go to.
//!
//! **Source:** `ledger.md` §2, `translog.md` §10.
