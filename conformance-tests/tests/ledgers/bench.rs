//! How the cases get at a back end.

use std::sync::Arc;

use keyssi::Domain;
use ledger::Ledger;

/// A back end under test. It lives through all cases, one after the other.
pub(crate) trait Bench: Send + Sync {
    /// What the output calls it.
    fn name(&self) -> &'static str;

    /// The ledger that keeps the anchors of `domain`.
    fn ledger(&self, domain: &Domain) -> Arc<dyn Ledger>;

    /// Another way to the same anchors: another process or account where the back end has such,
    /// else another handle.
    fn second(&self, domain: &Domain) -> Arc<dyn Ledger>;

    /// Ends whatever this back end keeps in this process, and starts it again. Ledgers that were
    /// given out before are not used any more.
    fn restart(&self);

    /// The cases that it may decline, and must: what its ledger cannot do.
    fn declines(&self) -> &'static [&'static str];
}

/// The domain of most anchors.
pub(crate) const MAIN: &str = "default";

/// Names at the edges of what a domain may be called: short, long, of one case or the other, like a
/// number, a file or a device.
pub(crate) const ODD_DOMAINS: [&str; 9] = [
    "a",
    "A",
    "0",
    "_",
    "x.y_z-1",
    "con.nul",
    "trailing.",
    "anchors",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];

/// Every domain that a case writes to.
pub(crate) fn domains() -> impl Iterator<Item = Domain> {
    let names = std::iter::once(MAIN).chain(ODD_DOMAINS);
    names.map(|name| name.parse().unwrap())
}
