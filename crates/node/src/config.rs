//! The configuration: one TOML file, one typed structure, no unknown keys; environment variables
//! `KILN__SECTION__KEY` override it. No file at all is a valid configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use keyssi::Domain;
use serde::{Deserialize, Serialize};

use crate::access::AnonymousPolicy;
use crate::access_config::AccessConfig;
use crate::admin_config::AdminConfig;
use crate::config_origin::{Origin, Origins, Setting, public, row};
use crate::cors::is_origin;
use crate::domain_config::DomainConfig;
use crate::domains::Anchoring;
use crate::guard::is_host;
use crate::limits::{Of, Quotas};
use crate::limits_config::LimitsConfig;
use crate::observability_config::{MetricsConfig, OtlpConfig, RequestLogConfig};
use crate::scrub_config::ScrubConfig;
use crate::setup::Logs;
use crate::socket_address;
use crate::tls_config::{ClientCertificates, TlsConfig};

/// How the names of our variables begin.
pub(crate) const ENV_PREFIX: &str = "KILN__";

/// Everything that can be configured. Each key's default is in [`Config::default`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The process itself.
    pub node: NodeConfig,
    /// Bounds on what clients may use.
    pub limits: LimitsConfig,
    /// Who may do what.
    pub access: AccessConfig,
    /// Who may read answers in a browser.
    pub cors: CorsConfig,
    /// Requests per client address.
    pub rate_limit: RateLimitConfig,
    /// The operator's listener.
    pub admin: AdminConfig,
    /// Checking what is stored, in the background.
    pub scrub: ScrubConfig,
    /// Certificates of the listener, and of clients.
    pub tls: TlsConfig,
    /// Where metrics are served.
    pub metrics: MetricsConfig,
    /// What is logged of requests.
    pub log: RequestLogConfig,
    /// Where traces are sent.
    pub otlp: OtlpConfig,
    /// The domains served; none means one called `default`.
    #[serde(rename = "domain")]
    pub domains: Vec<DomainConfig>,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Folder of the stores. Trusted: who can write here can delete records.
    pub data: PathBuf,
    /// Address and port; port 0 takes a free one.
    #[serde(deserialize_with = "socket_address::deserialize")]
    pub listen: SocketAddr,
    /// Further names and addresses under which clients reach the node (`Host` header), without ports.
    pub hosts: Vec<String>,
    /// Allows an address beyond loopback although the node speaks plain HTTP.
    pub plaintext_beyond_loopback: bool,
    /// Allows an address beyond loopback although somebody without a credential may do everything
    /// in a domain (`anonymous = "all"`).
    pub anonymous_all_beyond_loopback: bool,
    /// Networks of the proxies that say for whom they ask (`Forwarded`, `X-Forwarded-For`). Trusted:
    /// who is there can speak in anyone's name.
    pub trusted_proxies: Vec<IpNet>,
    /// Refuses every request that writes. A file named `readonly` in the data folder does the same.
    pub read_only: bool,
    /// How the names of the domains' logs begin where a domain has no `log.origin` of its own.
    pub log_origin_prefix: String,
    /// `human` or `json`.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line per event.
    #[default]
    Human,
    /// One JSON object per event.
    Json,
}

/// `[cors]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins allowed, with credentials; empty allows any, without.
    pub origins: Vec<String>,
}

/// `[rate_limit]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// Off removes the limit and its headers.
    pub enabled: bool,
    /// Requests that an address may make at once.
    pub burst: u32,
    /// Requests per second in the long run.
    pub refill_per_second: u32,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("kiln-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            hosts: Vec::new(),
            plaintext_beyond_loopback: false,
            anonymous_all_beyond_loopback: false,
            trusted_proxies: Vec::new(),
            read_only: false,
            log_origin_prefix: String::new(),
            log_format: LogFormat::Human,
        }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            burst: 60_000,
            refill_per_second: 1_000,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or a wrong type.
    #[error("{origin} is not a valid configuration")]
    Parse {
        /// The file, or the environment.
        origin: String,
        /// Where and what.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range, or two do not go together. The text names the keys.
    #[error("{0}")]
    Invalid(String),
    /// The same, with the values and where they were read from.
    #[error("{rule} ({})", row(settings))]
    Refused {
        /// What is not right, and what is.
        rule: String,
        /// The values that it is about.
        settings: Vec<Setting>,
    },
}

