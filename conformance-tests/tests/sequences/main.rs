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
#[path = "../common/vectors.rs"]
mod vectors;
#[path = "../common/write.rs"]
mod write;

use std::io::{self, Write as _};

use anyhow::{Result, bail, ensure};

use crate::material::Material;
use crate::play::Player;
use crate::vectors::folders;

/// The sequences of `http-sequences.json`, `recovery` and `versionless`.
const CHECKED_IN_SEQUENCES: usize = 39;

#[test]
fn recorded_call_sequences_are_answered_as_recorded() -> Result<()> {
    for folder in folders("dsu") {
        let material = Material::load(&folder.path)?;
        ensure!(
            !material.sequences.is_empty(),
            "no sequence in {}",
            folder.path.display()
        );
        // A sequence that is not read would be one that is not checked.
        let count = material.sequences.len();
        ensure!(
            !folder.checked_in || count == CHECKED_IN_SEQUENCES,
            "{count} sequences"
        );
        let mut player = Player::start(&material)?;
        let mut failures = Vec::new();
        for sequence in &material.sequences {
            if let Err(error) = player.play(sequence) {
                failures.push(format!("{}: {error:#}", sequence.name));
            }
        }
        // Written past the test harness, which hides what a passing test prints.
        writeln!(
            io::stderr(),
            "{}: {} sequences, {}",
            folder.path.display(),
            material.sequences.len(),
            player.counts()
        )?;
        player.finish()?;
        if !failures.is_empty() {
            bail!("{} failures:\n{}", failures.len(), failures.join("\n"));
        }
    }
    Ok(())
}
