//! What was found and done: Encounter, Condition, Observation, and the like.

use crate::calendar::Moment;
use crate::codes::{BLOOD_PRESSURE, DIASTOLIC, Measure, Medicine, Problem, SYSTOLIC, Term};
use crate::json::{Json, list, object};
use crate::random::Random;

use super::chart::Chart;
use super::{
    Entry, LOINC, ResourceName, UCUM, concept, hl7, loinc, medicine_concept, problem_concept,
    quantity, snomed,
};

/// A visit of 20 minutes to 3 hours.
pub(super) fn encounter(
    chart: &Chart,
    start: Moment,
    random: &mut Random,
) -> (Entry, ResourceName) {
    let (code, name) = random.pick(&[
        ("AMB", "ambulatory"),
        ("AMB", "ambulatory"),
        ("EMER", "emergency"),
        ("IMP", "inpatient encounter"),
    ]);
    let class = object([
        (
            "system",
            "http://terminology.hl7.org/CodeSystem/v3-ActCode".into(),
        ),
        ("code", code.into()),
        ("display", name.into()),
    ]);
    let end = start.after(random.between(1_200, 10_800));
    let doctor = chart.doctor.reference_to(chart.doctor_name.clone());
    let entry = Entry::new("Encounter", random.uuid())
        .with("status", "finished")
        .with("class", class)
        .with("subject", subject(chart))
        .with("participant", list([object([("individual", doctor)])]))
        .with(
            "period",
            object([("start", start.text().into()), ("end", end.text().into())]),
        )
        .with("serviceProvider", chart.organization.reference());
    let visit = entry.name();
    (entry, visit)
}

/// A Condition that began up to a year before it was recorded.
pub(crate) fn condition(
    chart: &Chart,
    problem: &Problem,
    visit: Option<&ResourceName>,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let (status, name) = random.pick(&[("active", "Active"), ("inactive", "Inactive")]);
    let onset = when.day().before(random.below(365)).max(chart.person.birth);
    let entry = Entry::new("Condition", random.uuid())
        .with("clinicalStatus", hl7("condition-clinical", status, name))
        .with(
            "verificationStatus",
            hl7("condition-ver-status", "confirmed", "Confirmed"),
        )
        .with(
            "category",
            list([hl7(
                "condition-category",
                "problem-list-item",
                "Problem List Item",
            )]),
        )
        .with("code", problem_concept(problem))
        .with("subject", subject(chart));
    about(entry, visit)
        .with("onsetDateTime", onset.text())
        .with("recordedDate", when.text())
        .with("recorder", chart.doctor.reference())
}

/// A vital sign.
pub(crate) fn vital_sign(
    chart: &Chart,
    measure: &Measure,
    visit: Option<&ResourceName>,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let value = random.between(measure.scale.low, measure.scale.high);
    observation(chart, ("vital-signs", "Vital Signs"), visit, when, random)
        .with("code", concept(LOINC, measure.loinc, measure.name))
        .with("valueQuantity", quantity(measure, value))
}

/// A value from the laboratory.
pub(crate) fn laboratory_value(
    chart: &Chart,
    measure: &Measure,
    visit: Option<&ResourceName>,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let scale = measure.scale;
    let value = random.between(scale.low, scale.high);
    // The middle half of what occurs counts as normal.
    let quarter = (scale.high - scale.low) / 4;
    let (low, high) = (scale.low + quarter, scale.high - quarter);
    let (flag, name) = match value {
        it if it < low => ("L", "Low"),
        it if it > high => ("H", "High"),
        _ => ("N", "Normal"),
    };
    let range = object([
        ("low", quantity(measure, low)),
        ("high", quantity(measure, high)),
    ]);
    observation(chart, ("laboratory", "Laboratory"), visit, when, random)
        .with("code", concept(LOINC, measure.loinc, measure.name))
        .with("valueQuantity", quantity(measure, value))
        .with(
            "interpretation",
            list([hl7("v3-ObservationInterpretation", flag, name)]),
        )
        .with("referenceRange", list([range]))
}

/// Systolic and diastolic pressure.
pub(crate) fn blood_pressure(
    chart: &Chart,
    visit: Option<&ResourceName>,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let upper = random.between(SYSTOLIC.scale.low, SYSTOLIC.scale.high);
    let lower = random
        .between(DIASTOLIC.scale.low, DIASTOLIC.scale.high)
        .min(upper - 20);
    let component = |measure: &Measure, value| {
        object([
            ("code", concept(LOINC, measure.loinc, measure.name)),
            ("valueQuantity", quantity(measure, value)),
        ])
    };
    observation(chart, ("vital-signs", "Vital Signs"), visit, when, random)
        .with("code", loinc(BLOOD_PRESSURE))
        .with(
            "component",
            list([component(&SYSTOLIC, upper), component(&DIASTOLIC, lower)]),
        )
}

