//! Realistic health records from a seed: FHIR bundles, summaries, imaging studies, leaflets, device readings.
//!
//! The same seed gives the same bytes on every machine: there is no clock, no floating point and no
//! hash map in here, and the random numbers are those of `ChaCha8`. Nobody in these records exists: names
//! are drawn from short lists of common ones, and numbers are random.
//!
//! All files of one patient carry that patient: [`patient_summary`], [`fhir_bundle`],
//! [`device_readings`] and [`imaging_study`] of one seed name the same person, and their paths begin
//! with the same folder, [`patient_folder`].

mod bundle;
mod calendar;
mod codes;
mod dicom;
mod fhir;
mod imaging;
mod json;
mod leaflet;
mod leaflet_texts;
mod person;
mod png;
mod prose;
mod random;
mod readings;
mod summary;

pub use bundle::{
    BUNDLE_BYTES_MAX, BUNDLE_BYTES_MIN, fhir_bundle, fhir_bundle_bytes, fhir_bundle_of,
};
pub use imaging::{IMAGING_SLICES, imaging_study};
pub use leaflet::{LEAFLET_FILES, leaflet};
pub use person::patient_folder;
pub use readings::device_readings;
pub use summary::patient_summary;

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    /// A relative path of plain ASCII segments with `/` between them.
    pub path: String,
    /// The content.
    pub content: Vec<u8>,
}

/// Days of device readings in a patient's folder.
const FOLDER_DAYS: u32 = 7;

/// The files of one patient's folder, each made when it is asked for: a summary, the record (a
/// FHIR bundle, by far the largest) and a week of device readings. No imaging: see
/// [`imaging_study`].
pub fn patient(seed: u64) -> impl Iterator<Item = SampleFile> {
    let makers: [fn(u64) -> SampleFile; 3] = [patient_summary, fhir_bundle, |seed| {
        device_readings(seed, FOLDER_DAYS)
    }];
    makers.into_iter().map(move |make| make(seed))
}
