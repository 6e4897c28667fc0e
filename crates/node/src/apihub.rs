//! Reads an ApiHub's configuration as it lies on disk, so that its operator can start Kiln on the
//! same folder. Only read: nothing in the folder is changed, and its bricks and anchors are not
//! served (they are counted, so that nobody believes they are).
//!
//! **Source:** `reference-defects.md` §3, `http-api.md` §3 (what makes a domain known).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use keyssi::Domain;
use serde_json::Value;

use crate::domain_config::{AdapterConfig, AdapterKind, AnchoringKind, DomainConfig};
use crate::domains::{Anchoring, DomainTable, Domains};

/// How often the files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Keys of `apihub.json` that Kiln honours.
const HONOURED: [&str; 3] = ["port", "preventRateLimit", "readOnlyFile"];
/// Keys of a domain file that Kiln honours.
const DOMAIN_HONOURED: [&str; 1] = ["anchoring"];

/// An ApiHub folder.
#[derive(Clone, Debug)]
pub struct ApiHub {
    volume: PathBuf,
}

/// What its `apihub.json` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Port to listen on.
    pub port: Option<u16>,
    /// No rate limit and none of its headers.
    pub prevent_rate_limit: bool,
    /// Name of the file in the root that switches read-only mode on.
    pub read_only_file: Option<String>,
}

/// What lies in the folder that Kiln does not serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unserved {
    /// Brick files.
    pub bricks: u64,
    /// Anchor files.
    pub anchors: u64,
}

