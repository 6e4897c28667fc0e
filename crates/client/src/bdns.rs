//! Which services serve which domain.
//!
//! **Source:** `http-api.md` §4. `$ORIGIN` stands for the address of the node that was asked, which
//! also serves every section that is missing.

use std::collections::BTreeMap;

use keyssi::Domain;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use crate::client::API_KEY;
use crate::endpoint::Endpoint;
use crate::error::ClientError;

/// The headers that say who calls.
const CREDENTIALS: [&str; 2] = [API_KEY, "authorization"];
/// What stands for the address of the node that gave the BDNS.
const ORIGIN: &str = "$ORIGIN";
/// Services of one kind that a domain may have. Every brick goes to each of its storages at once: a
/// node must not choose how many connections that takes.
const SERVICES_MAX: usize = 16;

/// What a node's BDNS says, by domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bdns(BTreeMap<Domain, Services>);

/// The services of one domain; each list has at least one entry, in the order of BDNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Where its bricks are stored.
    pub brick_storages: Vec<Endpoint>,
    /// Where its anchors are kept.
    pub anchoring_services: Vec<Endpoint>,
}

/// The text is no BDNS. Nothing of it is repeated: it may hold credentials.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BdnsError {
    /// Not JSON, or not an object of objects with the known lists.
    #[error("it is not an object of domains with lists of services (line {line}, column {column})")]
    WrongShape {
        /// Where reading ended, from 1.
        line: usize,
        /// Where reading ended, from 1.
        column: usize,
    },
    /// More services than a client can be asked to use.
    #[error("domain {domain} has {found} {section}; at most {SERVICES_MAX} are used")]
    TooMany {
        /// The domain.
        domain: Domain,
        /// `brickStorages` or `anchoringServices`.
        section: &'static str,
        /// How many there are.
        found: usize,
    },
    /// An entry that is no address.
    #[error("entry {index} of {section} of domain {domain} is no address of a service")]
    BadEntry {
        /// The domain.
        domain: Domain,
        /// `brickStorages` or `anchoringServices`.
        section: &'static str,
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it, if it is a URL.
        #[source]
        source: Option<Box<ClientError>>,
    },
}

