//! Codes that the records use: small, common parts of public code systems.

/// Decimal places and range of a measured value, in units of its last place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) places: u32,
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// Something that is measured: LOINC code and name, unit as printed and in UCUM, and the range in
/// which the samples lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) loinc: &'static str,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ucum: &'static str,
    pub(crate) scale: Scale,
}

/// A problem: SNOMED CT code and name, ICD-10 code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    pub(crate) snomed: &'static str,
    pub(crate) name: &'static str,
    pub(crate) icd10: &'static str,
}

/// A medicine: ATC code, substance, strength in milligrams (micrograms for a few).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medicine {
    pub(crate) atc: &'static str,
    pub(crate) name: &'static str,
    pub(crate) strength: u64,
    pub(crate) unit: &'static str,
}

/// A code and its name in a system that the place of use states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
}

const fn measure(
    loinc: &'static str,
    name: &'static str,
    unit: &'static str,
    ucum: &'static str,
    (places, low, high): (u32, u64, u64),
) -> Measure {
    Measure {
        loinc,
        name,
        unit,
        ucum,
        scale: Scale { places, low, high },
    }
}

const fn problem(snomed: &'static str, name: &'static str, icd10: &'static str) -> Problem {
    Problem {
        snomed,
        name,
        icd10,
    }
}

const fn medicine(
    atc: &'static str,
    name: &'static str,
    strength: u64,
    unit: &'static str,
) -> Medicine {
    Medicine {
        atc,
        name,
        strength,
        unit,
    }
}

const fn term(code: &'static str, name: &'static str) -> Term {
    Term { code, name }
}

/// Blood pressure is one observation with two components.
pub(crate) const BLOOD_PRESSURE: Term =
    term("85354-9", "Blood pressure panel with all children optional");
pub(crate) const SYSTOLIC: Measure = measure(
    "8480-6",
    "Systolic blood pressure",
    "mmHg",
    "mm[Hg]",
    (0, 98, 172),
);
pub(crate) const DIASTOLIC: Measure = measure(
    "8462-4",
    "Diastolic blood pressure",
    "mmHg",
    "mm[Hg]",
    (0, 58, 104),
);

pub(crate) const VITALS: [Measure; 6] = [
    measure("8867-4", "Heart rate", "/min", "/min", (0, 52, 108)),
    measure("8310-5", "Body temperature", "Cel", "Cel", (1, 361, 386)),
    measure("9279-1", "Respiratory rate", "/min", "/min", (0, 11, 22)),
    measure("29463-7", "Body weight", "kg", "kg", (1, 480, 1120)),
    measure("8302-2", "Body height", "cm", "cm", (0, 151, 196)),
    measure(
        "59408-5",
        "Oxygen saturation in Arterial blood by Pulse oximetry",
        "%",
        "%",
        (0, 92, 99),
    ),
];

pub(crate) const LABORATORY: [Measure; 16] = [
    measure(
        "4548-4",
        "Hemoglobin A1c/Hemoglobin.total in Blood",
        "%",
        "%",
        (1, 48, 98),
    ),
    measure(
        "2345-7",
        "Glucose [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (0, 68, 212),
    ),
    measure(
        "718-7",
        "Hemoglobin [Mass/volume] in Blood",
        "g/dL",
        "g/dL",
        (1, 98, 171),
    ),
    measure(
        "6690-2",
        "Leukocytes [#/volume] in Blood by Automated count",
        "10*3/uL",
        "10*3/uL",
        (1, 34, 138),
    ),
    measure(
        "777-3",
        "Platelets [#/volume] in Blood by Automated count",
        "10*3/uL",
        "10*3/uL",
        (0, 128, 420),
    ),
    measure(
        "2160-0",
        "Creatinine [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (2, 55, 192),
    ),
    measure(
        "2951-2",
        "Sodium [Moles/volume] in Serum or Plasma",
        "mmol/L",
        "mmol/L",
        (0, 132, 147),
    ),
    measure(
        "2823-3",
        "Potassium [Moles/volume] in Serum or Plasma",
        "mmol/L",
        "mmol/L",
        (1, 33, 54),
    ),
    measure(
        "1742-6",
        "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        (0, 9, 92),
    ),
    measure(
        "1920-8",
        "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        (0, 10, 84),
    ),
    measure(
        "2093-3",
        "Cholesterol [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (0, 118, 292),
    ),
    measure(
        "2571-8",
        "Triglyceride [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (0, 52, 341),
    ),
    measure(
        "2085-9",
        "Cholesterol in HDL [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (0, 31, 88),
    ),
    measure(
        "3016-3",
        "Thyrotropin [Units/volume] in Serum or Plasma",
        "m[IU]/L",
        "m[IU]/L",
        (2, 31, 672),
    ),
    measure(
        "1988-5",
        "C reactive protein [Mass/volume] in Serum or Plasma",
        "mg/L",
        "mg/L",
        (1, 3, 628),
    ),
    measure(
        "3094-0",
        "Urea nitrogen [Mass/volume] in Serum or Plasma",
        "mg/dL",
        "mg/dL",
        (0, 7, 44),
    ),
];