/// A `MedicationRequest`.
pub(super) fn medication_request(
    chart: &Chart,
    medicine: &Medicine,
    visit: &ResourceName,
    when: Moment,
    random: &mut Random,
) -> Entry {
    Entry::new("MedicationRequest", random.uuid())
        .with("status", random.pick(&["active", "completed", "stopped"]))
        .with("intent", "order")
        .with("medicationCodeableConcept", medicine_concept(medicine))
        .with("subject", subject(chart))
        .with("encounter", visit.reference())
        .with("authoredOn", when.text())
        .with("requester", chart.doctor.reference())
        .with("dosageInstruction", list([dosage(medicine, random)]))
}

/// A `MedicationStatement`: what the patient takes.
pub(crate) fn medication_statement(
    chart: &Chart,
    medicine: &Medicine,
    since: Moment,
    random: &mut Random,
) -> Entry {
    Entry::new("MedicationStatement", random.uuid())
        .with("status", "active")
        .with("medicationCodeableConcept", medicine_concept(medicine))
        .with("subject", subject(chart))
        .with(
            "effectivePeriod",
            object([("start", since.day().text().into())]),
        )
        .with("dosage", list([dosage(medicine, random)]))
}

/// An `AllergyIntolerance`.
pub(crate) fn allergy(chart: &Chart, term: Term, when: Moment, random: &mut Random) -> Entry {
    let status = hl7("allergyintolerance-clinical", "active", "Active");
    let verification = hl7("allergyintolerance-verification", "confirmed", "Confirmed");
    Entry::new("AllergyIntolerance", random.uuid())
        .with("clinicalStatus", status)
        .with("verificationStatus", verification)
        .with("type", "allergy")
        .with("criticality", random.pick(&["low", "high"]))
        .with("code", snomed(term))
        .with("patient", subject(chart))
        .with("recordedDate", when.text())
}

/// A Procedure.
pub(crate) fn procedure(chart: &Chart, term: Term, when: Moment, random: &mut Random) -> Entry {
    Entry::new("Procedure", random.uuid())
        .with("status", "completed")
        .with("code", snomed(term))
        .with("subject", subject(chart))
        .with("performedDateTime", when.text())
}

/// An Immunization.
pub(crate) fn immunization(chart: &Chart, term: Term, when: Moment, random: &mut Random) -> Entry {
    Entry::new("Immunization", random.uuid())
        .with("status", "completed")
        .with(
            "vaccineCode",
            concept("http://hl7.org/fhir/sid/cvx", term.code, term.name),
        )
        .with("patient", subject(chart))
        .with("occurrenceDateTime", when.text())
        .with("primarySource", true)
        .with("lotNumber", random.digits(7))
}

/// A `DiagnosticReport` over these results.
pub(super) fn diagnostic_report(
    chart: &Chart,
    results: &[ResourceName],
    visit: &ResourceName,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let results: Vec<Json> = results.iter().map(ResourceName::reference).collect();
    Entry::new("DiagnosticReport", random.uuid())
        .with("status", "final")
        .with("category", list([hl7("v2-0074", "LAB", "Laboratory")]))
        .with("code", concept(LOINC, "11502-2", "Laboratory report"))
        .with("subject", subject(chart))
        .with("encounter", visit.reference())
        .with("effectiveDateTime", when.text())
        .with("issued", when.after(5_400).text())
        .with("performer", list([chart.organization.reference()]))
        .with("result", results)
}

/// The members that all Observations have, but for the code and the value.
fn observation(
    chart: &Chart,
    (category, name): (&str, &str),
    visit: Option<&ResourceName>,
    when: Moment,
    random: &mut Random,
) -> Entry {
    let entry = Entry::new("Observation", random.uuid())
        .with("status", "final")
        .with(
            "category",
            list([hl7("observation-category", category, name)]),
        )
        .with("subject", subject(chart))
        .with("effectiveDateTime", when.text())
        .with("performer", list([chart.organization.reference()]));
    about(entry, visit)
}

fn about(entry: Entry, visit: Option<&ResourceName>) -> Entry {
    match visit {
        Some(visit) => entry.with("encounter", visit.reference()),
        None => entry,
    }
}

fn subject(chart: &Chart) -> Json {
    chart.patient.reference_to(chart.person.full_name())
}

/// One to three times a day.
fn dosage(medicine: &Medicine, random: &mut Random) -> Json {
    let times = random.between(1, 3);
    let text = format!(
        "{} {}, {times} times a day",
        medicine.strength, medicine.unit
    );
    let repeat = object([
        ("frequency", times.into()),
        ("period", 1_u64.into()),
        ("periodUnit", "d".into()),
    ]);
    let dose = object([
        ("value", medicine.strength.into()),
        ("unit", medicine.unit.into()),
        ("system", UCUM.into()),
        ("code", medicine.unit.into()),
    ]);
    object([
        ("text", text.into()),
        ("timing", object([("repeat", repeat)])),
        ("doseAndRate", list([object([("doseQuantity", dose)])])),
    ])
}