#[derive(Deserialize)]
struct DomainText {
    #[serde(rename = "brickStorages")]
    brick_storages: Option<Vec<EntryText>>,
    #[serde(rename = "anchoringServices")]
    anchoring_services: Option<Vec<EntryText>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EntryText {
    Url(String),
    Object {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

impl Bdns {
    /// Reads the answer of the node `own`. Domains whose names no server accepts are left out, as
    /// nothing can be asked of them.
    ///
    /// # Errors
    /// [`BdnsError`] when a list is malformed or an entry is no address.
    pub fn parse(json: &[u8], own: &Endpoint) -> Result<Self, BdnsError> {
        let texts: BTreeMap<String, DomainText> =
            serde_json::from_slice(json).map_err(|error| BdnsError::WrongShape {
                line: error.line(),
                column: error.column(),
            })?;
        let mut domains = BTreeMap::new();
        for (name, text) in texts {
            let Ok(domain) = name.parse::<Domain>() else {
                continue;
            };
            let services = Services {
                brick_storages: section(&domain, "brickStorages", text.brick_storages, own)?,
                anchoring_services: section(
                    &domain,
                    "anchoringServices",
                    text.anchoring_services,
                    own,
                )?,
            };
            domains.insert(domain, services);
        }
        Ok(Self(domains))
    }

    /// The services of a domain, if BDNS names it.
    #[must_use]
    pub fn domain(&self, domain: &Domain) -> Option<&Services> {
        self.0.get(domain)
    }

    /// The domains, in the order of their names.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.0.keys()
    }
}

/// A list of services, each address once; the node itself when there is none.
fn section(
    domain: &Domain,
    name: &'static str,
    entries: Option<Vec<EntryText>>,
    own: &Endpoint,
) -> Result<Vec<Endpoint>, BdnsError> {
    let entries = entries.unwrap_or_default();
    if entries.len() > SERVICES_MAX {
        return Err(BdnsError::TooMany {
            domain: domain.clone(),
            section: name,
            found: entries.len(),
        });
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let bad = |source| BdnsError::BadEntry {
            domain: domain.clone(),
            section: name,
            index,
            source,
        };
        let endpoint = entry_endpoint(entry, own).map_err(bad)?;
        // A service that is named twice is still one: it would count twice for a majority.
        if !endpoints.iter().any(|known| known.url() == endpoint.url()) {
            endpoints.push(endpoint);
        }
    }
    if endpoints.is_empty() {
        endpoints.push(own.clone());
    }
    Ok(endpoints)
}

fn entry_endpoint(entry: EntryText, own: &Endpoint) -> Result<Endpoint, Option<Box<ClientError>>> {
    let (text, headers) = match entry {
        EntryText::Url(url) => (url, BTreeMap::new()),
        EntryText::Object { url, headers } => (url, headers),
    };
    let origin = own.url().as_str().trim_end_matches('/');
    let url: Url = text
        .replace(ORIGIN, origin)
        .parse()
        .map_err(|_| None::<Box<ClientError>>)?;
    let mut endpoint = Endpoint::new(&url).map_err(|error| Some(Box::new(error)))?;
    if endpoint.url() == own.url() && url.username().is_empty() {
        // The node itself: what it is sent elsewhere it is sent here too.
        endpoint = own.clone();
    }
    // Whoever has a credential of his own is not to lose it to one that is for everybody, and a node
    // refuses two that differ.
    let is_known = CREDENTIALS
        .iter()
        .any(|it| endpoint.headers().contains_key(*it));
    for (name, value) in headers {
        if is_known && CREDENTIALS.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            continue;
        }
        endpoint = endpoint
            .with_header(&name, &value)
            .map_err(|error| Some(Box::new(error)))?;
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Endpoint {
        Endpoint::new(&"http://me:pw@node.example:8080/kiln".parse().unwrap()).unwrap()
    }

    fn parse(json: &str) -> Result<Bdns, BdnsError> {
        Bdns::parse(json.as_bytes(), &own())
    }

    fn urls(endpoints: &[Endpoint]) -> Vec<&str> {
        endpoints.iter().map(|it| it.url().as_str()).collect()
    }

    #[test]
    fn entries_are_texts_or_objects_and_missing_sections_are_the_node() {
        let bdns = parse(
            r#"{"default":{"replicas":[],"brickStorages":["$ORIGIN",
                {"url":"https://store.example","headers":{"x-api-key":"k"}},"$ORIGIN"]},
                "..bad":{},"other":{"anchoringServices":[]}}"#,
        )
        .unwrap();
        let services = bdns.domain(&"default".parse().unwrap()).unwrap();
        let storages = urls(&services.brick_storages);
        assert_eq!(
            storages,
            ["http://node.example:8080/kiln/", "https://store.example/"]
        );
        assert!(
            services.brick_storages[0]
                .headers()
                .contains_key("authorization")
        );
        assert!(
            services.brick_storages[1]
                .headers()
                .contains_key("x-api-key")
        );
        assert_eq!(services.anchoring_services, [own()]);
        let names: Vec<&str> = bdns.domains().map(Domain::as_str).collect();
        assert_eq!(names, ["default", "other"]);
        assert!(bdns.domain(&"absent".parse().unwrap()).is_none());
    }

    #[test]
    fn a_published_credential_is_for_those_who_have_none() {
        let json = r#"{"default":{"brickStorages":[
            {"url":"$ORIGIN","headers":{"X-Api-Key":"published","x-other":"o"}}]}}"#;
        let sent = |own: &Endpoint, name: &str| {
            let bdns = Bdns::parse(json.as_bytes(), own).unwrap();
            let services = bdns.domain(&"default".parse().unwrap()).unwrap();
            let value = services.brick_storages[0].headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let bare = Endpoint::new(&"http://node.example/".parse().unwrap()).unwrap();
        let known = bare.clone().with_header(API_KEY, "mine").unwrap();
        assert_eq!(sent(&bare, API_KEY).as_deref(), Some("published"));
        assert_eq!(sent(&known, API_KEY).as_deref(), Some("mine"));
        assert_eq!(sent(&own(), API_KEY), None);
        for endpoint in [&bare, &known, &own()] {
            assert_eq!(sent(endpoint, "x-other").as_deref(), Some("o"));
        }
    }

    #[test]
    fn what_is_no_bdns_is_refused_without_repeating_it() {
        for json in [
            "",
            "[]",
            "hidden",
            r#"{"default":7}"#,
            r#"{"default":{"brickStorages":"$ORIGIN"}}"#,
            r#"{"default":{"brickStorages":["hidden"]}}"#,
            r#"{"default":{"brickStorages":["ftp://hidden@h/"]}}"#,
            r#"{"default":{"brickStorages":[{"url":"http://h","headers":{"a":"hid\nden"}}]}}"#,
        ] {
            let error = parse(json).unwrap_err();
            let text = causes::with_causes(&error);
            assert!(!text.contains("hid"), "{json}: {text}");
        }
    }
}
