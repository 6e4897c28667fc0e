//! Every generator: the same bytes for the same seed, sizes, and formats that read back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use samples::{
    BUNDLE_BYTES_MAX, BUNDLE_BYTES_MIN, LEAFLET_FILES, SampleFile, device_readings, fhir_bundle,
    fhir_bundle_bytes, fhir_bundle_of, imaging_study, leaflet, patient, patient_folder,
    patient_summary,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Hex of the SHA-256 over paths and contents.
fn digest(files: impl IntoIterator<Item = SampleFile>) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.path.as_bytes());
        hash.update([0]);
        hash.update((file.content.len() as u64).to_be_bytes());
        hash.update(&file.content);
    }
    let digits: Vec<String> = hash
        .finalize()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    digits.concat()
}

/// A change here changes what everybody's seeds mean; it must be meant.
#[test]
fn a_seed_has_its_bytes_for_ever() {
    let check = |name: &str, files: Vec<SampleFile>, expected: &str| {
        assert_eq!(digest(files), expected, "{name}");
    };
    check(
        "summary",
        vec![patient_summary(1)],
        "a99deb72c48415a4130bcaf59de727ef77b157234d5e54ee88755630647ec952",
    );
    check(
        "bundle",
        vec![fhir_bundle(1)],
        "3d7c9e1f0feacb87c8d3f5580ad480829a4d542338c9a6460231be92bdaddba0",
    );
    check(
        "bundle of",
        vec![fhir_bundle_of(2, 300_000)],
        "78643c988184f18a3c9805f07dfe1064b4e68cf4113db8293c779a3d4a60585a",
    );
    check(
        "imaging",
        imaging_study(1, 2).collect(),
        "7339d449fa80f97aa6b354e2320d83f3749cadc323b9fa8237a77362b38584dd",
    );
    check(
        "leaflet",
        leaflet(1),
        "3f7d5666c249e40b6395c9fb4a8737dc57e3dcff570864b2773e8f9c67eb6468",
    );
    check(
        "readings",
        vec![device_readings(1, 2)],
        "e9c62f6580c81dc45f95322e956b95b611f9625b8d18f41c26f9f7ca6292861d",
    );
}

#[test]
fn seeds_differ() {
    assert_ne!(patient_summary(1).content, patient_summary(2).content);
    assert_ne!(leaflet(1)[2].content, leaflet(2)[2].content);
    let slices: Vec<SampleFile> = imaging_study(1, 3).collect();
    assert_eq!(imaging_study(1, 1).next(), slices.first().cloned());
    assert_ne!(slices[0].content, slices[1].content);
}

#[test]
fn bundles_have_the_size_they_aim_at() {
    for bytes in [BUNDLE_BYTES_MIN, 50_001, 333_334, 1_000_002, 4_000_003] {
        for seed in 0..6 {
            let length = fhir_bundle_of(seed, bytes).content.len();
            assert!(
                (bytes - 3..=bytes).contains(&length),
                "seed {seed}: {length} for {bytes}"
            );
        }
    }
    let seed = (0..1_000)
        .find(|it| fhir_bundle_bytes(*it) < 40_000)
        .unwrap();
    let length = fhir_bundle(seed).content.len();
    assert!((fhir_bundle_bytes(seed) - 3..=fhir_bundle_bytes(seed)).contains(&length));
    assert_eq!(
        fhir_bundle_of(1, 0).content,
        fhir_bundle_of(1, BUNDLE_BYTES_MIN).content
    );
    let largest = fhir_bundle_of(1, BUNDLE_BYTES_MAX).content;
    assert!((BUNDLE_BYTES_MAX - 3..=BUNDLE_BYTES_MAX).contains(&largest.len()));
    check_bundle(&largest, "collection");
}

#[test]
fn bundles_are_sound() {
    for seed in 0..30 {
        check_bundle(&fhir_bundle_of(seed, 200_000).content, "collection");
    }
}

#[test]
fn summaries_are_sound_and_about_50_kb() {
    for seed in 0..100 {
        let summary = patient_summary(seed).content;
        assert!(
            (40_000..=60_000).contains(&summary.len()),
            "seed {seed}: {}",
            summary.len()
        );
        let resources = check_bundle(&summary, "document");
        assert_eq!(resources[0], "Composition");
        let all: BTreeSet<&str> = resources.iter().map(String::as_str).collect();
        for kind in [
            "Patient",
            "Condition",
            "Observation",
            "MedicationStatement",
            "Immunization",
        ] {
            assert!(all.contains(kind), "seed {seed}: no {kind}");
        }
    }
}

