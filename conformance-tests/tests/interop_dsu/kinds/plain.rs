//! Seed DSUs: of a few files, of several bricks, renamed, embedded, of many versions.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::dsus::{At, Snapshot};
use keyssi::KeySsi;
use serde_json::json;

use super::{Files, agree, files, noise};
use crate::operation::Operation;
use crate::world::{World, change, create, seed};

/// What is done, and what the DSU holds then.
struct Step {
    operations: Vec<Operation>,
    expected: Files,
}

/// Who makes the first version. The sides take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Ours,
    Sdk,
}

pub(super) async fn play(world: &mut World) -> Result<()> {
    for first in [First::Ours, First::Sdk] {
        let kinds = [
            ("seed", few()),
            ("multi-brick", bricks()),
            ("renamed", renamed()),
            ("embedded", embedded()),
            ("versioned", versioned()),
        ];
        for (name, steps) in kinds {
            let ssi = turns(world, first, &steps).await;
            let ssi = ssi.with_context(|| format!("{name}, first {first:?}"))?;
            if name == "versioned" {
                every_version(world, &ssi, &steps).await.context(name)?;
            }
        }
    }
    compacted(world).await.context("compacted")
}

/// Plays the steps in turns; after each both sides must read the same.
async fn turns(world: &mut World, first: First, steps: &[Step]) -> Result<KeySsi> {
    let client = world.client()?;
    let mut made = None;
    for (number, step) in steps.iter().enumerate() {
        let is_ours = (first == First::Ours) == (number % 2 == 0);
        let ssi = match (&made, is_ours) {
            (None, true) => {
                let ssi = seed()?;
                create(&client, &ssi, &step.operations).await?;
                ssi
            }
            (None, false) => world.sdk_seed(&step.operations)?,
            (Some(ssi), true) => {
                let changed = change(&client, ssi, &step.operations).await;
                changed.with_context(|| format!("step {number}"))?;
                KeySsi::clone(ssi)
            }
            (Some(ssi), false) => {
                let changed = world.sdk_change(ssi, &step.operations);
                changed.with_context(|| format!("step {number}"))?;
                KeySsi::clone(ssi)
            }
        };
        let agreed = agree(world, &ssi, &step.expected).await;
        agreed.with_context(|| format!("after step {number}"))?;
        made = Some(ssi);
    }
    made.context("no steps")
}

fn few() -> Vec<Step> {
    vec![
        Step {
            operations: vec![
                Operation::write("/a.txt", "one"),
                Operation::write("/docs/ä €.txt", "two"),
                Operation::write("/empty", ""),
                Operation::CreateFolder("/folder/in/folder".to_owned()),
            ],
            expected: files(&[
                ("/a.txt", b"one"),
                ("/docs/ä €.txt", b"two"),
                ("/empty", b""),
            ]),
        },
        Step {
            operations: vec![
                Operation::Append("/a.txt".to_owned(), b" and more".to_vec(), None),
                Operation::write("/docs/ä €.txt", "rewritten"),
                Operation::write("/folder/in/file", "3"),
            ],
            expected: files(&[
                ("/a.txt", b"one and more"),
                ("/docs/ä €.txt", b"rewritten"),
                ("/empty", b""),
                ("/folder/in/file", b"3"),
            ]),
        },
        Step {
            operations: vec![
                Operation::Delete("/docs".to_owned()),
                Operation::Delete("/empty".to_owned()),
                Operation::write("/docs/again", "4"),
            ],
            expected: files(&[
                ("/a.txt", b"one and more"),
                ("/docs/again", b"4"),
                ("/folder/in/file", b"3"),
            ]),
        },
    ]
}

/// Around the borders of bricks, and more than one batch of them.
fn bricks() -> Vec<Step> {
    let sizes = [0, 1, 999, 1000, 1001, 2000, 25_000];
    let named = |size: usize| (format!("/{size}"), noise(size as u64, size));
    let mut expected: Files = sizes.into_iter().map(named).collect();
    let write = |(place, bytes): &(String, Vec<u8>)| {
        Operation::Write(place.clone(), bytes.clone(), Some(1000))
    };
    let mut operations: Vec<_> = expected.iter().map(write).collect();
    let big = ("/big".to_owned(), noise(1, 3_000_000));
    operations.push(Operation::Write(big.0.clone(), big.1.clone(), None));
    expected.push(big);
    let first = Step {
        operations,
        expected: expected.clone(),
    };
    let mut operations = Vec::new();
    for (place, bytes) in &mut expected {
        let more = noise(2 + bytes.len() as u64, 1500);
        bytes.extend_from_slice(&more);
        operations.push(Operation::Append(place.clone(), more, Some(700)));
    }
    let second = Step {
        operations,
        expected: expected.clone(),
    };
    let (place, bytes) = &mut expected[3];
    *bytes = noise(3, 10);
    let operations = vec![Operation::Write(place.clone(), bytes.clone(), Some(3))];
    vec![
        first,
        second,
        Step {
            operations,
            expected,
        },
    ]
}

