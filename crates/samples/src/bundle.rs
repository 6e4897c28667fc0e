//! A patient's record as one FHIR R4 Bundle of type `collection`, 20 KB to 20 MB.

use crate::SampleFile;
use crate::calendar::TODAY;
use crate::codes::{ALLERGIES, LETTERS, PROBLEMS};
use crate::fhir::chart::Chart;
use crate::fhir::{clinical, documents};
use crate::json::object;
use crate::person::patient_folder;
use crate::prose;
use crate::random::Random;

/// Size of the smallest bundle in bytes.
pub const BUNDLE_BYTES_MIN: usize = 20_000;
/// Size of the largest bundle in bytes.
pub const BUNDLE_BYTES_MAX: usize = 20_000_000;

/// How many of a thousand bundles lie in each octave, from `BUNDLE_BYTES_MIN` up: most are small,
/// most of the bytes are in the large ones, and the mean is 0.8 MB.
const OCTAVES_PER_MILLE: [u64; 10] = [147, 170, 170, 150, 115, 105, 70, 46, 20, 7];

/// The record of the patient of `seed`, of [`fhir_bundle_bytes`] bytes.
#[must_use]
pub fn fhir_bundle(seed: u64) -> SampleFile {
    fhir_bundle_of(seed, fhir_bundle_bytes(seed))
}

/// The size in bytes that [`fhir_bundle`] aims at, without making it: from [`BUNDLE_BYTES_MIN`] to
/// [`BUNDLE_BYTES_MAX`], heavy-tailed, 0.8 MB in the mean over many seeds.
#[must_use]
pub fn fhir_bundle_bytes(seed: u64) -> usize {
    let mut random = Random::new(seed, "bundle bytes");
    let mut place = random.below(1_000);
    let mut low = BUNDLE_BYTES_MIN as u64;
    for share in OCTAVES_PER_MILLE {
        if place < share {
            break;
        }
        place -= share;
        low *= 2;
    }
    let high = (2 * low - 1).min(BUNDLE_BYTES_MAX as u64);
    usize::try_from(random.between(low, high)).unwrap_or(BUNDLE_BYTES_MAX)
}

/// A record of the patient of `seed` with this size: at most `bytes`, and at most three less.
/// Sizes below [`BUNDLE_BYTES_MIN`] count as that, sizes above [`BUNDLE_BYTES_MAX`] are made.
#[must_use]
pub fn fhir_bundle_of(seed: u64, bytes: usize) -> SampleFile {
    let bytes = bytes.max(BUNDLE_BYTES_MIN);
    let mut random = Random::new(seed, "bundle");
    let (chart, people) = Chart::open(seed, &mut random);
    let mut text = head(&mut random);
    text.reserve(bytes);
    for entry in people {
        push_entry(&mut text, &entry.text());
    }
    push_background(&mut text, &chart, &mut random);
    let close = "]}";
    let last = letter_entry(&chart, &mut random.clone(), "");
    // What the last letter takes without its text, its comma, and the end of the bundle.
    let reserved = last.len() + 1 + close.len();
    loop {
        let visit: Vec<String> = chart
            .visit(&mut random)
            .iter()
            .map(crate::fhir::Entry::text)
            .collect();
        let visit_bytes: usize = visit.iter().map(|it| it.len() + 1).sum();
        if text.len() + visit_bytes + reserved > bytes {
            break;
        }
        for entry in &visit {
            push_entry(&mut text, entry);
        }
    }
    let mut fork = random.clone();
    let encoded_bytes = bytes - reserved - text.len();
    let letter = prose::letter(&mut random, encoded_bytes / 4 * 3);
    push_entry(&mut text, &letter_entry(&chart, &mut fork, &letter));
    text.push_str(close);
    let path = format!("{}/record.json", patient_folder(seed));
    SampleFile {
        path,
        content: text.into_bytes(),
    }
}

/// A last letter, which fills the bundle. Without text its length is always the same.
fn letter_entry(chart: &Chart, random: &mut Random, text: &str) -> String {
    let [kind, ..] = LETTERS;
    documents::document_reference(chart, random.uuid(), kind, TODAY.at(0), text).text()
}

/// The bundle up to its first entry.
fn head(random: &mut Random) -> String {
    let identifier = object([
        ("system", "urn:ietf:rfc:3986".into()),
        ("value", format!("urn:uuid:{}", random.uuid()).into()),
    ]);
    let head = object([
        ("resourceType", "Bundle".into()),
        ("id", random.uuid().into()),
        ("identifier", identifier),
        ("type", "collection".into()),
        ("timestamp", TODAY.at(0).text().into()),
    ]);
    let mut text = head.text();
    text.pop();
    text.push_str(",\"entry\":[");
    text
}

/// What is known from before: problems and allergies.
fn push_background(text: &mut String, chart: &Chart, random: &mut Random) {
    let when = TODAY
        .before(random.between(400, 4_000))
        .max(chart.person.birth)
        .at(36_000);
    for _ in 0..random.between(1, 4) {
        let problem = random.pick(&PROBLEMS);
        push_entry(
            text,
            &clinical::condition(chart, &problem, None, when, random).text(),
        );
    }
    if random.chance(40) {
        let term = random.pick(&ALLERGIES);
        push_entry(text, &clinical::allergy(chart, term, when, random).text());
    }
}

fn push_entry(text: &mut String, entry: &str) {
    if text.ends_with('}') {
        text.push(',');
    }
    text.push_str(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_heavy_tailed_with_a_mean_of_800_kb() {
        let mut sizes: Vec<usize> = (0..2_000).map(fhir_bundle_bytes).collect();
        sizes.sort_unstable();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((720_000..=880_000).contains(&mean), "mean {mean}");
        assert!(
            (120_000..=240_000).contains(&sizes[1_000]),
            "median {}",
            sizes[1_000]
        );
        assert!(
            sizes[0] >= BUNDLE_BYTES_MIN && sizes[0] < 21_000,
            "least {}",
            sizes[0]
        );
        assert!(sizes[1_999] <= BUNDLE_BYTES_MAX, "most {}", sizes[1_999]);
        let of_the_largest_tenth: usize = sizes[1_800..].iter().sum();
        assert!(
            of_the_largest_tenth * 2 > sizes.iter().sum::<usize>(),
            "{of_the_largest_tenth}"
        );
    }
}
