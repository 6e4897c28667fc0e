//! The leaflet of a medicine: twelve languages, each as XML for machines, as HTML for people and as
//! HTML for professionals, with the pictures that all of them show.

use crate::SampleFile;
use crate::codes::{MEDICINES, Medicine};
use crate::json::{Json, object};
use crate::leaflet_texts::{TEXTS, Texts};
use crate::png::png;
use crate::random::Random;

/// Files of a leaflet.
pub const LEAFLET_FILES: usize = 3 * TEXTS.len() + PICTURES.len() + 2;

/// Name, width and height of the pictures.
const PICTURES: [(&str, u32, u32); 9] = [
    ("pack-front", 280, 200),
    ("pack-back", 280, 200),
    ("blister", 240, 180),
    ("tablet", 200, 160),
    ("step-1", 220, 170),
    ("step-2", 220, 170),
    ("step-3", 220, 170),
    ("step-4", 220, 170),
    ("logo", 160, 120),
];

/// Bytes of text in the files of one language.
const XML_BYTES: usize = 36_000;
const PATIENT_BYTES: usize = 28_000;
const PROFESSIONAL_BYTES: usize = 26_000;

/// The files of the product of `seed`: [`LEAFLET_FILES`] of them, 2.2 MB together.
#[must_use]
pub fn leaflet(seed: u64) -> Vec<SampleFile> {
    let mut random = Random::new(seed, "leaflet");
    let product = Product::new(&mut random);
    let folder = format!("product-{seed:06}");
    let file = |path: String, content: Vec<u8>| SampleFile {
        path: format!("{folder}/{path}"),
        content,
    };
    let mut files = vec![
        file(
            "product.json".to_owned(),
            product.json().text().into_bytes(),
        ),
        file("style.css".to_owned(), STYLE.as_bytes().to_vec()),
    ];
    for (name, width, height) in PICTURES {
        files.push(file(
            format!("images/{name}.png"),
            picture(width, height, &mut random),
        ));
    }
    for texts in &TEXTS {
        let language = texts.language;
        let xml = product.xml(texts, &mut random);
        let patient = product.html(texts, PATIENT_BYTES, &mut random);
        let professional = product.html(texts, PROFESSIONAL_BYTES, &mut random);
        files.push(file(format!("{language}/leaflet.xml"), xml.into_bytes()));
        files.push(file(
            format!("{language}/leaflet.html"),
            patient.into_bytes(),
        ));
        files.push(file(
            format!("{language}/professional.html"),
            professional.into_bytes(),
        ));
    }
    files
}

const STYLE: &str = "body { font-family: sans-serif; max-width: 44em; margin: 1em auto; }\n\
                     h1 { font-size: 1.4em; }\nh2 { font-size: 1.1em; }\nimg { max-width: 100%; }\n";

struct Product {
    name: String,
    medicine: Medicine,
    gtin: String,
    batch: String,
}

impl Product {
    fn new(random: &mut Random) -> Self {
        let medicine = random.pick(&MEDICINES);
        let begin = random.pick(&["Neo", "Vita", "Medi", "Pro", "Sana", "Alva"]);
        let end = random.pick(&["lin", "dor", "xan", "ril", "tal", "mex"]);
        let name = format!("{begin}{end} {} {}", medicine.strength, medicine.unit);
        Self {
            name,
            medicine,
            gtin: gtin(random),
            batch: random.digits(8),
        }
    }

    fn json(&self) -> Json {
        let languages: Vec<Json> = TEXTS.iter().map(|it| it.language.into()).collect();
        object([
            ("name", self.name.clone().into()),
            ("gtin", self.gtin.clone().into()),
            ("batch", self.batch.clone().into()),
            ("expiry", "2028-05-31".into()),
            ("substance", self.medicine.name.into()),
            ("atc", self.medicine.atc.into()),
            ("languages", languages.into()),
        ])
    }

    fn xml(&self, texts: &Texts, random: &mut Random) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<leaflet xml:lang=\"{}\" gtin=\"{}\">\n\
             <title>{}</title>\n<product>{}</product>\n",
            texts.language, self.gtin, texts.title, self.name
        );
        for (number, heading) in (1..).zip(texts.headings) {
            let heading = heading.replace("{}", &self.name);
            let open = format!("<section number=\"{number}\">\n<title>{heading}</title>\n");
            text.push_str(&open);
            push_paragraphs(&mut text, texts, ("<p>", "</p>\n"), XML_BYTES / 6, random);
            text.push_str("</section>\n");
        }
        text.push_str("</leaflet>\n");
        text
    }

    fn html(&self, texts: &Texts, bytes: usize, random: &mut Random) -> String {
        let mut text = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{}</title>\n<link rel=\"stylesheet\" href=\"../style.css\">\n</head>\n<body>\n\
             <h1>{}</h1>\n<p><strong>{}</strong></p>\n",
            texts.language, self.name, texts.title, self.name
        );
        for (number, (heading, (picture, ..))) in (1..).zip(texts.headings.iter().zip(PICTURES)) {
            let heading = heading.replace("{}", &self.name);
            let image = format!("<img src=\"../images/{picture}.png\" alt=\"\">\n");
            let open = format!("<h2>{number}. {heading}</h2>\n{image}");
            text.push_str(&open);
            push_paragraphs(&mut text, texts, ("<p>", "</p>\n"), bytes / 6, random);
        }
        text.push_str("</body>\n</html>\n");
        text
    }
}

/// Adds paragraphs of at least `bytes` bytes together. No text has characters that need escaping.
fn push_paragraphs(
    text: &mut String,
    texts: &Texts,
    (open, close): (&str, &str),
    bytes: usize,
    random: &mut Random,
) {
    let end = text.len() + bytes;
    while text.len() < end {
        text.push_str(open);
        for _ in 0..random.between(2, 6) {
            text.push_str(random.pick(&texts.sentences));
            text.push(' ');
        }
        text.push_str(close);
    }
}

/// A noisy picture in one colour: photographs do not compress either.
fn picture(width: u32, height: u32, random: &mut Random) -> Vec<u8> {
    let row_bytes = usize::try_from(width).unwrap_or(0) * 3;
    let rows = usize::try_from(height).unwrap_or(0);
    let mut pixels = vec![0; row_bytes * rows];
    random.fill(&mut pixels);
    let tone = [random.below(128), random.below(128), random.below(128)];
    let tone = tone.map(|it| u8::try_from(it).unwrap_or(0));
    for (pixel, tone) in pixels.iter_mut().zip(tone.into_iter().cycle()) {
        *pixel = *pixel % 128 + tone;
    }
    png(width, pixels.chunks(row_bytes))
}

/// A 14-digit number with the check digit of GS1.
fn gtin(random: &mut Random) -> String {
    let digits = random.digits(13);
    let sum: u32 = digits
        .chars()
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or(0) * weight)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}