impl Config {
    /// Reads `file` if there is one, over `defaults` that take the place of our own, then applies
    /// `KILN__SECTION__KEY` variables.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(
        defaults: toml::Table,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::load_with_origins(defaults, file, environment).map(|(config, _)| config)
    }

    /// The same, and where each value was read from.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_with_origins(
        defaults: toml::Table,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Origins), ConfigError> {
        let mut origins = Origins::default();
        origins.note_all(&defaults, &Origin::ApiHub);
        let from_file = match file {
            None => toml::Table::new(),
            Some(path) => {
                let read = |source| ConfigError::Read {
                    path: path.to_owned(),
                    source,
                };
                let text = std::fs::read_to_string(path).map_err(read)?;
                let origin = path.display().to_string();
                // Parsed twice: the first time for an error message that points into the file.
                parse::<Self>(&origin, &text)?;
                parse(&origin, &text)?
            }
        };
        if let Some(path) = file {
            origins.note_all(&from_file, &Origin::File(path.to_owned()));
        }
        let mut table = defaults;
        for (section, value) in from_file {
            match (table.get_mut(&section), value) {
                (Some(toml::Value::Table(under)), toml::Value::Table(over)) => under.extend(over),
                (_, value) => drop(table.insert(section, value)),
            }
        }
        for (name, value) in environment {
            let Some(key) = apply_variable(&mut table, &name, &value)? else {
                continue;
            };
            // One by one, so that the variable can be named.
            parse_table(&table, || {
                format!("the variable {name} = {}", public(&value))
            })?;
            origins.note(&key, Origin::Variable(name));
        }
        let mut config = parse_table(&table, || "the configuration".to_owned())?;
        if config.domains.is_empty() {
            config.domains = vec![DomainConfig::named(default_domain()?)];
        }
        Ok((config, origins))
    }

    /// Refuses values that would break a promise.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the key and the range.
    pub fn validate(&self, logs: Logs) -> Result<(), ConfigError> {
        let require = |holds: bool, text: String| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Invalid(text))
            }
        };
        self.limits.validate()?;
        for (key, value) in [
            ("burst", self.rate_limit.burst),
            ("refill_per_second", self.rate_limit.refill_per_second),
        ] {
            require(value > 0, format!("rate_limit.{key} must be at least 1"))?;
        }
        self.validate_names_of_others()?;
        self.tls.validate()?;
        self.access.validate()?;
        require(
            self.access.certificates.is_empty() || self.tls.client != ClientCertificates::None,
            "access.certificate needs tls.client_ca, and tls.client = \"optional\" or \"required\""
                .to_owned(),
        )?;
        require(
            self.scrub.bytes_per_second > 0,
            "scrub.bytes_per_second must be at least 1; scrub.enabled = false switches it off"
                .to_owned(),
        )?;
        require(
            self.node.listen.ip().is_loopback()
                || self.tls.is_on()
                || self.node.plaintext_beyond_loopback,
            format!(
                "node.listen {} is reachable from other machines, and this node speaks plain HTTP; \
                 set tls.certificate and tls.key, or listen on 127.0.0.1, or set \
                 node.plaintext_beyond_loopback = true if the network in front of it is trusted",
                self.node.listen
            ),
        )?;
        self.admin.validate()?;
        self.metrics.validate(self.admin.listen.is_some())?;
        self.otlp.validate()?;
        // An ApiHub's folder may hold domains that say nothing of their own.
        if self.domains.is_empty() {
            let policy = self.access.anonymous;
            self.validate_anonymous("access.anonymous", policy, &Quotas::default())?;
        }
        for domain in &self.domains {
            self.validate_domain(domain, logs)?;
        }
        self.validate_names()
    }

    /// Refuses names of hosts and origins that no request ever has.
    fn validate_names_of_others(&self) -> Result<(), ConfigError> {
        for (key, hosts) in [
            ("node.hosts", &self.node.hosts),
            ("admin.hosts", &self.admin.hosts),
        ] {
            if let Some(wrong) = hosts.iter().find(|host| !is_host(host)) {
                return Err(ConfigError::Invalid(format!(
                    "{key}: {:?} is not the name of a host; give names or addresses without \
                     scheme, port and path, such as \"node.example\"",
                    public(wrong)
                )));
            }
        }
        match self.cors.origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(wrong) => Err(ConfigError::Invalid(format!(
                "cors.origins: {:?} is no origin that a browser sends; give scheme and host in small \
                 letters, with the port where it is not the usual one and without a path, such as \
                 \"https://wallet.example\"; leave the list empty to allow any origin, without \
                 credentials",
                public(wrong)
            ))),
        }
    }

    /// Refuses two domains, or two logs, of one name.
    fn validate_names(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, text: String| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Invalid(text))
            }
        };
        let names = self.domains.iter().map(|domain| &domain.name);
        let shared = first_twice(names);
        require(
            shared.is_none(),
            format!(
                "domain {} stands twice",
                shared.map_or("", |name| name.as_str())
            ),
        )?;
        let logged = self.domains.iter().filter(|domain| domain.has_log());
        let origins = logged.map(|domain| domain.origin(&self.node.log_origin_prefix));
        let shared = first_twice(origins);
        require(
            shared.is_none(),
            format!(
                "log.origin {} stands twice; each domain has a log of its own",
                shared.unwrap_or_default()
            ),
        )
    }

    /// Refuses a domain whose settings do not go together, or that cannot be served where the node
    /// listens.
    pub(crate) fn validate_domain(
        &self,
        domain: &DomainConfig,
        logs: Logs,
    ) -> Result<(), ConfigError> {
        let needs_name = logs == Logs::Kept && !self.node.listen.ip().is_loopback();
        domain.validate(&self.node.log_origin_prefix, needs_name)?;
        let served = domain.eth_adapter.as_ref();
        let open = served.is_some_and(|served| !served.listen.ip().is_loopback());
        if open && !self.tls.is_on() && !self.node.plaintext_beyond_loopback {
            return Err(ConfigError::Invalid(format!(
                "domain {}: eth_adapter.listen is reachable from other machines, and the token of \
                 its callers would cross the network in clear; set tls.certificate and tls.key, or \
                 listen on 127.0.0.1, or set node.plaintext_beyond_loopback = true",
                domain.name
            )));
        }
        let place = format!("anonymous of domain {}", domain.name);
        let policy = domain.anonymous.unwrap_or(self.access.anonymous);
        self.validate_anonymous(&place, policy, &domain.quota)
    }

    /// Refuses quotas of a domain that cannot be kept, or that it cannot be served with where the node
    /// listens.
    pub(crate) fn validate_quotas(
        &self,
        anchoring: &Anchoring,
        quotas: &Quotas,
        logs: Logs,
    ) -> Result<(), ConfigError> {
        match anchoring {
            Anchoring::Here(config) => {
                let mut domain = DomainConfig::clone(config);
                domain.quota = *quotas;
                self.validate_domain(&domain, logs)
            }
            Anchoring::Elsewhere => quotas.validate(Of::Domain).map_err(ConfigError::Invalid),
        }
    }

    /// Refuses that everybody who reaches the node may do everything without bounds, unless it was
    /// said by name. A proxy that the node trusts is there to let others reach it.
    fn validate_anonymous(
        &self,
        place: &str,
        policy: AnonymousPolicy,
        quota: &Quotas,
    ) -> Result<(), ConfigError> {
        let listen = self.node.listen;
        let reach = if !listen.ip().is_loopback() {
            format!("node.listen {listen} is reachable from other machines")
        } else if !self.node.trusted_proxies.is_empty() {
            "node.trusted_proxies lets other machines reach this node".to_owned()
        } else {
            return Ok(());
        };
        let anonymous = &self.limits.anonymous;
        let is_bounded = anonymous.bytes_up_per_day.is_some()
            && (anonymous.storage_bytes.is_some() || quota.storage_bytes.is_some());
        let is_open = policy == AnonymousPolicy::All && !is_bounded;
        if is_open && !self.node.anonymous_all_beyond_loopback {
            return Err(ConfigError::Invalid(format!(
                "{reach}, and {place} is \"all\": anyone \
                 may overwrite documents and fill the disk; set it to \"anchor\" (all that wallets \
                 need), \"read\" or \"none\"; or bound it by limits.anonymous.bytes_up_per_day and \
                 .storage_bytes (or the domain's quota.storage_bytes); or set \
                 node.anonymous_all_beyond_loopback = true"
            )));
        }
        Ok(())
    }

    /// The configuration as a file that has the same effect.
    ///
    /// # Errors
    /// When a path is not text.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

