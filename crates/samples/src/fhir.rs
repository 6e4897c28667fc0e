//! FHIR R4 (4.0.1): the parts that resources share. Resources themselves stand in the modules below.

pub(crate) mod chart;
pub(crate) mod clinical;
pub(crate) mod documents;
pub(crate) mod people;

use crate::codes::{Measure, Medicine, Problem, Term};
use crate::json::{Json, decimal, list, object};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const UCUM: &str = "http://unitsofmeasure.org";

/// A resource and its id, a UUID. Inside a bundle it is known as `urn:uuid:` and that id.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    id: String,
    resource: Json,
}

impl Entry {
    /// A resource of this type; its members follow by [`Self::with`].
    fn new(kind: &'static str, id: String) -> Self {
        let resource = object([("resourceType", kind.into()), ("id", id.clone().into())]);
        Self { id, resource }
    }

    fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.resource = self.resource.with(name, value);
        self
    }

    /// The name by which other resources of the bundle refer to it.
    pub(crate) fn name(&self) -> ResourceName {
        ResourceName(format!("urn:uuid:{}", self.id))
    }

    /// The text of the entry in a bundle.
    pub(crate) fn text(&self) -> String {
        let entry = object([
            ("fullUrl", self.name().0.into()),
            ("resource", self.resource.clone()),
        ]);
        entry.text()
    }
}

/// The `urn:uuid:` name of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceName(String);

impl ResourceName {
    /// A `Reference` to it.
    pub(crate) fn reference(&self) -> Json {
        object([("reference", self.0.clone().into())])
    }

    /// A `Reference` with a text for readers.
    fn reference_to(&self, display: String) -> Json {
        self.reference().with("display", display)
    }
}

/// A `CodeableConcept` of one coding.
fn concept(system: &str, code: &str, name: &str) -> Json {
    object([
        ("coding", list([coding(system, code, name)])),
        ("text", name.into()),
    ])
}

fn coding(system: &str, code: &str, name: &str) -> Json {
    object([
        ("system", system.into()),
        ("code", code.into()),
        ("display", name.into()),
    ])
}

pub(crate) fn loinc(term: Term) -> Json {
    concept(LOINC, term.code, term.name)
}

fn snomed(term: Term) -> Json {
    concept(SNOMED, term.code, term.name)
}

fn medicine_concept(medicine: &Medicine) -> Json {
    concept("http://www.whocc.no/atc", medicine.atc, medicine.name)
}

/// Both codings of a problem.
fn problem_concept(problem: &Problem) -> Json {
    let codings = list([
        coding(SNOMED, problem.snomed, problem.name),
        coding(
            "http://hl7.org/fhir/sid/icd-10",
            problem.icd10,
            problem.name,
        ),
    ]);
    object([("coding", codings), ("text", problem.name.into())])
}

/// One of the code systems of HL7's terminology server.
fn hl7(system: &str, code: &str, name: &str) -> Json {
    let system = format!("http://terminology.hl7.org/CodeSystem/{system}");
    object([("coding", list([coding(&system, code, name)]))])
}

/// A `Quantity` of a measure; `scaled` is in units of its last decimal place.
fn quantity(measure: &Measure, scaled: u64) -> Json {
    object([
        ("value", decimal(scaled, measure.scale.places)),
        ("unit", measure.unit.into()),
        ("system", UCUM.into()),
        ("code", measure.ucum.into()),
    ])
}

/// A `Narrative` that lists these lines. They hold no characters that XHTML treats as its own.
fn narrative(lines: &[String]) -> Json {
    let mut text = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><ul>");
    for line in lines {
        for part in ["<li>", line, "</li>"] {
            text.push_str(part);
        }
    }
    text.push_str("</ul></div>");
    object([("status", "generated".into()), ("div", text.into())])
}
