//! Documents: `DocumentReference` with its text inside, Composition with its sections.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::calendar::Moment;
use crate::codes::Term;
use crate::json::{Json, list, object};

use super::chart::Chart;
use super::{Entry, ResourceName, loinc, narrative};

/// A letter, its text (base64) in the attachment. Takes as many bytes more than the same letter
/// without text as the base64 has.
pub(crate) fn document_reference(
    chart: &Chart,
    id: String,
    kind: Term,
    when: Moment,
    text: &str,
) -> Entry {
    let attachment = object([
        ("contentType", "text/plain".into()),
        ("language", "en".into()),
        ("data", STANDARD.encode(text).into()),
        ("title", kind.name.into()),
    ]);
    Entry::new("DocumentReference", id)
        .with("status", "current")
        .with("docStatus", "final")
        .with("type", loinc(kind))
        .with("subject", chart.patient.reference())
        .with("date", when.text())
        .with(
            "author",
            list([chart.doctor.reference_to(chart.doctor_name.clone())]),
        )
        .with("custodian", chart.organization.reference())
        .with("content", list([object([("attachment", attachment)])]))
}

/// A part of a Composition: what it is about, a line for readers and the entry for each item.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) code: Term,
    pub(crate) items: Vec<(String, Entry)>,
}

impl Section {
    fn json(&self) -> Json {
        let lines: Vec<String> = self.items.iter().map(|(line, _)| line.clone()).collect();
        let references: Vec<Json> = self
            .items
            .iter()
            .map(|(_, entry)| entry.name().reference())
            .collect();
        object([
            ("title", self.title.into()),
            ("code", loinc(self.code)),
            ("text", narrative(&lines)),
            ("entry", references.into()),
        ])
    }
}

/// The Composition with which a document begins. Sections without items are left out.
pub(crate) fn composition(
    chart: &Chart,
    id: String,
    kind: Term,
    when: Moment,
    sections: &[Section],
) -> Entry {
    let custodian: &ResourceName = &chart.organization;
    let sections: Vec<Json> = sections
        .iter()
        .filter(|it| !it.items.is_empty())
        .map(Section::json)
        .collect();
    Entry::new("Composition", id)
        .with("status", "final")
        .with("type", loinc(kind))
        .with(
            "subject",
            chart.patient.reference_to(chart.person.full_name()),
        )
        .with("date", when.text())
        .with(
            "author",
            list([chart.doctor.reference_to(chart.doctor_name.clone())]),
        )
        .with(
            "title",
            format!("{} of {}", kind.name, chart.person.full_name()),
        )
        .with("custodian", custodian.reference())
        .with("section", sections)
}
