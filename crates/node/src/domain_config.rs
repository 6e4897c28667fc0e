//! `[[domain]]`: which ledger keeps a domain's anchors, its transparency log, and what BDNS says.

use std::net::SocketAddr;
use std::path::PathBuf;

use keyssi::Domain;
use serde::{Deserialize, Serialize};

use crate::access::AnonymousPolicy;
use crate::config::ConfigError;
use crate::limits::{DomainInConfig, Of, Quotas};
use crate::service_entry::ServiceEntry;
use crate::socket_address;

/// `[[domain]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainConfig {
    /// The domain's name.
    #[serde(with = "domain_text")]
    pub name: Domain,
    /// What callers without a credential may do; none: what `access.anonymous` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<AnonymousPolicy>,
    /// BDNS: copies of the domain elsewhere.
    #[serde(default)]
    pub replicas: Vec<ServiceEntry>,
    /// BDNS: where notifications are; empty means this node.
    #[serde(default)]
    pub notifications: Vec<ServiceEntry>,
    /// BDNS: where bricks are; empty means this node.
    #[serde(default)]
    pub brick_storages: Vec<ServiceEntry>,
    /// BDNS: where anchors are; empty means this node.
    #[serde(default)]
    pub anchoring_services: Vec<ServiceEntry>,
    /// The ledger of the domain's anchors.
    #[serde(default)]
    pub anchoring: AnchoringKind,
    /// With `evm` and `adapter`: the embedded ledger answers, an outbox carries entries on.
    #[serde(default)]
    pub optimistic: bool,
    /// `[domain.log]`
    #[serde(default)]
    pub log: LogConfig,
    /// What all callers together may use of the domain.
    #[serde(
        default,
        with = "DomainInConfig",
        skip_serializing_if = "Quotas::is_unlimited"
    )]
    pub quota: Quotas,
    /// `[domain.evm]`, for `evm-roots` and `evm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evm: Option<EvmConfig>,
    /// `[domain.adapter]`, for `adapter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterConfig>,
    /// `[domain.eth_adapter]`: this node serves an EthAdapter's routes for the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eth_adapter: Option<EthAdapterConfig>,
}

/// The ledger of a domain's anchors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchoringKind {
    /// This node's own store.
    #[default]
    Embedded,
    /// This node's own store, and the root of its log on an EVM chain.
    EvmRoots,
    /// The anchoring contract on an EVM chain.
    Evm,
    /// An EthAdapter or hf-adapter.
    Adapter,
}

/// `[domain.log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The log's name for ever: its public address without scheme. Empty: `localhost/<domain>`,
    /// which is good on loopback only.
    pub origin: String,
    /// Whether anyone may read what opens the log's commitments.
    pub openings: Openings,
    /// File of the log's private key; empty: `keys/<domain>.log-key` in the data folder.
    pub key: PathBuf,
    /// File of the key before it, whose signature stands beside the new one; empty for none.
    pub old_key: PathBuf,
    /// File with the witness policy (C2SP tlog-policy); empty for none.
    pub policy: PathBuf,
    /// Submission prefixes of the witnesses that are asked for cosignatures.
    pub witnesses: Vec<String>,
}

/// Who may read the openings of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Openings {
    /// Each with its own anchor's proof only.
    #[default]
    Private,
    /// Anyone, at `/log/<domain>/openings/<N>`.
    Public,
}