pub(crate) const PROBLEMS: [Problem; 22] = [
    problem("44054006", "Diabetes mellitus type 2", "E11.9"),
    problem(
        "38341003",
        "Hypertensive disorder, systemic arterial",
        "I10",
    ),
    problem("195967001", "Asthma", "J45.9"),
    problem("13645005", "Chronic obstructive lung disease", "J44.9"),
    problem("49436004", "Atrial fibrillation", "I48.9"),
    problem("84114007", "Heart failure", "I50.9"),
    problem("53741008", "Coronary arteriosclerosis", "I25.1"),
    problem("55822004", "Hyperlipidemia", "E78.5"),
    problem("40930008", "Hypothyroidism", "E03.9"),
    problem("709044004", "Chronic kidney disease", "N18.9"),
    problem("396275006", "Osteoarthritis", "M19.9"),
    problem("35489007", "Depressive disorder", "F32.9"),
    problem("37796009", "Migraine", "G43.9"),
    problem("235595009", "Gastroesophageal reflux disease", "K21.9"),
    problem("69896004", "Rheumatoid arthritis", "M06.9"),
    problem("64859006", "Osteoporosis", "M81.9"),
    problem("54150009", "Upper respiratory infection", "J06.9"),
    problem("10509002", "Acute bronchitis", "J20.9"),
    problem("68566005", "Urinary tract infectious disease", "N39.0"),
    problem("44465007", "Sprain of ankle", "S93.4"),
    problem("271737000", "Anemia", "D64.9"),
    problem("279039007", "Low back pain", "M54.5"),
];

pub(crate) const MEDICINES: [Medicine; 16] = [
    medicine("A10BA02", "metformin", 850, "mg"),
    medicine("C09AA02", "enalapril", 10, "mg"),
    medicine("C09AA05", "ramipril", 5, "mg"),
    medicine("C10AA05", "atorvastatin", 20, "mg"),
    medicine("C07AB02", "metoprolol", 50, "mg"),
    medicine("B01AC06", "acetylsalicylic acid", 100, "mg"),
    medicine("C08CA01", "amlodipine", 5, "mg"),
    medicine("H03AA01", "levothyroxine sodium", 75, "ug"),
    medicine("R03AC02", "salbutamol", 100, "ug"),
    medicine("A02BC01", "omeprazole", 20, "mg"),
    medicine("N06AB06", "sertraline", 50, "mg"),
    medicine("N02BE01", "paracetamol", 500, "mg"),
    medicine("M01AE01", "ibuprofen", 400, "mg"),
    medicine("J01CA04", "amoxicillin", 500, "mg"),
    medicine("B01AF02", "apixaban", 5, "mg"),
    medicine("C03CA01", "furosemide", 40, "mg"),
];

/// SNOMED CT.
pub(crate) const ALLERGIES: [Term; 7] = [
    term("91936005", "Allergy to penicillin"),
    term("91935009", "Allergy to peanut"),
    term("300916003", "Latex allergy"),
    term("419474003", "Allergy to mould"),
    term("418689008", "Allergy to grass pollen"),
    term("91934008", "Allergy to nut"),
    term("294505008", "Allergy to amoxicillin"),
];

/// SNOMED CT.
pub(crate) const PROCEDURES: [Term; 6] = [
    term("73761001", "Colonoscopy"),
    term("80146002", "Appendectomy"),
    term("38102005", "Cholecystectomy"),
    term("399208008", "Plain chest X-ray"),
    term("29303009", "Electrocardiographic procedure"),
    term("40701008", "Echocardiography"),
];

/// CVX.
pub(crate) const VACCINES: [Term; 6] = [
    term("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose"),
    term(
        "207",
        "COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5mL dose or 50 mcg/0.25mL dose",
    ),
    term("140", "Influenza, split virus, trivalent, PF"),
    term("115", "Tdap"),
    term("133", "Pneumococcal conjugate PCV 13"),
    term("43", "Hep B, adult"),
];

/// LOINC document types.
pub(crate) const LETTERS: [Term; 5] = [
    term("18842-5", "Discharge summary"),
    term("11488-4", "Consult note"),
    term("11506-3", "Progress note"),
    term("34117-2", "History and physical note"),
    term("18748-4", "Diagnostic imaging study"),
];
