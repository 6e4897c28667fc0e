//! Replays the calls that the SDK was seen to make, in their order, with the
//! recorded bricks, ids and values, and asserts what was answered.
//!
//! Before each sequence the node is brought to the state that the sequence
//! starts from: what its first reads found is stored, what they missed is not.
//! Where the bytes of a body were not kept (bricks of `recovery`, all but the
//! last document of `versionless`), a body of the recorded length stands in.

#[path = "../common/client.rs"]
mod client;
mod material;
mod members;
#[path = "../common/node.rs"]
mod node;
mod play;
#[path = "../common/scenario.rs"]
mod scenario;
mod start;
#[path = "../common/vectors.rs"]
mod vectors;
#[path = "../common/write.rs"]
mod write;

use std::io::{self, Write as _};

use anyhow::{Result, bail, ensure};

use crate::material::Material;
use crate::play::Player;
use crate::start::Start;
use crate::vectors::folders;

/// The sequences of `http-sequences.json`, `recovery` and `versionless`.
const CHECKED_IN_SEQUENCES: usize = 39;

#[test]
fn recorded_call_sequences_are_answered_as_recorded() -> Result<()> {
    let mut failures = Vec::new();
    for folder in folders("dsu") {
        let material = Material::load(&folder.path)?;
        let mut player = Player::start(&material)?;
        let mut count = 0;
        let mut unknown = Vec::new();
        for sequence in &material.sequences {
            let name = format!("{}: {}", folder.path.display(), sequence.name);
            match Start::of(&sequence.calls, &material) {
                Err(error) => {
                    unknown.push(format!("{name} starts from what is not kept: {error:#}\n"));
                }
                Ok(start) => {
                    count += 1;
                    let result = player.play(sequence, &start);
                    failures.extend(result.err().map(|it| format!("{name}: {it:#}")));
                }
            }
        }
        let counts = player.counts();
        player.finish()?;
        // Written past the test harness, which hides what a passing test prints.
        let text = format!("{}: {count} sequences, {counts}\n", folder.path.display());
        io::stderr().write_all((text + &unknown.concat()).as_bytes())?;
        if folder.checked_in {
            // A sequence that is not played is one that is not checked.
            ensure!(count == CHECKED_IN_SEQUENCES, "{count} sequences played");
            failures.extend(unknown);
        }
    }
    if !failures.is_empty() {
        bail!("{} failures:\n{}", failures.len(), failures.join("\n"));
    }
    Ok(())
}
