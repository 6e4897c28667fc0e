//! From command line, file, environment and ApiHub folder to what a process runs with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use keyssi::Domain;

use crate::access::Access;
use crate::apihub::{ApiHub, Settings, Unserved};
use crate::budget::BodyBudget;
use crate::config::{Config, ConfigError, NodeConfig};
use crate::config_origin::{Origin, Origins};
use crate::control::Control;
use crate::data_folder;
use crate::domains::{DomainTable, Domains};
use crate::limits::{Limits, Quotas, Source};
use crate::logging;
use crate::metrics::Metrics;
use crate::service_manager;
use crate::socket_address;
use crate::tls::Tls;
use crate::traces::{Sender, Tracing};

/// Options of every serving command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Folder of the stores [default: kiln-data, or kiln-data in the ApiHub's folder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address::parse)]
    pub listen: Option<SocketAddr>,
    /// Configuration file (TOML); none is needed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration that would be used, and stop
    #[arg(long)]
    pub check_config: bool,
    /// Serve the domains of the ApiHub installed in this folder, with Kiln's own storage
    #[arg(long, value_name = "DIR")]
    pub apihub_root: Option<PathBuf>,
    /// Whether the process keeps logs, whose names are to be fixed before others can reach it.
    #[arg(skip)]
    pub logs: Logs,
}

/// Whether a process keeps the logs of its domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logs {
    /// It keeps anchors, and so their logs.
    #[default]
    Kept,
    /// It keeps bricks alone.
    Elsewhere,
}

/// What a process runs with.
pub struct Setup {
    /// The configuration, with everything applied.
    pub config: Config,
    /// Where each of its values was read from.
    pub origins: Origins,
    /// The domains served.
    pub domains: Domains,
    /// What is changed while the node runs: keys, settings, the audit log.
    pub control: Control,
    /// Who may do what.
    pub access: Access,
    /// Who may use how much.
    pub limits: Limits,
    /// The certificate in use; `None` where the node speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The budget that the services share.
    pub budget: BodyBudget,
    /// What the process counts; parts add their own by [`crate::Part::collectors`].
    pub metrics: Metrics,
    /// What sends spans to a collector, where one is configured.
    pub(crate) spans: Option<Sender>,
    /// Files whose existence means read-only mode.
    pub read_only_files: Vec<PathBuf>,
    /// The ApiHub folder, whose domain files are to be watched.
    pub apihub: Option<ApiHub>,
    /// Where the service manager wants to be told that the node listens.
    pub(crate) notify_socket: Option<String>,
    /// Whether the process keeps logs.
    pub logs: Logs,
}

