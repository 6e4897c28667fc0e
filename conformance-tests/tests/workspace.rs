//! The shape of the workspace: which crate uses which, that every crate is
//! under the workspace's lints, and that no file grows out of hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The line of `docs/ARCHITECTURE.md` before the fenced list of edges.
const EDGES_MARK: &str = "<!-- edges -->";
/// How a line of the list begins that names those who do not, not who does.
const EVERY_BUT: &str = "every crate but ";
/// The largest source file.
const FILE_LINES_MAX: usize = 1_000;

/// Which crate uses which of ours.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edges {
    /// User to used.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Used by every crate but these: (those without it, used).
    general: Vec<(BTreeSet<String>, BTreeSet<String>)>,
}

impl Edges {
    /// Reads the fenced block after the mark. A line is `user -> used, used` or
    /// `every crate but name, name -> used`.
    fn parse(document: &str) -> Result<Self> {
        let (_, rest) = document.split_once(EDGES_MARK).context("no mark")?;
        let mut lines = rest.lines().skip_while(|it| it.trim().is_empty());
        // The mark ends its line; the fence must follow.
        let fence = lines.next().unwrap_or_default();
        ensure!(
            fence.starts_with("```"),
            "`{fence}` instead of a fence after the mark"
        );
        let mut edges = Self::default();
        let mut closed = false;
        for line in lines {
            if line.starts_with("```") {
                closed = true;
                break;
            }
            edges
                .add(line.trim())
                .with_context(|| format!("line `{line}`"))?;
        }
        ensure!(closed, "the fence is not closed");
        ensure!(!edges.named.is_empty(), "no edges");
        Ok(edges)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        let (from, to) = line.split_once(" -> ").context("no arrow")?;
        let to = names(to)?;
        if let Some(without) = from.strip_prefix(EVERY_BUT) {
            self.general.push((names(without)?, to));
        } else {
            ensure!(is_name(from), "`{from}` is no crate name");
            self.named.entry(from.to_owned()).or_default().extend(to);
        }
        Ok(())
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        let mut general = self.general.iter();
        self.named.get(from).is_some_and(|it| it.contains(to))
            || general.any(|(without, all)| !without.contains(from) && all.contains(to))
    }

    /// Each edge of the list by itself. A line of those who do not stands for all other `crates` but
    /// the one that is used.
    fn each(&self, crates: &BTreeSet<String>) -> BTreeSet<(String, String)> {
        let mut each = BTreeSet::new();
        for (from, used) in &self.named {
            each.extend(used.iter().map(|to| (from.clone(), to.clone())));
        }
        for (without, used) in &self.general {
            for to in used {
                let users = crates
                    .iter()
                    .filter(|&it| it != to && !without.contains(it));
                each.extend(users.map(|from| (from.clone(), to.clone())));
            }
        }
        each
    }
}

fn names(list: &str) -> Result<BTreeSet<String>> {
    let names: BTreeSet<String> = list.split(',').map(|it| it.trim().to_owned()).collect();
    ensure!(
        names.iter().all(|it| is_name(it)),
        "`{list}` is no list of crate names"
    );
    Ok(names)
}

fn is_name(text: &str) -> bool {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
    !text.is_empty() && text.chars().all(allowed)
}

