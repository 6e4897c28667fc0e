//! A computed tomography of the chest: one DICOM file per slice, half a megabyte each.

use crate::SampleFile;
use crate::calendar::TODAY;
use crate::dicom::{CT_IMAGE, Dataset};
use crate::person::{Gender, Person, patient_folder};
use crate::random::Random;

/// Slices of a whole study.
pub const IMAGING_SLICES: u32 = 500;

/// Rows and columns of a slice; two bytes for each pixel.
const SIDE: u16 = 512;
/// Distance between slices in thousandths of a millimetre.
const SPACING_MICROMETRES: u64 = 1_250;

/// The slices of a study of the patient of `seed`, each made when it is asked for: files of about
/// 525 KB. A slice does not depend on how many there are; a whole study has [`IMAGING_SLICES`].
pub fn imaging_study(seed: u64, slices: u32) -> impl Iterator<Item = SampleFile> {
    let study = Study::new(seed);
    (1..=slices).map(move |number| study.slice(number))
}

struct Study {
    seed: u64,
    person: Person,
    referrer: Person,
    uid: String,
    series: String,
    frame: String,
    implementation: String,
    accession: String,
    date: String,
}

impl Study {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, "imaging study");
        Self {
            seed,
            person: Person::patient(seed),
            referrer: Person::random(&mut random),
            uid: uid(&mut random),
            series: uid(&mut random),
            frame: uid(&mut random),
            implementation: uid(&mut random),
            accession: random.digits(10),
            date: TODAY.before(random.between(1, 900)).digits(),
        }
    }

    fn slice(&self, number: u32) -> SampleFile {
        let mut random = Random::new(self.seed, &format!("imaging slice {number}"));
        let instance = uid(&mut random);
        let mut file = Dataset::ct_image(&instance, &self.implementation);
        self.push_study(&mut file, &instance);
        self.push_series(&mut file, number);
        push_image(&mut file);
        file.bytes((0x7fe0, 0x0010), *b"OW", &pixels(&mut random));
        let path = format!("{}/imaging/IM{number:05}.dcm", patient_folder(self.seed));
        SampleFile {
            path,
            content: file.into_file(),
        }
    }

    fn push_study(&self, file: &mut Dataset, instance: &str) {
        file.text((0x0008, 0x0005), *b"CS", "ISO_IR 192");
        file.text((0x0008, 0x0008), *b"CS", "ORIGINAL\\PRIMARY\\AXIAL");
        file.text((0x0008, 0x0016), *b"UI", CT_IMAGE);
        file.text((0x0008, 0x0018), *b"UI", instance);
        file.text((0x0008, 0x0020), *b"DA", &self.date);
        file.text((0x0008, 0x0021), *b"DA", &self.date);
        file.text((0x0008, 0x0023), *b"DA", &self.date);
        file.text((0x0008, 0x0030), *b"TM", "101500");
        file.text((0x0008, 0x0033), *b"TM", "101730");
        file.text((0x0008, 0x0050), *b"SH", &self.accession);
        file.text((0x0008, 0x0060), *b"CS", "CT");
        file.text((0x0008, 0x0070), *b"LO", "Sample Imaging");
        file.text((0x0008, 0x0090), *b"PN", &person_name(&self.referrer));
        file.text((0x0008, 0x1030), *b"LO", "CT chest");
        file.text((0x0008, 0x103e), *b"LO", "Axial 1.25 mm");
        file.text((0x0010, 0x0010), *b"PN", &person_name(&self.person));
        file.text((0x0010, 0x0020), *b"LO", &self.person.record_number);
        file.text((0x0010, 0x0030), *b"DA", &self.person.birth.digits());
        let sex = match self.person.gender {
            Gender::Female => "F",
            Gender::Male => "M",
        };
        file.text((0x0010, 0x0040), *b"CS", sex);
    }

    fn push_series(&self, file: &mut Dataset, number: u32) {
        let depth = u64::from(number) * SPACING_MICROMETRES;
        let position = format!("-180\\-180\\-{}.{:03}", depth / 1_000, depth % 1_000);
        file.text((0x0018, 0x0015), *b"CS", "CHEST");
        file.text((0x0018, 0x0050), *b"DS", "1.25");
        file.text((0x0018, 0x0060), *b"DS", "120");
        file.text((0x0018, 0x5100), *b"CS", "HFS");
        file.text((0x0020, 0x000d), *b"UI", &self.uid);
        file.text((0x0020, 0x000e), *b"UI", &self.series);
        file.text((0x0020, 0x0010), *b"SH", &self.accession);
        file.text((0x0020, 0x0011), *b"IS", "2");
        file.text((0x0020, 0x0012), *b"IS", "1");
        file.text((0x0020, 0x0013), *b"IS", &number.to_string());
        file.text((0x0020, 0x0032), *b"DS", &position);
        file.text((0x0020, 0x0037), *b"DS", "1\\0\\0\\0\\1\\0");
        file.text((0x0020, 0x0052), *b"UI", &self.frame);
        file.text((0x0020, 0x1040), *b"LO", "");
    }
}

fn push_image(file: &mut Dataset) {
    file.short((0x0028, 0x0002), 1);
    file.text((0x0028, 0x0004), *b"CS", "MONOCHROME2");
    file.short((0x0028, 0x0010), SIDE);
    file.short((0x0028, 0x0011), SIDE);
    file.text((0x0028, 0x0030), *b"DS", "0.703125\\0.703125");
    file.short((0x0028, 0x0100), 16);
    file.short((0x0028, 0x0101), 12);
    file.short((0x0028, 0x0102), 11);
    file.short((0x0028, 0x0103), 0);
    file.text((0x0028, 0x1050), *b"DS", "40");
    file.text((0x0028, 0x1051), *b"DS", "400");
    file.text((0x0028, 0x1052), *b"DS", "-1024");
    file.text((0x0028, 0x1053), *b"DS", "1");
}

/// A body with two lungs and a spine, and the noise of the detector: stored values of 12 bits,
/// Hounsfield units plus 1,024.
fn pixels(random: &mut Random) -> Vec<u8> {
    let side = usize::from(SIDE);
    let mut noise = vec![0; side * side];
    random.fill(&mut noise);
    let mut pixels = Vec::with_capacity(noise.len() * 2);
    for (row, line) in (0..i64::from(SIDE)).zip(noise.chunks(side)) {
        for (column, noise) in (0..i64::from(SIDE)).zip(line) {
            let value = tissue(column, row) + u16::from(*noise & 0x3f);
            pixels.extend_from_slice(&value.to_le_bytes());
        }
    }
    pixels
}

fn tissue(column: i64, row: i64) -> u16 {
    let inside = |(x, y): (i64, i64), (width, height): (i64, i64)| {
        let (x, y) = ((column - x) * height, (row - y) * width);
        x * x + y * y < width * width * height * height
    };
    if !inside((256, 256), (220, 160)) {
        return 0;
    }
    if inside((256, 370), (24, 24)) {
        return 1_620;
    }
    if inside((160, 240), (70, 100)) || inside((352, 240), (70, 100)) {
        return 180;
    }
    1_050
}

/// A UID made from a UUID (PS3.5 Annex B.2).
fn uid(random: &mut Random) -> String {
    format!("2.25.{}", random.uuid_number())
}

/// `Family^Given` (PS3.5 §6.2, PN).
fn person_name(person: &Person) -> String {
    format!("{}^{}", person.family, person.given)
}
