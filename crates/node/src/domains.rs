//! The domains that the node serves, and what `/bdns` says of them. The table is replaced as a
//! whole when the configuration on disk changes, or the operator changes it while the node runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use keyssi::Domain;
use serde_json::{Value, json};

use crate::domain_config::DomainConfig;
use crate::service_entry::{ORIGIN, ServiceEntry};

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
    /// Those that are not of the configuration.
    added: BTreeSet<Domain>,
    /// Those that are known and not served.
    disabled: BTreeSet<Domain>,
}

impl DomainTable {
    /// A table whose `/bdns` answer is `bdns`, verbatim.
    #[must_use]
    pub fn new(domains: BTreeMap<Domain, Anchoring>, bdns: Bytes) -> Self {
        Self {
            domains,
            bdns,
            added: BTreeSet::new(),
            disabled: BTreeSet::new(),
        }
    }

    /// The table of a `kiln.toml`: every domain is served, services default to this node.
    #[must_use]
    pub fn from_config(configured: &[DomainConfig]) -> Self {
        let mut bdns = serde_json::Map::new();
        for domain in configured {
            bdns.insert(domain.name.to_string(), bdns_entry(domain));
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

    /// The body of `/bdns`.
    #[must_use]
    pub fn bdns(&self) -> &Bytes {
        &self.bdns
    }

    /// The domains by name, also those that are disabled.
    pub fn names(&self) -> impl Iterator<Item = &Domain> {
        self.domains.keys()
    }

    /// Whether the domain was added while the node ran.
    #[must_use]
    pub fn is_added(&self, domain: &Domain) -> bool {
        self.added.contains(domain)
    }

    /// Whether the domain is known and not served: the operator has disabled it.
    #[must_use]
    pub fn is_disabled(&self, domain: &Domain) -> bool {
        self.disabled.contains(domain)
    }

    /// This table with what the operator changed. A domain of the table keeps its settings.
    fn with(&self, changes: &Changes) -> Self {
        let mut table = self.clone();
        let mut bdns = None;
        for config in &changes.added {
            if table.domains.contains_key(&config.name) {
                continue;
            }
            let entries = bdns.get_or_insert_with(|| {
                // What is no object was given out verbatim, and is kept if nothing is added.
                serde_json::from_slice::<serde_json::Map<_, _>>(&self.bdns).unwrap_or_default()
            });
            entries.insert(config.name.to_string(), bdns_entry(config));
            let here = Anchoring::Here(Arc::clone(config));
            table.domains.insert(config.name.clone(), here);
            table.added.insert(config.name.clone());
        }
        if let Some(bdns) = bdns {
            table.bdns = Bytes::from(Value::Object(bdns).to_string());
        }
        table.disabled.clone_from(&changes.disabled);
        table
    }
}

fn bdns_entry(domain: &DomainConfig) -> Value {
    let own = |entries: &[ServiceEntry]| {
        if entries.is_empty() {
            json!([ORIGIN])
        } else {
            json!(entries)
        }
    };
    json!({
        "replicas": domain.replicas,
        "notifications": own(&domain.notifications),
        "brickStorages": own(&domain.brick_storages),
        "anchoringServices": own(&domain.anchoring_services),
    })
}

/// What the operator changed while the node ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    added: Vec<Arc<DomainConfig>>,
    disabled: BTreeSet<Domain>,
}

/// The domains that the node serves now. Cheap to clone; all clones see the same table.
#[derive(Clone, Debug)]
pub struct Domains(Arc<RwLock<State>>);

#[derive(Debug)]
struct State {
    /// As configured.
    base: DomainTable,
    changes: Changes,
    /// The two together.
    table: Arc<DomainTable>,
}

impl Domains {
    /// Starts with this table.
    #[must_use]
    pub fn new(table: DomainTable) -> Self {
        let state = State {
            table: Arc::new(table.clone()),
            base: table,
            changes: Changes::default(),
        };
        Self(Arc::new(RwLock::new(state)))
    }

    /// Replaces what is configured; what the operator changed stays.
    pub fn replace(&self, table: DomainTable) {
        self.change(|state| state.base = table);
    }

    /// Serves a further domain. One that is configured keeps its settings.
    pub(crate) fn add(&self, config: Arc<DomainConfig>) {
        self.change(|state| state.changes.added.push(config));
    }

    /// Disables a domain, or enables it again.
    pub(crate) fn set_disabled(&self, domain: &Domain, is_disabled: bool) {
        self.change(|state| {
            if is_disabled {
                state.changes.disabled.insert(domain.clone());
            } else {
                state.changes.disabled.remove(domain);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.table = Arc::new(state.base.with(&state.changes));
    }

    /// The table as it is now.
    #[must_use]
    pub fn table(&self) -> Arc<DomainTable> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state.table)
    }

    /// The domain of this name if it is known, also if it is disabled. `name` may be any text: it is only looked up.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> DomainConfig {
        DomainConfig::named(name.parse().unwrap())
    }

    fn names(domains: &Domains) -> Vec<String> {
        domains.table().names().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_operator_changed_outlives_the_configuration_on_disk() {
        let domains = Domains::new(DomainTable::from_config(&[config("a"), config("b")]));
        let verbatim = domains.bdns();
        let b = config("b").name;
        domains.set_disabled(&b, true);
        assert_eq!(domains.bdns(), verbatim);
        domains.add(Arc::new(config("c")));
        assert_eq!(names(&domains), ["a", "b", "c"]);
        let bdns: Value = serde_json::from_slice(&domains.bdns()).unwrap();
        assert_eq!(bdns["c"], bdns["a"]);
        domains.replace(DomainTable::from_config(&[config("b"), config("d")]));
        assert_eq!(names(&domains), ["b", "c", "d"]);
        let table = domains.table();
        assert!(table.is_disabled(&b) && table.is_added(&config("c").name));
        assert!(!table.is_added(&b));
        domains.set_disabled(&b, false);
        assert!(!domains.table().is_disabled(&b));
    }

    #[test]
    fn a_configured_domain_keeps_its_settings() {
        let domains = Domains::new(DomainTable::from_config(&[config("a")]));
        let mut other = config("a");
        other.optimistic = true;
        domains.add(Arc::new(other));
        let (name, anchoring) = domains.find("a").unwrap();
        assert_eq!(anchoring, Anchoring::Here(Arc::new(config("a"))));
        assert!(!domains.table().is_added(&name));
    }
}
