//! The configuration of an `ApiHub` as a `kiln.toml`, with what could not be said in it.
//!
//! **Source:** reference-defects.md §3, `http-api.md` §4.

use std::collections::BTreeMap;
use std::path::Path;

use keyssi::Domain;
use node::apihub::Settings;
use node::{Config, DomainConfig, DomainTable, Logs, NodeConfig, ServiceEntry};
use serde_json::Value;

use crate::source::{ApiHubFolder, SourceError};

/// What stands for the node's own address in BDNS; no entry means the same in a `kiln.toml`.
const ORIGIN: &str = "$ORIGIN";

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Translated {
    /// The text of a `kiln.toml`, with the remarks as comments.
    pub toml: String,
    /// What could not be translated, a sentence each.
    pub remarks: Vec<String>,
}

/// Translates the configuration. `data` is the data folder that the node will use, `taken` are
/// domains beyond those that the configuration names.
///
/// # Errors
/// [`SourceError::Config`] when a file of the configuration cannot be read, or what it says makes no
/// configuration of ours.
pub fn translate(
    folder: &ApiHubFolder,
    data: &Path,
    taken: &[Domain],
) -> Result<Translated, SourceError> {
    let mut remarks = Vec::new();
    let mut settings = Settings::default();
    let mut domains = BTreeMap::new();
    if let Some(config) = folder.config() {
        let mut warn = |line| remarks.push(line);
        let settings_read = config.settings(&mut warn);
        settings = settings_read.map_err(|error| SourceError::Config(format!("{error:#}")))?;
        let table = config.domains(&mut warn);
        let table = table.map_err(|error| SourceError::Config(format!("{error:#}")))?;
        domains = from_table(&table, &mut remarks);
    } else {
        remarks.push("there is no folder config: every domain found is served".to_owned());
    }
    let (found, _) = folder.domains(None)?;
    let names_none = domains.is_empty();
    let more = found.iter().filter(|_| names_none).chain(taken);
    for domain in more {
        let named = || DomainConfig::named(domain.clone());
        domains.entry(domain.clone()).or_insert_with(named);
    }
    for name in folder.left_alone()? {
        remarks.push(format!("{name}: not part of a storage node, not taken"));
    }
    let toml = written(&settings, data, domains.values(), &remarks)?;
    Ok(Translated { toml, remarks })
}

/// The domains whose anchors we can keep, with their entries of BDNS.
fn from_table(table: &DomainTable, remarks: &mut Vec<String>) -> BTreeMap<Domain, DomainConfig> {
    let bdns: Value = serde_json::from_slice(table.bdns()).unwrap_or_default();
    let mut domains = BTreeMap::new();
    for config in table.anchored() {
        let mut config = DomainConfig::clone(config);
        let name = config.name.to_string();
        if let Some(hosts) = bdns.get(&name) {
            let mut list = |key| entries(&name, hosts, key, remarks);
            config.replicas = list("replicas");
            config.brick_storages = list("brickStorages");
            config.anchoring_services = list("anchoringServices");
            config.notifications = list("notifications");
            let known = [
                "replicas",
                "brickStorages",
                "anchoringServices",
                "notifications",
            ];
            for key in hosts.as_object().into_iter().flat_map(|it| it.keys()) {
                if !known.contains(&key.as_str()) {
                    remarks.push(format!("bdns.hosts: {key} of {name} is left out"));
                }
            }
        }
        domains.insert(config.name.clone(), config);
    }
    for name in table.names() {
        if !domains.contains_key(name) {
            remarks.push(format!(
                "domain {name} is left out: its anchors are on a ledger that cannot be reached \
                 with what its file says"
            ));
        }
    }
    domains
}

/// The entries of a list in BDNS; empty when it names this node only.
fn entries(name: &str, hosts: &Value, key: &str, remarks: &mut Vec<String>) -> Vec<ServiceEntry> {
    let mut entries = Vec::new();
    let listed = hosts.get(key).and_then(Value::as_array);
    for value in listed.into_iter().flatten() {
        match serde_json::from_value::<ServiceEntry>(value.clone()) {
            Ok(entry) if entry.is_address() => entries.push(entry),
            // It may hold credentials, so it is not repeated.
            Ok(_) | Err(_) => remarks.push(format!(
                "bdns.hosts: an entry in {key} of {name} that is no address is left out"
            )),
        }
    }
    if entries
        .iter()
        .all(|entry| *entry == ServiceEntry::from(ORIGIN))
    {
        return Vec::new();
    }
    let addresses = entries.iter().map(|entry| match entry {
        ServiceEntry::Url(url) => shown(url),
        ServiceEntry::WithHeaders(entry) => shown(&entry.url),
    });
    let addresses: Vec<_> = addresses.collect();
    remarks.push(format!(
        "{key} of {name} name addresses: {}; take out what was the ApiHub itself",
        addresses.join(", ")
    ));
    entries
}

