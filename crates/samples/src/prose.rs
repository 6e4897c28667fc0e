//! The text of letters: ASCII sentences as they stand in many a chart.

use crate::random::Random;

const SENTENCES: [&str; 26] = [
    "The patient was seen in the outpatient clinic for a planned follow-up.",
    "History was taken and the medication list was reviewed together.",
    "No chest pain, no shortness of breath at rest, no palpitations.",
    "Sleep is good, appetite is unchanged, weight is stable.",
    "Mild ankle swelling in the evening, which goes down overnight.",
    "Lungs are clear on both sides, heart sounds are regular without murmur.",
    "The abdomen is soft and not tender, bowel sounds are present.",
    "Neurological examination without focal findings.",
    "Blood pressure at home was between 125/75 and 145/85 over the last weeks.",
    "Laboratory values are listed in the attached report.",
    "The electrocardiogram shows sinus rhythm with a normal axis.",
    "The chest film shows no infiltrate and no effusion.",
    "The dose was lowered because of dizziness after standing up.",
    "The treatment is well tolerated and is continued unchanged.",
    "Diet and daily exercise were discussed, written material was handed out.",
    "The patient smokes about ten cigarettes a day and wishes to stop.",
    "Vaccinations were checked and are complete.",
    "A control of kidney function and electrolytes is planned in three months.",
    "We ask the general practitioner to continue the prescription.",
    "Should symptoms return, the patient will come back at any time.",
    "The wound is dry and healing well, stitches were removed.",
    "Mobility of the joint is almost free, pain only under load.",
    "Physiotherapy twice a week is recommended for another six weeks.",
    "The family history is positive for heart disease on the father's side.",
    "Findings and further steps were explained, and all questions were answered.",
    "The next appointment has been made.",
];

/// A text of exactly `bytes` ASCII characters: sentences in paragraphs, the last one cut.
pub(crate) fn letter(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 100);
    while text.len() < bytes {
        text.push_str(random.pick(&SENTENCES));
        text.push(if random.chance(20) { '\n' } else { ' ' });
    }
    text.truncate(bytes);
    text
}
