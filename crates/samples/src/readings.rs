//! What a glucose sensor and a wrist band send: one JSON object per line.

use crate::SampleFile;
use crate::calendar::{DAY_SECONDS, TODAY};
use crate::json::{Json, decimal, object};
use crate::person::patient_folder;
use crate::random::Random;

/// Seconds between two readings of a device.
const INTERVAL_SECONDS: u64 = 300;

/// `days` days of glucose (mmol/L) and heart rate (/min) of the patient of `seed`, a reading of
/// each every five minutes, in order of time; about 65 KB for a day. NDJSON.
#[must_use]
pub fn device_readings(seed: u64, days: u32) -> SampleFile {
    let mut random = Random::new(seed, "readings");
    let (sensor, band) = (random.digits(9), random.digits(9));
    let start = TODAY.before(u64::from(days)).at(0);
    // Tenths of mmol/L, and beats.
    let (mut glucose, mut heart_rate) = (62, 68);
    let mut text = String::new();
    for step in 0..u64::from(days) * DAY_SECONDS / INTERVAL_SECONDS {
        let when = start.after(step * INTERVAL_SECONDS);
        let hour = step * INTERVAL_SECONDS / 3_600 % 24;
        glucose = toward(glucose, glucose_aim(hour), &mut random).clamp(32, 210);
        heart_rate = toward(heart_rate, heart_rate_aim(hour), &mut random).clamp(42, 165);
        let time: Json = when.text().into();
        let readings = [
            ("sensor", &sensor, "glucose", decimal(glucose, 1), "mmol/L"),
            ("band", &band, "heart rate", decimal(heart_rate, 0), "/min"),
        ];
        for (device, number, metric, value, unit) in readings {
            let line = object([
                ("time", time.clone()),
                ("device", format!("{device}-{number}").into()),
                ("metric", metric.into()),
                ("value", value),
                ("unit", unit.into()),
            ]);
            line.write(&mut text);
            text.push('\n');
        }
    }
    let path = format!("{}/readings.ndjson", patient_folder(seed));
    SampleFile {
        path,
        content: text.into_bytes(),
    }
}

/// After meals glucose rises.
fn glucose_aim(hour: u64) -> u64 {
    match hour {
        8 | 13 | 19 => 118,
        9 | 14 | 20 => 84,
        _ => 56,
    }
}

fn heart_rate_aim(hour: u64) -> u64 {
    match hour {
        0..=5 | 23 => 56,
        17 => 124,
        _ => 76,
    }
}

/// A quarter of the way to `aim`, and a little up or down. Values never come near 0.
fn toward(value: u64, aim: u64, random: &mut Random) -> u64 {
    (3 * value + aim) / 4 + random.below(7) - 3
}
