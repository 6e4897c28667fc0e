//! Invented people: common names of several countries, random numbers.

use crate::calendar::{Day, TODAY};
use crate::random::Random;

/// As FHIR and DICOM know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    Female,
    Male,
}

/// Somebody who does not exist.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    pub(crate) gender: Gender,
    pub(crate) birth: Day,
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) postcode: String,
    /// ISO 3166-1 alpha-2.
    pub(crate) country: &'static str,
    /// BCP 47.
    pub(crate) language: &'static str,
    /// The number under which the hospital knows the person.
    pub(crate) record_number: String,
}

/// The name of the folder of the patient with this seed, for example `patient-000042`.
#[must_use]
pub fn patient_folder(seed: u64) -> String {
    format!("patient-{seed:06}")
}

impl Person {
    /// The patient of a seed.
    pub(crate) fn patient(seed: u64) -> Self {
        Self::random(&mut Random::new(seed, "patient"))
    }

    /// Somebody between 18 and 95 years of age.
    pub(crate) fn random(random: &mut Random) -> Self {
        let region = random.pick(&REGIONS);
        let gender = random.pick(&[Gender::Female, Gender::Male]);
        let given = match gender {
            Gender::Female => random.pick(&region.female),
            Gender::Male => random.pick(&region.male),
        };
        let street = format!(
            "{} {}",
            random.pick(&region.streets),
            random.between(1, 180)
        );
        Self {
            given,
            family: random.pick(&region.family),
            gender,
            birth: TODAY.before(random.between(18 * 366, 95 * 365)),
            street,
            city: random.pick(&region.cities),
            postcode: random.digits(5),
            country: region.country,
            language: region.language,
            record_number: random.digits(10),
        }
    }

    /// `Anna Meyer`.
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

#[derive(Clone, Copy)]
struct Region {
    country: &'static str,
    language: &'static str,
    female: [&'static str; 6],
    male: [&'static str; 6],
    family: [&'static str; 8],
    streets: [&'static str; 3],
    cities: [&'static str; 3],
}

const REGIONS: [Region; 9] = [
    Region {
        country: "DE",
        language: "de",
        female: ["Anna", "Katharina", "Sabine", "Monika", "Lena", "Ursula"],
        male: ["Thomas", "Michael", "Andreas", "Jonas", "Peter", "Jürgen"],
        family: [
            "Müller",
            "Schmidt",
            "Schneider",
            "Fischer",
            "Weber",
            "Meyer",
            "Wagner",
            "Becker",
        ],
        streets: ["Bahnhofstraße", "Gartenweg", "Lindenallee"],
        cities: ["Münster", "Kassel", "Freiburg"],
    },
    Region {
        country: "FR",
        language: "fr",
        female: [
            "Marie", "Camille", "Nathalie", "Chloé", "Isabelle", "Hélène",
        ],
        male: ["Jean", "Pierre", "Nicolas", "Julien", "François", "Lucas"],
        family: [
            "Martin", "Bernard", "Dubois", "Petit", "Durand", "Leroy", "Moreau", "Lefèvre",
        ],
        streets: ["Rue des Lilas", "Avenue du Parc", "Rue de l'Église"],
        cities: ["Nantes", "Dijon", "Grenoble"],
    },
    Region {
        country: "ES",
        language: "es",
        female: ["María", "Carmen", "Lucía", "Isabel", "Ana", "Laura"],
        male: ["José", "Antonio", "Manuel", "Javier", "Carlos", "Álvaro"],
        family: [
            "García",
            "Fernández",
            "López",
            "Martínez",
            "Sánchez",
            "Pérez",
            "Gómez",
            "Ruiz",
        ],
        streets: ["Calle Mayor", "Calle del Sol", "Avenida de la Paz"],
        cities: ["Valladolid", "Zaragoza", "Murcia"],
    },
    Region {
        country: "IT",
        language: "it",
        female: ["Giulia", "Francesca", "Chiara", "Paola", "Sara", "Elena"],
        male: ["Marco", "Luca", "Giuseppe", "Andrea", "Matteo", "Paolo"],
        family: [
            "Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "Romano", "Conti", "Greco",
        ],
        streets: ["Via Roma", "Via Garibaldi", "Via dei Mille"],
        cities: ["Bologna", "Verona", "Perugia"],
    },
    Region {
        country: "PL",
        language: "pl",
        female: [
            "Agnieszka",
            "Katarzyna",
            "Zofia",
            "Ewa",
            "Małgorzata",
            "Hanna",
        ],
        male: ["Piotr", "Krzysztof", "Tomasz", "Paweł", "Jakub", "Michał"],
        family: [
            "Nowak",
            "Wójcik",
            "Mazur",
            "Krawczyk",
            "Kaczmarek",
            "Zając",
            "Król",
            "Pawlak",
        ],
        streets: ["ul. Polna", "ul. Leśna", "ul. Ogrodowa"],
        cities: ["Łódź", "Poznań", "Lublin"],
    },
    Region {
        country: "RO",
        language: "ro",
        female: ["Maria", "Ioana", "Elena", "Andreea", "Mihaela", "Ana"],
        male: ["Andrei", "Ion", "Mihai", "Alexandru", "Ștefan", "Cristian"],
        family: [
            "Popescu", "Ionescu", "Popa", "Dumitru", "Stan", "Gheorghe", "Rusu", "Munteanu",
        ],
        streets: ["Strada Florilor", "Strada Libertății", "Strada Morii"],
        cities: ["Iași", "Cluj-Napoca", "Brașov"],
    },
    Region {
        country: "NL",
        language: "nl",
        female: ["Sanne", "Emma", "Johanna", "Lotte", "Anouk", "Femke"],
        male: ["Daan", "Jan", "Pieter", "Sem", "Willem", "Bram"],
        family: [
            "de Jong", "Jansen", "de Vries", "Bakker", "Visser", "Smit", "Mulder", "Bos",
        ],
        streets: ["Kerkstraat", "Molenweg", "Dorpsstraat"],
        cities: ["Utrecht", "Groningen", "Breda"],
    },
    Region {
        country: "SE",
        language: "sv",
        female: ["Astrid", "Ingrid", "Elsa", "Karin", "Maja", "Åsa"],
        male: ["Lars", "Erik", "Anders", "Oskar", "Nils", "Göran"],
        family: [
            "Andersson",
            "Johansson",
            "Karlsson",
            "Nilsson",
            "Berg",
            "Lind",
            "Öberg",
            "Holm",
        ],
        streets: ["Storgatan", "Skolgatan", "Björkvägen"],
        cities: ["Uppsala", "Örebro", "Lund"],
    },
    Region {
        country: "IE",
        language: "en",
        female: ["Aoife", "Mary", "Ciara", "Sarah", "Grace", "Margaret"],
        male: ["Sean", "Patrick", "Conor", "John", "Liam", "Michael"],
        family: [
            "Murphy", "Kelly", "Byrne", "Ryan", "O'Brien", "Walsh", "Doyle", "Nolan",
        ],
        streets: ["Main Street", "Church Road", "Mill Lane"],
        cities: ["Cork", "Galway", "Sligo"],
    },
];
