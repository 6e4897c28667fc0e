//! The domains that the node serves, and what `/bdns` says of them. The table is replaced as a
//! whole when the configuration on disk changes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use keyssi::Domain;
use serde_json::{Value, json};

use crate::domain_config::DomainConfig;
use crate::service_entry::ServiceEntry;

/// The place that stands for "this node's own address" in BDNS; the SDK replaces it.
const ORIGIN: &str = "$ORIGIN";

/// What is served of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchoring {
    /// Anchors are served, from the ledger that the domain's configuration names.
    Here(Arc<DomainConfig>),
    /// The domain's anchors live on a ledger that this node does not serve.
    Elsewhere,
}

/// All domains at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainTable {
    domains: BTreeMap<Domain, Anchoring>,
    bdns: Bytes,
}

impl DomainTable {
    /// A table whose `/bdns` answer is `bdns`, verbatim.
    #[must_use]
    pub fn new(domains: BTreeMap<Domain, Anchoring>, bdns: Bytes) -> Self {
        Self { domains, bdns }
    }

    /// The table of a `kiln.toml`: every domain is served, services default to this node.
    #[must_use]
    pub fn from_config(configured: &[DomainConfig]) -> Self {
        let own = |entries: &[ServiceEntry]| {
            if entries.is_empty() {
                json!([ORIGIN])
            } else {
                json!(entries)
            }
        };
        let mut bdns = serde_json::Map::new();
        for domain in configured {
            let entry = json!({
                "replicas": domain.replicas,
                "notifications": own(&domain.notifications),
                "brickStorages": own(&domain.brick_storages),
                "anchoringServices": own(&domain.anchoring_services),
            });
            bdns.insert(domain.name.to_string(), entry);
        }
        let domains = configured
            .iter()
            .map(|domain| {
                let here = Anchoring::Here(Arc::new(domain.clone()));
                (domain.name.clone(), here)
            })
            .collect();
        Self::new(domains, Bytes::from(Value::Object(bdns).to_string()))
    }

    /// The domains whose anchors are served, with their configuration.
    pub fn anchored(&self) -> impl Iterator<Item = &Arc<DomainConfig>> {
        self.domains
            .values()
            .filter_map(|anchoring| match anchoring {
                Anchoring::Here(config) => Some(config),
                Anchoring::Elsewhere => None,
            })
    }

    /// The domains by name.
    pub fn names(&self) -> impl Iterator<Item = &Domain> {
        self.domains.keys()
    }
}

/// The domains that the node serves now. Cheap to clone; all clones see the same table.
#[derive(Clone, Debug)]
pub struct Domains(Arc<RwLock<Arc<DomainTable>>>);

impl Domains {
    /// Starts with this table.
    #[must_use]
    pub fn new(table: DomainTable) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(table))))
    }

    /// Replaces the table.
    pub fn replace(&self, table: DomainTable) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// The table as it is now.
    #[must_use]
    pub fn table(&self) -> Arc<DomainTable> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The domain of this name if it is served. `name` may be any text: it is only looked up.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(Domain, Anchoring)> {
        let table = self.table();
        table
            .domains
            .get_key_value(name)
            .map(|(domain, anchoring)| (domain.clone(), anchoring.clone()))
    }

    /// The body of `/bdns`.
    #[must_use]
    pub fn bdns(&self) -> Bytes {
        self.table().bdns.clone()
    }
}
