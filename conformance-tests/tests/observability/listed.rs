//! `docs/metrics.md` lists what a node shows, all of it and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::collector::{Collector, Manner};
use translog::{KeyName, WitnessKey};

use crate::traffic;
use crate::world::{World, otlp};

/// Name to type.
type Listed = BTreeMap<String, String>;

/// A node that has everything which shows something: a log with a witness, an outbox, a publisher,
/// a collector. What they need elsewhere is not there, and that is to be seen.
fn start_with_all() -> Result<(World, Collector)> {
    let collector = Collector::start(Manner::Takes)?;
    let folder = tempfile::tempdir()?;
    let witness = WitnessKey::from_seed(&KeyName::parse("w.example/1")?, &[3; 32]);
    let policy = format!("witness w1 {}\nquorum w1\n", witness.verifier());
    let policy = World::file(&folder, "policy", &policy)?;
    let account = World::file(&folder, "account", &format!("0x{}\n", "5e".repeat(32)))?;
    let config = format!(
        "{}[[domain]]\nname = \"default\"\n[domain.log]\norigin = \"l.example/1\"\npolicy = \"{}\"\n\
         [[domain]]\nname = \"carried\"\nanchoring = \"adapter\"\noptimistic = true\n\
         [domain.adapter]\nurl = \"http://127.0.0.1:9\"\n\
         [[domain]]\nname = \"published\"\nanchoring = \"evm-roots\"\n\
         [domain.evm]\nrpc = \"http://127.0.0.1:9\"\nchain_id = 31337\nconfirmations = 2\n\
         contract = \"0x5fbdb2315678afecb367f032d93f642f64180aa3\"\naccount_key = \"{}\"\n",
        otlp(&collector),
        policy.display(),
        account.display()
    );
    Ok((World::start(&config)?, collector))
}

/// What a node with a certificate shows: one of its own, since the traffic of the other is in clear.
fn shown_with_certificate() -> Result<Listed> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = World::file(&folder, "node.pem", &made.cert.pem())?;
    let key = World::file(&folder, "key.pem", &made.signing_key.serialize_pem())?;
    let section = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    let world = World::start(&section)?;
    Ok(shown(&world.metrics_text()?))
}

/// What is shown once the log is signed, which takes a moment.
fn until_signed(world: &World) -> Result<Listed> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = shown(&world.metrics_text()?);
        if shown.contains_key("kiln_log_checkpoint_timestamp_seconds") || Instant::now() > deadline
        {
            return Ok(shown);
        }
    }
}

fn shown(text: &str) -> Listed {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = types.filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// The rows `| `name` | type | …` of the tables.
fn documented() -> Result<Listed> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = std::fs::read_to_string(&file).context("docs/metrics.md")?;
    let mut listed = Listed::new();
    let is_metric = |row: &&str| row.starts_with("kiln_") || row.starts_with("process_");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    for row in rows.filter(is_metric) {
        let (name, rest) = row.split_once("` | ").context("a row without a name")?;
        let (kind, _) = rest.split_once(" | ").context("a row without a type")?;
        let twice = listed.insert(name.to_owned(), kind.to_owned());
        ensure!(twice.is_none(), "{name} stands twice");
    }
    Ok(listed)
}

#[test]
fn every_metric_is_in_the_docs_and_every_one_of_the_docs_is_shown() -> Result<()> {
    let (world, _collector) = start_with_all()?;
    traffic::drive(&world.server, &["default"])?;
    let mut shown = until_signed(&world)?;
    shown.extend(shown_with_certificate()?);
    let documented = documented()?;
    for (name, kind) in &shown {
        let listed = documented.get(name);
        ensure!(
            listed == Some(kind),
            "{name} ({kind}): the docs say {listed:?}"
        );
    }
    for name in documented.keys() {
        ensure!(
            shown.contains_key(name),
            "{name} is in the docs and not shown"
        );
    }
    Ok(())
}

/// The names of our metrics in a text, as they are shown: without what a histogram adds.
fn names_in(text: &str) -> Vec<String> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let words = text.split(|it| !is_name(it));
    let ours = words.filter(|word| word.starts_with("kiln_") || word.starts_with("process_"));
    let ends = ["_bucket", "_sum", "_count"];
    let shown = |word: &str| {
        let mut ends = ends.iter();
        let front = ends.find_map(|end| word.strip_suffix(end));
        front.unwrap_or(word).to_owned()
    };
    ours.map(shown).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() -> Result<()> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let alerts = deploy.join("prometheus/alerts.yml");
    testkit::prometheus::check_rules(&alerts)?;
    let dashboard = std::fs::read_to_string(deploy.join("grafana/kiln.json"))?;
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard)?;
    let documented = documented()?;
    let mut queries = vec![std::fs::read_to_string(alerts)?];
    let panels = dashboard["panels"].as_array().context("no panels")?;
    for target in panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
    {
        let expressions = target.iter().filter_map(|it| it["expr"].as_str());
        queries.extend(expressions.map(str::to_owned));
    }
    for variable in dashboard["templating"]["list"]
        .as_array()
        .context("no variables")?
    {
        queries.extend(variable["query"].as_str().map(str::to_owned));
    }
    let names: Vec<_> = queries.iter().flat_map(|query| names_in(query)).collect();
    ensure!(names.len() > 40, "only {} names", names.len());
    for name in names {
        // What is documented is shown: see above.
        ensure!(documented.contains_key(&name), "{name} is no metric");
    }
    Ok(())
}
