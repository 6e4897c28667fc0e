//! Whom `kiln anchor verify` believes: what the user says, never what a proof or a node says.

use std::path::{Path, PathBuf};

use causes::with_causes;
use clap::Args;
use evm::Address;
use translog::{KeyKind, POLICY_BYTES_MAX, Policy, VerifierKey};

use super::chain::address;
use crate::exit::{Exit, Failure};
use crate::local_file::read_bounded;

/// Options that name whom to believe.
#[derive(Args)]
pub(super) struct TrustOptions {
    /// The logs that you trust, and which witnesses must have cosigned (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    pub(super) policy: Option<PathBuf>,
    /// The key of a log that you trust, without witnesses; can be repeated
    #[arg(long, visible_alias = "vkey", value_name = "VKEY")]
    log: Vec<String>,
}

/// Whom the user believes.
pub(super) struct Trust {
    pub(super) policy: Policy,
    /// Contracts that the policy file names.
    pub(super) contracts: Vec<PolicyContract>,
}

/// A contract that a policy file names, in a comment, since other software reads the file too:
/// `# contract <chain id> <address>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PolicyContract {
    pub(super) chain_id: u64,
    pub(super) address: Address,
}

/// Whom the options name.
///
/// # Errors
/// [`Exit::Usage`] if nobody is named, or a key or the policy is malformed; that of reading the
/// file.
pub(super) fn of(options: &TrustOptions) -> Result<Trust, Failure> {
    if let Some(path) = &options.policy {
        return of_file(path);
    }
    if options.log.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "a proof counts only under the key of its log, and none is named",
        )
        .next(
            "give --log VKEY or --policy FILE; GET /log/DOMAIN/vkey on the node shows the key: take \
             it, or compare it, over a channel that you trust, not from whoever gave you the proof",
        ));
    }
    let mut lines = vec!["quorum none".to_owned()];
    for vkey in &options.log {
        let refused = |what: &str| {
            Failure::new(Exit::Usage, format!("{vkey} is no key of a log: {what}"))
                .next("give it as GET /log/DOMAIN/vkey shows it: NAME+ID+KEY")
        };
        let key = VerifierKey::parse(vkey).map_err(|error| refused(&with_causes(&error)))?;
        if key.kind() != KeyKind::Log {
            return Err(refused(
                "it is that of a witness, which belongs in a --policy",
            ));
        }
        lines.push(format!("log {key}"));
    }
    let policy = Policy::parse(&lines.join("\n")).map_err(|error| {
        Failure::new(Exit::Usage, "the keys cannot be used together")
            .because(error)
            .next("give each key once")
    })?;
    Ok(Trust {
        policy,
        contracts: Vec::new(),
    })
}

fn of_file(path: &Path) -> Result<Trust, Failure> {
    let refused = |failure: Failure| {
        failure.next("it has lines: log VKEY, witness NAME VKEY, group NAME K MEMBER…, quorum NAME")
    };
    let name = path.display();
    let bytes = read_bounded(path, POLICY_BYTES_MAX as u64)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        refused(Failure::new(
            Exit::Usage,
            format!("{name} does not hold text"),
        ))
    })?;
    let policy = Policy::parse(text).map_err(|error| {
        refused(Failure::new(Exit::Usage, format!("{name} is no policy")).because(error))
    })?;
    if policy.logs().is_empty() {
        let message = format!("{name} names no log");
        return Err(refused(Failure::new(Exit::Usage, message)));
    }
    Ok(Trust {
        policy,
        contracts: text.lines().filter_map(contract).collect(),
    })
}

/// The contract that a line of a policy names, if it does.
fn contract(line: &str) -> Option<PolicyContract> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match *words.as_slice() {
        ["#", "contract", chain_id, contract] => Some(PolicyContract {
            chain_id: chain_id.parse().ok()?,
            address: address(contract)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_contracts_in_comments() {
        let place = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
        let named = contract(&format!("# contract 31337 {place}")).unwrap();
        assert_eq!(named.chain_id, 31_337);
        assert_eq!(named.address, place.parse::<Address>().unwrap());
        for line in [
            "# contract 31337",
            "# contract x 0x5FbDB2315678afecb367f032d93F642f64180aa3",
            "# contract 1 5FbDB2315678afecb367f032d93F642f64180aa3",
            "# contract 1 0x5FbDB2315678afecb367f032d93F642f64180a",
            "contract 1 0x5FbDB2315678afecb367f032d93F642f64180aa3",
            "# the contract 1 0x5FbDB2315678afecb367f032d93F642f64180aa3",
        ] {
            assert_eq!(contract(line), None, "{line}");
        }
    }
}
