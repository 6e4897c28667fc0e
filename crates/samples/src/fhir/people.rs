//! Who appears in a record: Patient, Practitioner, Organization.

use crate::json::{Json, list, object};
use crate::person::{Gender, Person};
use crate::random::Random;

use super::{Entry, ResourceName, hl7, narrative};

/// A Patient.
pub(super) fn patient(id: String, person: &Person, organization: &ResourceName) -> Entry {
    let number = object([
        ("use", "usual".into()),
        ("type", hl7("v2-0203", "MR", "Medical record number")),
        ("system", "urn:oid:2.999.1.1".into()),
        ("value", person.record_number.clone().into()),
    ]);
    let contact = object([
        ("system", "email".into()),
        (
            "value",
            format!("patient-{}@example.org", person.record_number).into(),
        ),
        ("use", "home".into()),
    ]);
    let language = object([(
        "coding",
        list([object([
            ("system", "urn:ietf:bcp:47".into()),
            ("code", person.language.into()),
        ])]),
    )]);
    let lines = [person.full_name(), format!("born {}", person.birth.text())];
    Entry::new("Patient", id)
        .with("text", narrative(&lines))
        .with("identifier", list([number]))
        .with("active", true)
        .with("name", list([name(person).with("use", "official")]))
        .with("telecom", list([contact]))
        .with("gender", gender(person.gender))
        .with("birthDate", person.birth.text())
        .with("address", list([address(person)]))
        .with(
            "communication",
            list([object([("language", language), ("preferred", true.into())])]),
        )
        .with("managingOrganization", organization.reference())
}

/// A Practitioner.
pub(super) fn practitioner(random: &mut Random) -> (Entry, Person) {
    let person = Person::random(random);
    let licence = object([
        ("system", "urn:oid:2.999.1.2".into()),
        ("value", person.record_number.clone().into()),
    ]);
    let entry = Entry::new("Practitioner", random.uuid())
        .with("identifier", list([licence]))
        .with("active", true)
        .with(
            "name",
            list([name(&person).with("prefix", list(["Dr.".into()]))]),
        )
        .with("gender", gender(person.gender));
    (entry, person)
}

/// An Organization: the hospital.
pub(super) fn organization(random: &mut Random, city: &str) -> Entry {
    let number = object([
        ("system", "urn:oid:2.999.1.3".into()),
        ("value", random.digits(8).into()),
    ]);
    let wing = random.pick(&["City", "University", "Regional", "Children's", "St. Luke's"]);
    Entry::new("Organization", random.uuid())
        .with("identifier", list([number]))
        .with("active", true)
        .with(
            "type",
            list([hl7("organization-type", "prov", "Healthcare Provider")]),
        )
        .with("name", format!("{wing} Hospital {city}"))
}

fn name(person: &Person) -> Json {
    object([
        ("text", person.full_name().into()),
        ("family", person.family.into()),
        ("given", list([person.given.into()])),
    ])
}

fn address(person: &Person) -> Json {
    object([
        ("use", "home".into()),
        ("line", list([person.street.clone().into()])),
        ("city", person.city.into()),
        ("postalCode", person.postcode.clone().into()),
        ("country", person.country.into()),
    ])
}

fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Female => "female",
        Gender::Male => "male",
    }
}
