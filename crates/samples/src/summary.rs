//! A patient summary: a FHIR R4 document in the form of the International Patient Summary (IPS):
//! one Composition with sections, then everything that it refers to.

use crate::SampleFile;
use crate::calendar::{Moment, TODAY};
use crate::codes::{
    ALLERGIES, LABORATORY, MEDICINES, Measure, PROBLEMS, PROCEDURES, Term, VACCINES, VITALS,
};
use crate::fhir::chart::Chart;
use crate::fhir::documents::{Section, composition};
use crate::fhir::{Entry, clinical};
use crate::json::{Json, object};
use crate::person::patient_folder;
use crate::random::Random;

/// Where the sections stop growing; Composition and people come on top.
const ITEMS_BYTES: u64 = 39_500;

/// The summary of the patient of `seed`, about 50 KB.
#[must_use]
pub fn patient_summary(seed: u64) -> SampleFile {
    let mut random = Random::new(seed, "summary");
    let (chart, people) = Chart::open(seed, &mut random);
    let sections = sections(&chart, &mut random);
    let kind = Term {
        code: "60591-5",
        name: "Patient summary Document",
    };
    let when = TODAY.at(random.between(28_800, 64_800));
    let first = composition(&chart, random.uuid(), kind, when, &sections);
    let items = sections
        .iter()
        .flat_map(|it| it.items.iter().map(|(_, entry)| entry));
    let entries: Vec<String> = [&first]
        .into_iter()
        .chain(&people)
        .chain(items)
        .map(Entry::text)
        .collect();
    let content = bundle(&mut random, when, &entries).into_bytes();
    SampleFile {
        path: format!("{}/summary.json", patient_folder(seed)),
        content,
    }
}

fn bundle(random: &mut Random, when: Moment, entries: &[String]) -> String {
    let identifier: Json = object([
        ("system", "urn:ietf:rfc:3986".into()),
        ("value", format!("urn:uuid:{}", random.uuid()).into()),
    ]);
    let head = object([
        ("resourceType", "Bundle".into()),
        ("id", random.uuid().into()),
        ("identifier", identifier),
        ("type", "document".into()),
        ("timestamp", when.text().into()),
    ]);
    let mut text = head.text();
    text.pop();
    text.push_str(",\"entry\":[");
    text.push_str(&entries.join(","));
    text.push_str("]}");
    text
}

/// The sections in the order of the IPS; laboratory results fill up to the usual size.
fn sections(chart: &Chart, random: &mut Random) -> Vec<Section> {
    let mut sections = vec![
        medications(chart, random),
        allergies(chart, random),
        problems(chart, random),
        procedures(chart, random),
        immunizations(chart, random),
        vital_signs(chart, random),
    ];
    let all: u64 = sections
        .iter()
        .flat_map(|it| &it.items)
        .map(|it| bytes(&it.1))
        .sum();
    sections.push(results(chart, ITEMS_BYTES.saturating_sub(all), random));
    sections
}

fn medications(chart: &Chart, random: &mut Random) -> Section {
    let items = some(&MEDICINES, 6, random).map(|medicine| {
        let since = past(chart, random);
        let line = format!("{} {} {}", medicine.name, medicine.strength, medicine.unit);
        (
            line,
            clinical::medication_statement(chart, medicine, since, random),
        )
    });
    section(
        "Medication Summary",
        "10160-0",
        "History of Medication use Narrative",
        items.collect(),
    )
}

fn allergies(chart: &Chart, random: &mut Random) -> Section {
    let items = some(&ALLERGIES, 2, random).map(|term| {
        let when = past(chart, random);
        (
            term.name.to_owned(),
            clinical::allergy(chart, *term, when, random),
        )
    });
    let code_name = "Allergies and adverse reactions Document";
    section(
        "Allergies and Intolerances",
        "48765-2",
        code_name,
        items.collect(),
    )
}

fn problems(chart: &Chart, random: &mut Random) -> Section {
    let items = some(&PROBLEMS, 6, random).map(|problem| {
        let when = past(chart, random);
        (
            problem.name.to_owned(),
            clinical::condition(chart, problem, None, when, random),
        )
    });
    section(
        "Problem List",
        "11450-4",
        "Problem list - Reported",
        items.collect(),
    )
}

fn procedures(chart: &Chart, random: &mut Random) -> Section {
    let items = some(&PROCEDURES, 3, random).map(|term| {
        let when = past(chart, random);
        let line = format!("{} on {}", term.name, when.day().text());
        (line, clinical::procedure(chart, *term, when, random))
    });
    section(
        "History of Procedures",
        "47519-4",
        "History of Procedures Document",
        items.collect(),
    )
}

fn immunizations(chart: &Chart, random: &mut Random) -> Section {
    let items = some(&VACCINES, 4, random).map(|term| {
        let when = past(chart, random);
        let line = format!("{} on {}", term.name, when.day().text());
        (line, clinical::immunization(chart, *term, when, random))
    });
    section(
        "Immunizations",
        "11369-6",
        "History of Immunization Narrative",
        items.collect(),
    )
}

fn vital_signs(chart: &Chart, random: &mut Random) -> Section {
    let when = past(chart, random);
    let mut items: Vec<(String, Entry)> = VITALS
        .iter()
        .map(|it| {
            (
                it.name.to_owned(),
                clinical::vital_sign(chart, it, None, when, random),
            )
        })
        .collect();
    let pressure = clinical::blood_pressure(chart, None, when, random);
    items.push(("Blood pressure".to_owned(), pressure));
    section("Vital Signs", "8716-3", "Vital signs", items)
}

/// Results until they take about `bytes_max` bytes.
fn results(chart: &Chart, bytes_max: u64, random: &mut Random) -> Section {
    let mut items = Vec::new();
    let mut taken = 0;
    while taken < bytes_max {
        let measure: Measure = random.pick(&LABORATORY);
        let when = past(chart, random);
        let entry = clinical::laboratory_value(chart, &measure, None, when, random);
        taken += bytes(&entry);
        items.push((format!("{} on {}", measure.name, when.day().text()), entry));
    }
    let code_name = "Relevant diagnostic tests/laboratory data Narrative";
    section("Diagnostic Results", "30954-2", code_name, items)
}

fn section(
    title: &'static str,
    code: &'static str,
    name: &'static str,
    items: Vec<(String, Entry)>,
) -> Section {
    Section {
        title,
        code: Term { code, name },
        items,
    }
}

/// A run of one to `most` of the choices, which therefore holds none of them twice.
fn some<'a, T, const N: usize>(
    choices: &'a [T; N],
    most: u64,
    random: &mut Random,
) -> impl Iterator<Item = &'a T> + use<'a, T, N> {
    let start = usize::try_from(random.below(N as u64)).unwrap_or(0);
    let count = usize::try_from(random.between(1, most)).unwrap_or(1).min(N);
    choices.iter().cycle().skip(start).take(count)
}

/// A moment within the last ten years.
fn past(chart: &Chart, random: &mut Random) -> Moment {
    TODAY
        .before(random.between(1, 3_650))
        .max(chart.person.birth)
        .at(random.between(28_800, 64_800))
}

fn bytes(entry: &Entry) -> u64 {
    entry.text().len() as u64
}