/// The first of these, in their order, that stands there more than once.
fn first_twice<T: Ord>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    let mut neighbours = items.iter().zip(items.iter().skip(1));
    let at = neighbours.position(|(one, next)| one == next)?;
    items.into_iter().nth(at)
}

fn default_domain() -> Result<Domain, ConfigError> {
    "default"
        .parse()
        .map_err(|_| ConfigError::Invalid("the default domain".to_owned()))
}

fn parse<T: serde::de::DeserializeOwned>(origin: &str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|source| ConfigError::Parse {
        origin: origin.to_owned(),
        source: Box::new(source),
    })
}

fn parse_table(
    table: &toml::Table,
    origin: impl FnOnce() -> String,
) -> Result<Config, ConfigError> {
    let parsed = table.clone().try_into();
    parsed.map_err(|source| ConfigError::Parse {
        origin: origin(),
        source: Box::new(source),
    })
}

/// Puts the value of a variable in its place; gives section and key, `None` if it is not for us.
fn apply_variable(
    table: &mut toml::Table,
    name: &str,
    value: &str,
) -> Result<Option<String>, ConfigError> {
    let Some(rest) = name.strip_prefix(ENV_PREFIX) else {
        return Ok(None);
    };
    let Some((section, key)) = rest.split_once("__") else {
        return Err(ConfigError::Invalid(format!(
            "the variable {name} should read KILN__SECTION__KEY"
        )));
    };
    let (section_name, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let section = table
        .entry(section_name.clone())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let Some(section) = section.as_table_mut() else {
        return Err(ConfigError::Invalid(format!(
            "the variable {name} names no section"
        )));
    };
    // Numbers, booleans and lists as TOML writes them; everything else is text.
    let parsed = format!("value = {value}").parse::<toml::Table>().ok();
    let value = parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let whole = format!("{section_name}.{key}");
    section.insert(key, value);
    Ok(Some(whole))
}

#[cfg(test)]
mod tests;