fn renamed() -> Vec<Step> {
    let rename = |from: &str, to: &str| Operation::Rename(from.to_owned(), to.to_owned());
    vec![
        Step {
            operations: vec![
                Operation::write("/top.txt", "top"),
                Operation::write("/d/one", "1"),
                Operation::write("/d/sub/two", "2"),
                Operation::write("/gone/x", "x"),
            ],
            expected: files(&[
                ("/top.txt", b"top"),
                ("/d/one", b"1"),
                ("/d/sub/two", b"2"),
                ("/gone/x", b"x"),
            ]),
        },
        Step {
            operations: vec![
                rename("/top.txt", "/moved/top.txt"),
                rename("/d", "/e"),
                Operation::Copy("/e/sub".to_owned(), "/copy".to_owned()),
                Operation::Delete("/gone".to_owned()),
            ],
            expected: files(&[
                ("/moved/top.txt", b"top"),
                ("/e/one", b"1"),
                ("/e/sub/two", b"2"),
                ("/copy/two", b"2"),
            ]),
        },
        Step {
            operations: vec![
                rename("/e/one", "/copy/two"),
                Operation::Append("/copy/two".to_owned(), b"+".to_vec(), None),
                Operation::write("/d/one", "new"),
                rename("/moved", "/gone"),
            ],
            expected: files(&[
                ("/gone/top.txt", b"top"),
                ("/e/sub/two", b"2"),
                ("/copy/two", b"1+"),
                ("/d/one", b"new"),
            ]),
        },
    ]
}

fn embedded() -> Vec<Step> {
    let text = "in the map: ä € 漢 🔥 \"quoted\"\n";
    let bytes = noise(4, 300);
    let joined = format!("{text}, and more");
    vec![
        Step {
            operations: vec![
                Operation::EmbedText("/text".to_owned(), text.to_owned()),
                Operation::EmbedBytes("/bytes".to_owned(), bytes.clone()),
                Operation::EmbedText("/folder/none".to_owned(), String::new()),
                Operation::write("/outside", "in a brick"),
            ],
            expected: files(&[
                ("/text", text.as_bytes()),
                ("/bytes", &bytes),
                ("/folder/none", b""),
                ("/outside", b"in a brick"),
            ]),
        },
        Step {
            operations: vec![
                Operation::AppendText("/text".to_owned(), ", and more".to_owned()),
                Operation::EmbedText("/bytes".to_owned(), "a text now".to_owned()),
                Operation::write("/folder/beside", "in a brick"),
            ],
            expected: files(&[
                ("/text", joined.as_bytes()),
                ("/bytes", b"a text now"),
                ("/folder/none", b""),
                ("/folder/beside", b"in a brick"),
                ("/outside", b"in a brick"),
            ]),
        },
        // The SDK keeps such a file in the map, we take it out.
        Step {
            operations: vec![
                Operation::write("/text", "rewritten"),
                Operation::EmbedText("/more".to_owned(), "more".to_owned()),
            ],
            expected: files(&[
                ("/text", b"rewritten"),
                ("/more", b"more"),
                ("/bytes", b"a text now"),
                ("/folder/none", b""),
                ("/folder/beside", b"in a brick"),
                ("/outside", b"in a brick"),
            ]),
        },
    ]
}

fn versioned() -> Vec<Step> {
    let mut expected = files(&[("/current", b"")]);
    let mut steps = Vec::new();
    for number in 0..6_u64 {
        let current = format!("version {number}");
        let added = (format!("/added-{number}"), noise(number, 50));
        let operations = vec![
            Operation::write("/current", current.as_str()),
            Operation::write(&added.0, added.1.clone()),
        ];
        expected[0].1 = current.into_bytes();
        expected.push(added);
        steps.push(Step {
            operations,
            expected: expected.clone(),
        });
    }
    steps
}

/// Each version still holds what it held when it was the newest.
async fn every_version(world: &mut World, ssi: &KeySsi, steps: &[Step]) -> Result<()> {
    let client = world.client()?;
    for (number, step) in steps.iter().enumerate() {
        let snapshot = Snapshot::open(&client, ssi, At::Version(number)).await?;
        let time = snapshot.history().time(number).context("no time")?;
        let timed = Snapshot::open(&client, ssi, At::Time(time)).await?;
        ensure!(timed.version() == number, "version {number} at its time");
        for (place, bytes) in &step.expected {
            let reader = snapshot.read(&crate::operation::path(place)?).await?;
            ensure!(
                *reader.to_end().await? == *bytes,
                "{place} in version {number}"
            );
        }
    }
    Ok(())
}

/// A folder in one container brick, which only the SDK makes; we change a file of it.
async fn compacted(world: &mut World) -> Result<()> {
    let client = world.client()?;
    let slices = files(&[
        ("/c/a", b"first slice"),
        ("/c/deep/b", &noise(5, 5000)),
        ("/c/none", b""),
    ]);
    let named = slices.iter().map(|(place, bytes)| {
        let place = place.trim_start_matches("/c/").to_owned();
        (place, json!(STANDARD.encode(bytes)))
    });
    let named: serde_json::Map<_, _> = named.collect();
    let ssi = world.sdk_seed(&[Operation::write("/f", "f")])?;
    let operation = json!({"op": "compact", "path": "/c", "files": named});
    let request = json!({"call": "change", "ssi": ssi.wrapped().as_str(), "ops": [operation]});
    world.writer.call(&request)?;
    let mut expected = slices;
    expected.push(("/f".to_owned(), b"f".to_vec()));
    agree(world, &ssi, &expected).await?;
    let more = Operation::Append("/c/a".to_owned(), b", more".to_vec(), None);
    change(
        &client,
        &ssi,
        &[
            more,
            Operation::Rename("/c/deep".to_owned(), "/d".to_owned()),
        ],
    )
    .await?;
    expected[0].1 = b"first slice, more".to_vec();
    "/d/b".clone_into(&mut expected[1].0);
    agree(world, &ssi, &expected).await?;
    world.sdk_change(&ssi, &[Operation::write("/c/a", "rewritten")])?;
    expected[0].1 = b"rewritten".to_vec();
    agree(world, &ssi, &expected).await
}