/// `[domain.evm]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmConfig {
    /// Address of the chain's JSON-RPC.
    pub rpc: String,
    /// The chain's id; another one is refused.
    pub chain_id: u64,
    /// The contract: `AnchorRegistry` for `evm-roots`, the anchoring contract for `evm`.
    pub contract: String,
    /// File of the account's private key, `0x` and 64 hex digits; empty: the variable
    /// `KILN_CHAIN_KEY`.
    #[serde(default)]
    pub account_key: PathBuf,
    /// Blocks, the transaction's own included, after which it counts. There is no default: what a
    /// chain takes back after so many blocks is lost, and only the operator knows the chain. 0 stands
    /// for a key that is missing, so that its refusal can say more than a parser does.
    #[serde(default)]
    pub confirmations: u64,
    /// Time between two looks at the chain, in milliseconds: about a third of its block time. A
    /// transaction that is not mined is sent again after 20 looks, and replaced after 60.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// How transactions pay.
    #[serde(default)]
    pub fees: Fees,
    /// The most that is offered for each unit of gas, in gwei. Where the chain asks for more, nothing
    /// is sent until it asks for less.
    #[serde(default = "fee_cap_gwei")]
    pub fee_cap_gwei: u64,
    /// `evm-roots`: entries after which a root is published.
    #[serde(default = "batch_entries_max")]
    pub batch_entries_max: u64,
    /// `evm-roots`: time after which a root is published if there is anything new, in milliseconds.
    #[serde(default = "batch_ms_max")]
    pub batch_ms_max: u64,
}

/// How transactions pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fees {
    /// EIP-1559, or a gas price where the chain has no base fee.
    #[default]
    Eip1559,
    /// A gas price.
    Legacy,
}

/// `[domain.adapter]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// Address of the adapter.
    pub url: String,
    /// Which adapter it is.
    #[serde(default)]
    pub kind: AdapterKind,
    /// File with the token that is sent as `Authorization: Bearer`, where the adapter is a Kiln that
    /// wants one; empty for none.
    #[serde(default)]
    pub token_file: PathBuf,
}

/// Which adapter it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// EthAdapter.
    #[default]
    Eth,
    /// hf-adapter (Hyperledger Fabric).
    Hf,
}

/// `[domain.eth_adapter]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EthAdapterConfig {
    /// Address and port; port 0 takes a free one.
    #[serde(deserialize_with = "socket_address::deserialize")]
    pub listen: SocketAddr,
    /// File with the token that callers send as `Authorization: Bearer`; needed beyond loopback.
    #[serde(default)]
    pub token_file: PathBuf,
}

const fn poll_ms() -> u64 {
    1000
}

const fn fee_cap_gwei() -> u64 {
    500
}

const fn batch_entries_max() -> u64 {
    1000
}

const fn batch_ms_max() -> u64 {
    60_000
}

impl DomainConfig {
    /// A domain all of whose services are this node.
    #[must_use]
    pub fn named(name: Domain) -> Self {
        Self {
            name,
            anonymous: None,
            replicas: Vec::new(),
            notifications: Vec::new(),
            brick_storages: Vec::new(),
            anchoring_services: Vec::new(),
            anchoring: AnchoringKind::Embedded,
            optimistic: false,
            log: LogConfig::default(),
            quota: Quotas::default(),
            evm: None,
            adapter: None,
            eth_adapter: None,
        }
    }

