//! The chart of one patient: who is in it, and what one visit adds to it.

use crate::calendar::{Moment, TODAY};
use crate::codes::{LABORATORY, LETTERS, MEDICINES, PROBLEMS, VACCINES, VITALS};
use crate::json::{list, object};
use crate::person::Person;
use crate::prose;
use crate::random::Random;

use super::{Entry, ResourceName, clinical, documents, people};

/// Whom the resources of a patient refer to.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) person: Person,
    pub(crate) patient: ResourceName,
    pub(crate) organization: ResourceName,
    pub(crate) doctor: ResourceName,
    pub(crate) doctor_name: String,
}

impl Chart {
    /// A chart for the patient of `seed`, and the resources that it begins with.
    pub(crate) fn open(seed: u64, random: &mut Random) -> (Self, Vec<Entry>) {
        let person = Person::patient(seed);
        // One patient has one id in all files.
        let id = Random::new(seed, "patient id").uuid();
        let organization = people::organization(random, person.city);
        let (doctor, doctor_person) = people::practitioner(random);
        let patient = people::patient(id, &person, &organization.name());
        let chart = Self {
            person,
            patient: patient.name(),
            organization: organization.name(),
            doctor: doctor.name(),
            doctor_name: format!("Dr. {}", doctor_person.full_name()),
        };
        (chart, vec![patient, doctor, organization])
    }

    /// A visit: an encounter and what was found, measured, ordered and written.
    pub(crate) fn visit(&self, random: &mut Random) -> Vec<Entry> {
        let since_birth = TODAY.0 - self.person.birth.0;
        let day = TODAY.before(random.between(1, since_birth.min(15 * 365)));
        let start = day.at(random.between(7 * 3_600, 18 * 3_600));
        let (encounter, visit) = clinical::encounter(self, start, random);
        let mut entries = vec![encounter];
        for _ in 0..random.below(3) {
            let problem = random.pick(&PROBLEMS);
            entries.push(clinical::condition(
                self,
                &problem,
                Some(&visit),
                start,
                random,
            ));
        }
        entries.push(clinical::blood_pressure(self, Some(&visit), start, random));
        for measure in &VITALS {
            if random.chance(50) {
                let when = start.after(random.between(60, 600));
                entries.push(clinical::vital_sign(
                    self,
                    measure,
                    Some(&visit),
                    when,
                    random,
                ));
            }
        }
        if random.chance(60) {
            entries.extend(self.laboratory(&visit, start, random));
        }
        if random.chance(40) {
            let medicine = random.pick(&MEDICINES);
            entries.push(clinical::medication_request(
                self, &medicine, &visit, start, random,
            ));
        }
        if random.chance(8) {
            let vaccine = random.pick(&VACCINES);
            entries.push(clinical::immunization(self, vaccine, start, random));
        }
        if random.chance(50) {
            entries.push(self.letter(&visit, start, random));
        }
        entries
    }

    /// A panel of values and the report that holds them together.
    fn laboratory(&self, visit: &ResourceName, start: Moment, random: &mut Random) -> Vec<Entry> {
        let when = start.after(3_600);
        let first = random.below(8);
        let count = random.between(4, 8);
        let range =
            usize::try_from(first).unwrap_or(0)..usize::try_from(first + count).unwrap_or(0);
        let mut entries: Vec<Entry> = LABORATORY
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(|it| clinical::laboratory_value(self, it, Some(visit), when, random))
            .collect();
        let results: Vec<ResourceName> = entries.iter().map(Entry::name).collect();
        entries.push(clinical::diagnostic_report(
            self, &results, visit, when, random,
        ));
        entries
    }

    fn letter(&self, visit: &ResourceName, start: Moment, random: &mut Random) -> Entry {
        let kind = random.pick(&LETTERS);
        // Most letters are short; one in twelve is a long report.
        let most = if random.chance(8) { 48_000 } else { 6_000 };
        let bytes = usize::try_from(random.between(1_200, most)).unwrap_or(0);
        let text = prose::letter(random, bytes);
        let id = random.uuid();
        let context = object([("encounter", list([visit.reference()]))]);
        documents::document_reference(self, id, kind, start.after(7_200), &text)
            .with("context", context)
    }
}