impl ApiHub {
    /// The ApiHub installed in `root` (the folder that holds `external-volume`).
    ///
    /// # Errors
    /// When there is no `external-volume/config` in it.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let volume = root.join("external-volume");
        let config = volume.join("config");
        anyhow::ensure!(
            config.is_dir(),
            "{} is not a folder; --apihub-root names the folder that holds external-volume",
            config.display()
        );
        Ok(Self { volume })
    }

    /// The `ApiHub` whose `external-volume` is `volume`; `None` when it holds no `config`.
    #[must_use]
    pub fn in_volume(volume: &Path) -> Option<Self> {
        let volume = volume.to_owned();
        let apihub = Self { volume };
        apihub.config().is_dir().then_some(apihub)
    }

    fn config(&self) -> PathBuf {
        self.volume.join("config")
    }

    /// Reads `apihub.json`; `warn` gets a line for each key that is not honoured. No file is fine.
    ///
    /// # Errors
    /// When the file is there but is not a JSON object, or a value has the wrong type.
    pub fn settings(&self, warn: &mut dyn FnMut(String)) -> anyhow::Result<Settings> {
        let path = self.config().join("apihub.json");
        let Some(object) = read_object(&path)? else {
            return Ok(Settings::default());
        };
        for key in object
            .keys()
            .filter(|key| !HONOURED.contains(&key.as_str()))
        {
            warn(format!("{}: {key} is not honoured", path.display()));
        }
        for (key, is_right) in [
            ("preventRateLimit", Value::is_boolean as fn(&Value) -> bool),
            ("readOnlyFile", Value::is_string),
        ] {
            if let Some(value) = object.get(key).filter(|value| !is_right(value)) {
                warn(format!("{}: {key} {value} is not honoured", path.display()));
            }
        }
        let port = match object.get("port") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                let port = number.and_then(|number| u16::try_from(number).ok());
                Some(port.with_context(|| format!("{}: port {value} is none", path.display()))?)
            }
        };
        Ok(Settings {
            port,
            prevent_rate_limit: object.get("preventRateLimit") == Some(&Value::Bool(true)),
            read_only_file: object
                .get("readOnlyFile")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// Reads `bdns.hosts` and `domains/*.json`; `warn` gets a line for each thing not honoured.
    ///
    /// # Errors
    /// When a file is not JSON; the message names it.
    pub fn domains(&self, warn: &mut dyn FnMut(String)) -> anyhow::Result<DomainTable> {
        let mut domains = BTreeMap::new();
        let hosts_path = self.config().join("bdns.hosts");
        // One read for both uses: what is served of the file is what was parsed.
        let bdns = read_text(&hosts_path)?.unwrap_or_else(|| "{}".to_owned());
        for name in parse_object(&hosts_path, &bdns)?.keys() {
            let embedded = serde_json::Map::new();
            add(&mut domains, name, &embedded, &hosts_path, warn);
        }
        for path in json_files(&self.config().join("domains"))? {
            let object = read_object(&path)?.unwrap_or_default();
            for key in object
                .keys()
                .filter(|key| !DOMAIN_HONOURED.contains(&key.as_str()))
            {
                warn(format!("{}: {key} is not honoured", path.display()));
            }
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            add(
                &mut domains,
                &name.unwrap_or_default(),
                &object,
                &path,
                warn,
            );
        }
        Ok(DomainTable::new(domains, Bytes::from(bdns)))
    }

    /// Looks every second whether the domain files have changed, and replaces the table when they
    /// have. A file that cannot be read leaves the table as it was, with a warning.
    /// `is_fit` refuses domains that this node may not serve as they are.
    pub async fn watch(
        self,
        domains: Domains,
        is_fit: impl Fn(&DomainTable) -> anyhow::Result<()>,
    ) {
        let mut last_error = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let apihub = self.clone();
            let reading = tokio::task::spawn_blocking(move || {
                let mut warnings = Vec::new();
                apihub
                    .domains(&mut |line| warnings.push(line))
                    .map(|table| (table, warnings))
            });
            let fit = reading.await.map(|read| {
                read.and_then(|(table, warnings)| is_fit(&table).map(|()| (table, warnings)))
            });
            match fit {
                Ok(Ok((table, warnings))) => {
                    last_error.clear();
                    if *domains.table() == table {
                        continue;
                    }
                    for line in warnings {
                        tracing::warn!("{line}");
                    }
                    let names: Vec<_> = table.names().map(Domain::as_str).collect();
                    tracing::info!(
                        domains = names.join(", "),
                        "the ApiHub's domain files changed"
                    );
                    domains.replace(table);
                }
                Ok(Err(error)) => {
                    let text = format!("{error:#}");
                    if text != last_error {
                        tracing::warn!("{text}; the domains stay as they were");
                        last_error = text;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Files whose existence means read-only mode.
    #[must_use]
    pub fn read_only_files(&self, settings: &Settings) -> Vec<PathBuf> {
        let name = settings.read_only_file.as_deref().unwrap_or("readonly");
        // A name, not a path: the file lies in the installation's root or its volume.
        let Some(name) = Path::new(name).file_name() else {
            return Vec::new();
        };
        let root = self.volume.parent().unwrap_or(&self.volume);
        vec![root.join(name), self.volume.join(name)]
    }

    /// Counts the bricks and anchors that lie in the folder.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn unserved(&self) -> anyhow::Result<Unserved> {
        let mut unserved = Unserved::default();
        for domain in entries(&self.volume.join("domains"))? {
            for shard in entries(&domain.join("brick-storage"))? {
                unserved.bricks += count_files(&shard)?;
            }
            unserved.anchors += count_files(&domain.join("anchors"))?;
        }
        Ok(unserved)
    }
}

fn add(
    domains: &mut BTreeMap<Domain, Anchoring>,
    name: &str,
    settings: &serde_json::Map<String, Value>,
    source: &Path,
    warn: &mut dyn FnMut(String),
) {
    match name.parse() {
        Ok(domain) => {
            let anchoring = anchoring(&domain, settings, source, warn);
            domains.insert(domain, anchoring);
        }
        Err(error) => {
            warn(format!(
                "{}: domain {name:?} is not served: {error}",
                source.display()
            ));
        }
    }
}

/// Which ledger the domain's strategy means: FS is ours, ETH an adapter, OBA an adapter behind the
/// embedded ledger and its outbox.
fn anchoring(
    domain: &Domain,
    object: &serde_json::Map<String, Value>,
    path: &Path,
    warn: &mut dyn FnMut(String),
) -> Anchoring {
    let mut config = DomainConfig::named(domain.clone());
    let Some(settings) = object.get("anchoring") else {
        return Anchoring::Here(Arc::new(config));
    };
    let kind = settings.get("type").cloned().unwrap_or_else(|| "FS".into());
    let endpoint = settings
        .pointer("/option/endpoint")
        .or_else(|| settings.get("endpoint"))
        .and_then(Value::as_str);
    match (kind.as_str(), endpoint) {
        (Some("FS"), _) => {}
        (Some(strategy @ ("ETH" | "OBA")), Some(url)) => {
            config.anchoring = AnchoringKind::Adapter;
            config.optimistic = strategy == "OBA";
            config.adapter = Some(AdapterConfig {
                url: url.to_owned(),
                kind: AdapterKind::Eth,
                token_file: PathBuf::new(),
            });
        }
        _ => {
            let shown = kind
                .as_str()
                .map_or_else(|| kind.to_string(), str::to_owned);
            let missing = match kind.as_str() {
                Some("ETH" | "OBA") => " (it has no anchoring.option.endpoint)",
                _ => "",
            };
            warn(format!(
                "{}: anchoring type {shown} is not served{missing}; the domain's bricks are, its anchors are not",
                path.display()
            ));
            return Anchoring::Elsewhere;
        }
    }
    for key in settings
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
    {
        let is_honoured = key == "type"
            || (matches!(key.as_str(), "option" | "endpoint")
                && config.anchoring == AnchoringKind::Adapter);
        if !is_honoured {
            warn(format!(
                "{}: anchoring.{key} is not honoured",
                path.display()
            ));
        }
    }
    Anchoring::Here(Arc::new(config))
}

fn read_object(path: &Path) -> anyhow::Result<Option<serde_json::Map<String, Value>>> {
    let text = read_text(path)?;
    text.map(|text| parse_object(path, &text)).transpose()
}

fn read_text(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse_object(path: &Path, text: &str) -> anyhow::Result<serde_json::Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => anyhow::bail!("{} is not a JSON object", path.display()),
        Err(error) => Err(error).with_context(|| format!("{} is not JSON", path.display())),
    }
}

fn json_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = entries(folder)?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    Ok(files)
}

/// The entries of a folder in order of name; none when the folder is absent or is a file.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        paths.push(entry.with_context(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn count_files(folder: &Path) -> anyhow::Result<u64> {
    let files = entries(folder)?
        .into_iter()
        .filter(|path| path.is_file())
        .count();
    Ok(files as u64)
}
