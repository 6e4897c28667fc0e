//! Figures that others measured, on their machines.

/// What the names in the tables mean.
pub(crate) const SOURCES: &str = "\
reference figures, as the specification records them; none of them was measured in this run:
  [gas]    ledger §2.4 and translog §10, recorded in vectors/ledger/gas.json: anvil 1.7.1, cancun,
           solc 0.8.37; OpenDSU's contract without optimiser (as its own build makes it) and with 200 runs
  [speed]  translog §11: EthAdapter before anvil; Tessera's own docs/performance.md at 1811ae1
  [proof]  translog §7 and §10";

/// Gas of `createAnchor` of OpenDSU's contract, without and with optimiser.
pub(crate) const CREATE: [u64; 2] = [1_505_542, 1_216_459];
/// Gas of `appendAnchor` for the tenth version, without and with optimiser.
pub(crate) const APPEND_10TH: [u64; 2] = [2_698_592, 2_292_635];
/// Gas of the first batch of a log.
pub(crate) const PUBLISH_FIRST: u64 = 72_512;
/// Gas of every later batch.
pub(crate) const PUBLISH: u64 = 38_324;
/// Leaves and hashes of the proof that is named.
pub(crate) const PROOF: (u64, u64) = (1_300, 11);

/// Anchors or entries a second, and whose.
pub(crate) const PER_SECOND: [(&str, f64); 6] = [
    ("EthAdapter, blocks of 1 s and 30M gas", 1.0),
    ("the same chain, right gas limit", 19.0),
    ("EthAdapter, blocks at once, 16 at a time", 33.0),
    ("Tessera POSIX, SAS mirror, with de-duplication", 1_600.0),
    ("Tessera POSIX, SAS mirror, without", 2_900.0),
    ("Tessera POSIX, NVMe, 7 cores", 10_000.0),
];