/// The normal dependencies between crates of the workspace: (user, used).
fn normal_edges(metadata: &Metadata) -> Vec<(String, String)> {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|it| it.name.as_str()).collect();
    let mut edges = Vec::new();
    for package in &packages {
        for dependency in &package.dependencies {
            let normal = dependency.kind == DependencyKind::Normal;
            if normal && ours.contains(dependency.name.as_str()) {
                edges.push((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    edges
}

fn forbidden(edges: &[(String, String)], allowed: &Edges) -> Vec<String> {
    let mut forbidden = Vec::new();
    for (from, to) in edges {
        if !allowed.allows(from, to) {
            forbidden.push(format!("{from} -> {to}"));
        }
    }
    forbidden
}

/// What the list says and no manifest does.
fn stale(edges: &[(String, String)], listed: &Edges, crates: &BTreeSet<String>) -> Vec<String> {
    let mut stale = Vec::new();
    for edge in listed.each(crates) {
        if !edges.contains(&edge) {
            stale.push(format!("{} -> {}", edge.0, edge.1));
        }
    }
    stale
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Direct dependencies stand in the manifests, optional ones too, so nothing
/// needs to be resolved.
fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    let command = command.manifest_path(root().join("Cargo.toml")).no_deps();
    Ok(command.exec()?)
}

#[test]
fn crates_use_what_the_architecture_lists_and_nothing_else() -> Result<()> {
    let document = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md"))?;
    let allowed = Edges::parse(&document).context("docs/ARCHITECTURE.md")?;
    let metadata = metadata()?;
    let edges = normal_edges(&metadata);
    ensure!(!edges.is_empty(), "no crate uses another");
    let forbidden = forbidden(&edges, &allowed);
    ensure!(
        forbidden.is_empty(),
        "not in docs/ARCHITECTURE.md: {}",
        forbidden.join(", ")
    );
    let packages = metadata.workspace_packages();
    let crates = packages.iter().map(|it| it.name.to_string()).collect();
    let stale = stale(&edges, &allowed, &crates);
    ensure!(
        stale.is_empty(),
        "in docs/ARCHITECTURE.md and in no manifest: {}",
        stale.join(", ")
    );
    Ok(())
}

#[test]
fn every_crate_is_under_the_lints_of_the_workspace() -> Result<()> {
    for package in metadata()?.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        let manifest: toml::Table = manifest.parse()?;
        let lints = manifest.get("lints").and_then(|it| it.get("workspace"));
        let under = lints.and_then(toml::Value::as_bool) == Some(true);
        ensure!(under, "{} has no `[lints] workspace = true`", package.name);
    }
    Ok(())
}

#[test]
fn no_source_file_is_too_long() -> Result<()> {
    let mut command = Command::new("git");
    let output = command
        .current_dir(root())
        .args(["ls-files", "-z", "*.rs"])
        .output()?;
    ensure!(
        output.status.success(),
        "git: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let files = String::from_utf8(output.stdout)?;
    let files: Vec<&str> = files.split('\0').filter(|it| !it.is_empty()).collect();
    ensure!(!files.is_empty(), "git knows no source file");
    for file in files {
        let path = root().join(file);
        // Removed but not committed yet.
        if path.is_file() {
            let lines = std::fs::read_to_string(&path)?.lines().count();
            ensure!(lines <= FILE_LINES_MAX, "{file} has {lines} lines");
        }
    }
    Ok(())
}

#[test]
fn an_edge_that_is_not_listed_is_refused() {
    let document = "# Crates\n<!-- edges -->\n\n```text\nevery crate but translog, samples -> keyssi\n\nanchor-service -> ledger, node\nkiln -> anchor-service\n```\nnode -> kiln\n";
    let allowed = Edges::parse(document).unwrap();
    let refused =
        |from: &str, to: &str| !forbidden(&[(from.to_owned(), to.to_owned())], &allowed).is_empty();
    assert!(!refused("anchor-service", "ledger"));
    assert!(!refused("anchor-service", "node"));
    assert!(!refused("node", "keyssi"));
    assert!(refused("translog", "keyssi"));
    assert!(refused("samples", "keyssi"));
    assert!(refused("ledger", "anchor-service"));
    assert!(refused("keyssi", "ledger"));
    assert!(refused("kiln", "node"));
    assert!(refused("node", "kiln"), "a line after the fence counts");
}

#[test]
fn a_listed_edge_that_is_not_there_is_found() {
    let document =
        "<!-- edges -->\n```\nevery crate but samples -> keyssi\nkiln -> node, samples\n```\n";
    let listed = Edges::parse(document).unwrap();
    let crates = BTreeSet::from(["keyssi", "kiln", "node", "samples"].map(str::to_owned));
    let check = |edges: &[(&str, &str)], expected: &[&str]| {
        let owned = |&(from, to): &(&str, &str)| (from.to_owned(), to.to_owned());
        let edges: Vec<_> = edges.iter().map(owned).collect();
        assert_eq!(stale(&edges, &listed, &crates), expected);
    };
    let [one, two] = [("kiln", "keyssi"), ("node", "keyssi")];
    let [three, four] = [("kiln", "node"), ("kiln", "samples")];
    check(&[one, two, three, four], &[]);
    check(&[one, two, three], &["kiln -> samples"]);
    check(&[two, three, four], &["kiln -> keyssi"]);
}

#[test]
fn a_list_that_cannot_be_read_is_an_error() {
    for document in [
        "no mark",
        "<!-- edges -->\nkiln -> node\n",
        "<!-- edges -->\n```\nkiln -> node\n",
        "<!-- edges -->\n```\nkiln node\n```\n",
        "<!-- edges -->\n```\nkiln -> \n```\n",
        "<!-- edges -->\n```\nkiln, node -> keyssi\n```\n",
        "<!-- edges -->\n```\n```\n",
    ] {
        assert!(Edges::parse(document).is_err(), "{document}");
    }
}