impl Setup {
    /// Reads everything and starts logging. `None` when only the configuration was asked for,
    /// which is then on stdout.
    ///
    /// # Errors
    /// What is wrong with the configuration, and where.
    pub fn new(
        args: &ServeArgs,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Option<Self>> {
        let environment: Vec<_> = environment.into_iter().collect();
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let mut warnings = Vec::new();
        let mut warn = |line: String| warnings.push(line);
        let apihub = args.apihub_root.as_deref().map(ApiHub::open).transpose()?;
        let mut defaults = toml::Table::new();
        let (mut read_only_files, mut table) = (Vec::new(), None);
        if let (Some(apihub), Some(root)) = (&apihub, &args.apihub_root) {
            let settings = apihub.settings(&mut warn)?;
            defaults = apihub_defaults(&settings, root);
            read_only_files = apihub.read_only_files(&settings);
            table = Some(apihub.domains(&mut warn)?);
        }
        let variables = environment.iter().cloned();
        let (mut config, mut origins) =
            Config::load_with_origins(defaults, args.config.as_deref(), variables)?;
        // The reference's switch, so that an operator's scripts keep working.
        if variable("READ_ONLY_MODE") == Some("true") {
            config.node.read_only = true;
            let origin = Origin::Variable("READ_ONLY_MODE".to_owned());
            origins.note("node.read_only", origin);
        }
        if table.is_some() {
            if config.domains != Config::load(toml::Table::new(), None, [])?.domains {
                warn("[[domain]] is not used: with --apihub-root the ApiHub says which domains there are".to_owned());
            }
            config.domains.clear();
            origins.note("domain", Origin::ApiHub);
        }
        if let Some(data) = &args.data {
            config.node.data.clone_from(data);
            origins.note("node.data", Origin::CommandLine("--data"));
        }
        if let Some(listen) = args.listen {
            config.node.listen = listen;
            origins.note("node.listen", Origin::CommandLine("--listen"));
        }
        let anchored = table.iter().flat_map(DomainTable::anchored);
        let judged = config.validate(args.logs).and_then(|()| {
            let mut domains = anchored.map(|domain| config.validate_domain(domain, args.logs));
            domains.try_for_each(|judged| judged)
        });
        judged.map_err(|error| origins.explain(&config, error))?;
        let tls = Tls::open(&config.tls).map_err(|error| {
            let rule = format!("{:#}", anyhow::Error::from(error));
            origins.explain(&config, ConfigError::Invalid(rule))
        })?;
        if args.check_config {
            for line in &warnings {
                eprintln!("warning: {line}");
            }
            print(&config, table.as_ref())?;
            return Ok(None);
        }
        let metrics = Metrics::new().context("the metrics cannot be set up")?;
        let (traces, spans) = Tracing::new(&config.otlp, &metrics)?.unzip();
        let filter = variable("KILN_LOG");
        logging::start(config.node.log_format, filter, traces.as_ref());
        for line in &warnings {
            tracing::warn!("{line}");
        }
        read_only_files.push(config.node.data.join("readonly"));
        let table = table.unwrap_or_else(|| DomainTable::from_config(&config.domains));
        let domains = Domains::new(table);
        let data = &config.node.data;
        data_folder::prepare(data)?;
        data_folder::warn_if_open(data);
        data_folder::require_control(data)?;
        let control =
            Control::open(data).map_err(|error| data_folder::control_unusable(data, error))?;
        restore_domains(&config, args.logs, &control, &domains)?;
        warn_of_grants(&config, &domains);
        let access = Access::new(control.clone(), domains.clone(), &config.access)
            .context("no HTTP client for the issuers of access.oidc")?;
        let limits = Limits::new(control.clone(), domains.clone(), &config.limits);
        judge_set_quotas(&config, args.logs, &domains, &limits)?;
        Ok(Some(Self {
            domains,
            control,
            access,
            limits,
            tls,
            budget: BodyBudget::new(config.limits.body_bytes_in_flight_max),
            metrics,
            spans,
            config,
            origins,
            read_only_files,
            apihub,
            notify_socket: variable(service_manager::SOCKET_VARIABLE).map(str::to_owned),
            logs: args.logs,
        }))
    }

    /// Says what lies in an ApiHub folder without being served, and starts watching its domains.
    /// Must be called within a runtime.
    pub(crate) fn watch_apihub(&self) {
        let Some(apihub) = self.apihub.clone() else {
            return;
        };
        let (config, logs) = (self.config.clone(), self.logs);
        let is_fit = move |table: &DomainTable| {
            for domain in table.anchored() {
                config.validate_domain(domain, logs)?;
            }
            Ok(())
        };
        tokio::spawn(apihub.clone().watch(self.domains.clone(), is_fit));
        // Beside serving: a folder of millions of bricks takes its time.
        tokio::task::spawn_blocking(move || match apihub.unserved() {
            Ok(Unserved { bricks, anchors }) => tracing::warn!(
                bricks,
                anchors,
                "{bricks} bricks and {anchors} anchors lie in the ApiHub's folder and are not \
                 served: this node serves only what is stored through it"
            ),
            Err(error) => {
                tracing::warn!("what lies in the ApiHub's folder cannot be counted: {error:#}");
            }
        });
    }
}

/// Takes up the domains that were added or disabled while the node ran before.
fn restore_domains(
    config: &Config,
    logs: Logs,
    control: &Control,
    domains: &Domains,
) -> anyhow::Result<()> {
    let mut whole = config.clone();
    let table = domains.table();
    whole.domains = table.anchored().map(|it| it.as_ref().clone()).collect();
    for stored in control.domains()? {
        let name = &stored.name;
        domains.set_disabled(name, stored.disabled);
        let Some(settings) = stored.settings else {
            continue;
        };
        if domains.find(name.as_str()).is_some() {
            tracing::warn!(
                "domain {name} is configured now; its settings of `kiln admin domains add` no longer count"
            );
            continue;
        }
        whole.domains.push(settings.clone());
        whole.validate(logs).with_context(|| {
            format!(
                "domain {name} was added with `kiln admin domains add` and does not go together with \
                 the configuration as it is now; change the configuration back, or as the reason says"
            )
        })?;
        domains.add(Arc::new(settings));
    }
    Ok(())
}

/// Says which grants give nothing as long as the node has no domain of their name.
fn warn_of_grants(config: &Config, domains: &Domains) {
    let has_domain = |name: &str| domains.find(name).is_some();
    for line in config.access.strange_grants(has_domain) {
        tracing::warn!("{line}");
    }
}

/// Refuses quotas that were set while the node ran before and could not be set now: without them
/// everybody might fill the disk of a node that listens elsewhere by now.
fn judge_set_quotas(
    config: &Config,
    logs: Logs,
    domains: &Domains,
    limits: &Limits,
) -> anyhow::Result<()> {
    for name in domains.table().names() {
        let Some((_, anchoring)) = domains.find(name.as_str()) else {
            continue;
        };
        if limits.source(name) == Source::Set {
            let judged = config.validate_quotas(&anchoring, &limits.of_domain(name), logs);
            judged.with_context(|| {
                format!(
                    "the quotas of domain {name} were set with `kiln admin quotas set` and do not go \
                     together with the configuration as it is now; change the configuration back, or \
                     as the reason says"
                )
            })?;
            warn_of_configured(name, &limits.configured(name), &limits.of_domain(name));
        }
    }
    Ok(())
}

/// Says that configured quotas of a domain do not count while others are set: whoever has changed
/// them in the file would wait for their effect.
fn warn_of_configured(name: &Domain, configured: &Quotas, set: &Quotas) {
    if !configured.is_unlimited() && configured != set {
        tracing::warn!(
            domain = %name,
            "the configured quotas of domain {name} do not count: others were set with `kiln admin \
             quotas set`; `kiln admin quotas show {name}` shows both, `kiln admin quotas clear {name}` \
             puts the configured ones back"
        );
    }
}

/// What an ApiHub's own configuration says, unless ours says otherwise.
fn apihub_defaults(settings: &Settings, root: &Path) -> toml::Table {
    let own = NodeConfig::default();
    let mut listen = own.listen;
    listen.set_port(settings.port.unwrap_or(listen.port()));
    let mut node = toml::Table::new();
    node.insert("listen".to_owned(), listen.to_string().into());
    let data = root.join(own.data).display().to_string();
    node.insert("data".to_owned(), data.into());
    let mut defaults = toml::Table::new();
    defaults.insert("node".to_owned(), node.into());
    if settings.prevent_rate_limit {
        let off = toml::Table::from_iter([("enabled".to_owned(), false.into())]);
        defaults.insert("rate_limit".to_owned(), off.into());
    }
    defaults
}

fn print(config: &Config, apihub: Option<&DomainTable>) -> anyhow::Result<()> {
    use std::io::Write;
    let (config, is_redacted) = config.redacted();
    let text = config
        .to_toml()
        .context("the configuration cannot be printed")?;
    let mut out = std::io::stdout().lock();
    if let Some(table) = apihub {
        let names: Vec<_> = table.names().map(Domain::as_str).collect();
        writeln!(
            out,
            "# Domains, from the ApiHub's folder: {}",
            names.join(", ")
        )?;
    }
    if is_redacted {
        writeln!(
            out,
            "# What may be a secret in an address is not shown: REDACTED stands for it. All else is \
             as it is used."
        )?;
    }
    out.write_all(text.as_bytes())?;
    Ok(())
}
