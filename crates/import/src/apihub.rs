//! One pass over the folder of an `ApiHub`.
//!
//! Bricks come first, those of all domains, so that an anchor whose bricks lie there finds them here.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use client::ClientError;
use keyssi::Domain;
use node::{AnchoringKind, DomainTable};

use crate::error::ImportError;
use crate::finding::{Finding, Reason, Subject};
use crate::journal::Journal;
use crate::report::{Report, Summary};
use crate::source::{ApiHubFolder, SourceError};
use crate::target::Target;
use crate::work::{BrokenHistory, Look, Step, Work};
use crate::{anchors, bricks, documents};

/// How a pass is made.
#[derive(Debug, Clone, Default)]
pub struct ApiHubOptions<'a> {
    /// Domains that are taken although the configuration does not name them.
    pub domains: &'a [Domain],
    /// What happens to histories that are not sound to their end.
    pub broken: BrokenHistory,
    /// Which files are looked at.
    pub look: Look,
    /// Where the report goes.
    pub report: Option<&'a Path>,
}

/// Takes what is in the folder and not yet in the target. `journals` is the folder of what is
/// remembered for the next pass. `tell` gets every finding, `progress` every few files.
///
/// **Cancellation:** what was taken stays; the next pass goes on.
///
/// # Errors
/// [`ImportError`]; what is wrong with single files is a finding and no error.
pub async fn import_apihub(
    folder: &ApiHubFolder,
    target: &Target,
    journals: &Path,
    options: &ApiHubOptions<'_>,
    tell: &(dyn Fn(&Finding) + Sync),
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Summary, ImportError> {
    let table = table(folder)?;
    let mut named: BTreeSet<Domain> = table.iter().flat_map(DomainTable::names).cloned().collect();
    folder.require(options.domains, &named)?;
    let report = Report::begin(options.report, tell);
    let report = report.map_err(|error| ImportError::write("the report", error))?;
    let work = Work {
        folder,
        target,
        broken: options.broken,
        look: options.look,
        progress,
        report: Mutex::new(report),
        journal: Mutex::new(Journal::open(journals, folder.volume())?),
    };
    // A folder whose configuration names nothing is one that was copied without it.
    let all = named.is_empty();
    named.extend(options.domains.iter().cloned());
    let (mut domains, findings) = folder.domains((!all).then_some(&named))?;
    for finding in &findings {
        work.note(finding)?;
    }
    if let Target::Node(client) = target {
        domains = served(&work, client, domains).await?;
    }
    for domain in &domains {
        bricks::take_all(&work, domain).await?;
    }
    for domain in &domains {
        match &table {
            Some(table) if !is_kept_in_files(table, domain) => elsewhere(&work, domain)?,
            _ => anchors::take_all(&work, domain).await?,
        }
    }
    documents::take_all(&work).await?;
    let report = work.report.into_inner();
    let report = report.unwrap_or_else(PoisonError::into_inner);
    report
        .end()
        .map_err(|error| ImportError::write("the report", error))
}

/// The domains that the configuration names; `None` without one.
pub(crate) fn table(folder: &ApiHubFolder) -> Result<Option<DomainTable>, SourceError> {
    let Some(config) = folder.config() else {
        return Ok(None);
    };
    // What is not honoured is told by `translate`.
    let table = config.domains(&mut |_| {});
    table
        .map(Some)
        .map_err(|error| SourceError::Config(format!("{error:#}")))
}

/// Whether the anchors of the domain are those in its folder (strategy FS). A domain that the
/// configuration does not name is taken for one.
fn is_kept_in_files(table: &DomainTable, domain: &Domain) -> bool {
    let mut anchored = table.anchored().filter(|it| it.name == *domain);
    match anchored.next() {
        Some(config) => config.anchoring == AnchoringKind::Embedded,
        None => !table.names().any(|name| name == domain),
    }
}

/// The anchors of a domain whose truth is on another ledger are not taken from here.
fn elsewhere(work: &Work<'_>, domain: &Domain) -> Result<(), ImportError> {
    let folder = work.folder.volume().join("domains").join(domain.as_str());
    let folder = folder.join("anchors");
    let Ok(items) = crate::source::items(&folder) else {
        return Ok(());
    };
    if items.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "{} files; the domain's anchors are kept by a ledger elsewhere, from which the node reads \
         them",
        items.len()
    );
    let (path, reason) = (work.folder.shown(&folder), Reason::LedgerElsewhere);
    work.note(&Finding::skipped(Subject::Domain, path, reason, detail))
}

/// The domains that the node serves, and a finding for each of the others.
async fn served(
    work: &Work<'_>,
    client: &client::Client,
    domains: Vec<Domain>,
) -> Result<Vec<Domain>, ImportError> {
    let mut served = Vec::with_capacity(domains.len());
    for domain in domains {
        match client.services(&domain).await {
            Ok(_) => served.push(domain),
            Err(ClientError::UnknownDomain { .. }) => {
                let path = format!("domains/{domain}");
                let (subject, reason) = (Subject::Domain, Reason::Refused);
                let detail = "the node does not serve this domain";
                work.note(&Finding::skipped(subject, path, reason, detail))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(served)
}