/// An address without what may be a secret in it: user and password, and what follows the path.
fn shown(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// Only what differs from the defaults.
fn written<'a>(
    settings: &Settings,
    data: &Path,
    domains: impl Iterator<Item = &'a DomainConfig>,
    remarks: &[String],
) -> Result<String, SourceError> {
    let failed = |error: &dyn std::fmt::Display| SourceError::Config(error.to_string());
    let mut node = toml::Table::new();
    node.insert("data".to_owned(), data.display().to_string().into());
    if let Some(port) = settings.port {
        let mut listen = NodeConfig::default().listen;
        listen.set_port(port);
        node.insert("listen".to_owned(), listen.to_string().into());
    }
    let mut whole = toml::Table::new();
    whole.insert("node".to_owned(), node.into());
    if settings.prevent_rate_limit {
        let off = toml::Table::from_iter([("enabled".to_owned(), false.into())]);
        whole.insert("rate_limit".to_owned(), off.into());
    }
    let mut list = Vec::new();
    for domain in domains {
        let of = |config: &DomainConfig| toml::Table::try_from(config).map_err(|it| failed(&it));
        let usual = of(&DomainConfig::named(domain.name.clone()))?;
        let mut said = of(domain)?;
        said.retain(|key, value| key == "name" || usual.get(key) != Some(value));
        list.push(toml::Value::Table(said));
    }
    whole.insert("domain".to_owned(), list.into());
    let body = toml::to_string_pretty(&whole).map_err(|error| failed(&error))?;
    let config: Config = toml::from_str(&body).map_err(|error| failed(&error))?;
    config
        .validate(Logs::Kept)
        .map_err(|error| failed(&error))?;
    let mut text = String::from(
        "# Made by `kiln import apihub` from the configuration of an ApiHub. Listens on this machine\n\
         # only; `kiln serve --config FILE --check-config` prints every setting.\n",
    );
    if !remarks.is_empty() {
        text.push_str("#\n# Not translated:\n");
    }
    for remark in remarks {
        text.push_str("# - ");
        // A line of somebody else's words must stay a comment.
        text.extend(remark.chars().filter(|it| !it.is_control()));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&body);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use testkit::server::write_file;

    use super::*;

    #[test]
    fn a_configuration_becomes_ours_and_what_does_not_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = folder.path().join("external-volume").join(path);
            write_file(&path, text.as_bytes()).unwrap();
        };
        file(
            "config/apihub.json",
            r#"{"port": 9090, "preventRateLimit": true, "zeromqForwardAddress": "tcp://x"}"#,
        );
        file("config/domains/default.json", "{}");
        file(
            "config/domains/ledger.json",
            r#"{"anchoring": {"type": "OBA", "option": {"endpoint": "http://127.0.0.1:3000"}}, "enable": ["mq"]}"#,
        );
        file(
            "config/domains/lost.json",
            r#"{"anchoring": {"type": "ETH"}}"#,
        );
        file(
            "config/bdns.hosts",
            r#"{"default": {"replicas": ["http://user:hidden@a.example/x?key=hidden"], "brickStorages": ["$ORIGIN"], "mqEndpoints": [],
                "anchoringServices": ["$ORIGIN", {"url": "http://b.example", "headers": {"k": "hidden"}}, 7, "nonsense"]}}"#,
        );
        file("secrets/x.secret", "");
        let source = ApiHubFolder::open(folder.path()).unwrap();
        let translated = translate(&source, Path::new("/srv/kiln-data"), &[]).unwrap();
        let config: Config = toml::from_str(&translated.toml).unwrap();
        assert_eq!(config.node.data, Path::new("/srv/kiln-data"));
        assert_eq!(config.node.listen.to_string(), "127.0.0.1:9090");
        assert!(!config.rate_limit.enabled);
        let names: Vec<_> = config.domains.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["default", "ledger"]);
        let [default, ledger] = &config.domains[..] else {
            panic!("{names:?}");
        };
        let replica = ServiceEntry::from("http://user:hidden@a.example/x?key=hidden");
        assert_eq!(default.replicas, [replica]);
        assert_eq!(default.anchoring_services.len(), 2);
        assert!(default.brick_storages.is_empty());
        assert!(ledger.optimistic);
        let remarks = translated.remarks.join("\n");
        for part in [
            "zeromqForwardAddress",
            "enable",
            "lost",
            "mqEndpoints",
            "no address",
            "replicas of default name addresses: http://a.example/x;",
            "secrets",
        ] {
            assert!(remarks.contains(part), "{part}: {remarks}");
        }
        assert!(!remarks.contains("hidden"), "{remarks}");
    }
}