/// Parses a bundle, checks its ids and references, gives the types of its resources.
fn check_bundle(bytes: &[u8], kind: &str) -> Vec<String> {
    let bundle: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(bundle["resourceType"], "Bundle");
    assert_eq!(bundle["type"], kind);
    let entries = bundle["entry"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry["fullUrl"].as_str().unwrap();
        assert_eq!(
            name,
            format!("urn:uuid:{}", entry["resource"]["id"].as_str().unwrap())
        );
        assert!(names.insert(name.to_owned()), "{name} twice");
    }
    for entry in entries {
        check_references(&entry["resource"], &names);
    }
    entries
        .iter()
        .map(|it| it["resource"]["resourceType"].as_str().unwrap().to_owned())
        .collect()
}

fn check_references(value: &Value, names: &BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|it| check_references(it, names)),
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get("reference") {
                assert!(names.contains(name), "{name} is not in the bundle");
            }
            members.values().for_each(|it| check_references(it, names));
        }
        _ => {}
    }
}

#[test]
fn a_folder_is_about_one_patient() {
    let seed = (0..1_000)
        .find(|it| fhir_bundle_bytes(*it) < 100_000)
        .unwrap();
    let files: Vec<SampleFile> = patient(seed).collect();
    let paths: Vec<&str> = files.iter().map(|it| it.path.as_str()).collect();
    let folder = patient_folder(seed);
    let expected = ["summary.json", "record.json", "readings.ndjson"];
    assert_eq!(paths, expected.map(|it| format!("{folder}/{it}")));
    let patients: Vec<Value> = files[..2].iter().map(patient_in).collect();
    assert_eq!(patients[0]["id"], patients[1]["id"]);
    assert_eq!(patients[0]["name"], patients[1]["name"]);
    let slice = imaging_study(seed, 1).next().unwrap();
    assert!(slice.path.starts_with(&folder), "{}", slice.path);
    let number = patients[0]["identifier"][0]["value"].as_str().unwrap();
    assert!(
        slice
            .content
            .windows(number.len())
            .any(|it| it == number.as_bytes())
    );
}

fn patient_in(file: &SampleFile) -> Value {
    let bundle: Value = serde_json::from_slice(&file.content).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let found = entries
        .iter()
        .find(|it| it["resource"]["resourceType"] == "Patient");
    found.unwrap()["resource"].clone()
}

#[test]
fn a_leaflet_is_47_files_and_2_2_mb() {
    for seed in 0..3 {
        let files = leaflet(seed);
        let bytes: usize = files.iter().map(|it| it.content.len()).sum();
        assert_eq!((files.len(), LEAFLET_FILES), (47, 47));
        assert!(
            (2_150_000..=2_250_000).contains(&bytes),
            "seed {seed}: {bytes}"
        );
        let paths: BTreeSet<&str> = files.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths.len(), 47);
    }
}

#[test]
fn a_slice_is_half_a_megabyte_of_dicom() {
    for slice in imaging_study(4, 3) {
        assert!(
            (524_288..=526_000).contains(&slice.content.len()),
            "{}",
            slice.content.len()
        );
        assert_eq!(slice.content[128..132], *b"DICM");
        let pixels = [
            0xe0, 0x7f, 0x10, 0x00, b'O', b'W', 0, 0, 0x00, 0x00, 0x08, 0x00,
        ];
        let start = slice.content.len() - 524_288 - pixels.len();
        assert_eq!(slice.content[start..][..pixels.len()], pixels);
    }
}

#[test]
fn readings_come_in_order_of_time() {
    let file = device_readings(5, 3);
    let text = String::from_utf8(file.content).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 3 * 288 * 2);
    let times: Vec<&str> = lines
        .iter()
        .map(|it| it["time"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted());
    assert_eq!(
        (times[0], times[1_727]),
        ("2026-06-27T00:00:00Z", "2026-06-29T23:55:00Z")
    );
    let glucose = lines.iter().filter(|it| it["metric"] == "glucose");
    assert!(glucose.clone().count() == 864);
    assert!(
        glucose
            .map(|it| it["value"].as_f64().unwrap())
            .all(|it| (3.2..=21.0).contains(&it))
    );
}