    /// Whether entries go through the embedded ledger, and so into a log.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.optimistic
            || matches!(
                self.anchoring,
                AnchoringKind::Embedded | AnchoringKind::EvmRoots
            )
    }

    /// Whether entries are carried on from the embedded ledger to another one.
    #[must_use]
    pub const fn has_outbox(&self) -> bool {
        self.optimistic && matches!(self.anchoring, AnchoringKind::Evm | AnchoringKind::Adapter)
    }

    /// The log's origin: its own, or `prefix/<domain>`, or one that is good on loopback only.
    #[must_use]
    pub fn origin(&self, prefix: &str) -> String {
        match (self.log.origin.as_str(), prefix) {
            ("", "") => format!("localhost/{}", self.name),
            ("", prefix) => format!("{prefix}/{}", self.name),
            (own, _) => own.to_owned(),
        }
    }

    /// Refuses what does not go together; `needs_name` says whether others can reach its log.
    pub(crate) fn validate(
        &self,
        log_origin_prefix: &str,
        needs_name: bool,
    ) -> Result<(), ConfigError> {
        let name = &self.name;
        let require = |holds: bool, text: &str| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Invalid(format!("domain {name}: {text}")))
            }
        };
        self.validate_services()?;
        let quota = self.quota.validate(Of::Domain);
        quota.map_err(|error| ConfigError::Invalid(format!("domain {name}: quota: {error}")))?;
        let on_chain = matches!(self.anchoring, AnchoringKind::Evm | AnchoringKind::EvmRoots);
        require(
            on_chain == self.evm.is_some(),
            "anchoring = \"evm\" and \"evm-roots\" need a section [domain.evm], others take none",
        )?;
        require(
            (self.anchoring == AnchoringKind::Adapter) == self.adapter.is_some(),
            "anchoring = \"adapter\" needs a section [domain.adapter], others take none",
        )?;
        require(
            !self.optimistic || self.has_outbox(),
            "optimistic = true needs a ledger to carry entries to: it goes with anchoring = \"evm\" and \
             anchoring = \"adapter\" only",
        )?;
        if let Some(evm) = &self.evm {
            require(
                evm.confirmations > 0,
                "[domain.evm] needs the key confirmations: the number of blocks after which a \
                 transaction stays on your chain, from 1 to 1000, as in confirmations = 12; there \
                 is no default",
            )?;
            require(
                evm.confirmations <= 1_000,
                &format!(
                    "evm.confirmations is {}; it must be between 1 and 1000",
                    evm.confirmations
                ),
            )?;
            require(
                (10..=60_000).contains(&evm.poll_ms),
                "evm.poll_ms must be between 10 and 60000",
            )?;
            require(
                (1..=1_000_000_000).contains(&evm.fee_cap_gwei),
                "evm.fee_cap_gwei must be between 1 and 1000000000",
            )?;
            require(
                evm.batch_entries_max >= 1 && (100..=86_400_000).contains(&evm.batch_ms_max),
                "evm.batch_entries_max must be at least 1, evm.batch_ms_max between 100 and 86400000",
            )?;
        }
        if let Some(served) = &self.eth_adapter {
            require(
                served.listen.ip().is_loopback() || !served.token_file.as_os_str().is_empty(),
                "eth_adapter.listen is reachable from other machines: set eth_adapter.token_file, \
                 or listen on 127.0.0.1",
            )?;
        }
        let log = &self.log;
        require(
            log.witnesses.is_empty() || !log.policy.as_os_str().is_empty(),
            "log.witnesses need log.policy, the file that says which cosignatures are enough",
        )?;
        require(
            !(needs_name
                && self.has_log()
                && log.origin.is_empty()
                && log_origin_prefix.is_empty()),
            "its log needs a name before others can reach the node, and keeps it for ever: set \
             log.origin to the log's public address without scheme, for example \
             \"anchors.example/default\" (or node.log_origin_prefix = \"anchors.example\" for all \
             domains)",
        )?;
        let origin = self.origin(log_origin_prefix);
        require(
            !self.has_log()
                || (!origin.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
                    && !origin.ends_with('/')
                    && !origin.contains("://")),
            &format!(
                "log.origin is {origin:?}; it must be an address without scheme, spaces, '+' and \
                 last '/', as in \"anchors.example/{name}\""
            ),
        )
    }

    /// Refuses entries of BDNS that no client can use.
    fn validate_services(&self) -> Result<(), ConfigError> {
        let refuse = |place: &str, text: &str| {
            let name = &self.name;
            let text = format!("domain {name}: {place}: {text}");
            Err(ConfigError::Invalid(text))
        };
        for (key, entries) in [
            ("replicas", &self.replicas),
            ("notifications", &self.notifications),
            ("brick_storages", &self.brick_storages),
            ("anchoring_services", &self.anchoring_services),
        ] {
            for (index, entry) in entries.iter().enumerate() {
                let place = format!("{key}[{index}]");
                if !entry.is_address() {
                    return refuse(
                        &place,
                        "this is no address of a service; give one that begins with http:// or \
                         https://, or \"$ORIGIN\" for this node",
                    );
                }
                if let Some(trouble) = entry.trouble() {
                    return refuse(&format!("{place}.headers"), &trouble);
                }
            }
        }
        Ok(())
    }
}

mod domain_text {
    //! A domain as text in TOML, refused where it is not one.

    use keyssi::Domain;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(domain: &Domain, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(domain.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Domain, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
