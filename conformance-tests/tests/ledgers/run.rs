//! Runs every case over a back end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyssi::AnchorId;
use tokio::time::timeout;

use crate::bench::Bench;
use crate::cases::{Case, all_cases};
use crate::world::World;

/// Fewer cases than this are not the suite.
const CASES_MIN: usize = 40;
/// Longest time for a case: one that takes longer hangs.
const CASE_WAIT: Duration = Duration::from_mins(2);

/// The anchors that a case has written to, perhaps.
pub(crate) struct Written {
    pub(crate) case: &'static str,
    pub(crate) anchors: Vec<AnchorId>,
}

/// Runs every case, one after the other, and says which failed. Gives what they have written to.
pub(crate) async fn run(bench: Arc<dyn Bench>) -> Vec<Written> {
    let (name, cases) = (bench.name(), all_cases());
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let (mut passed, mut declined, mut failed) = (0, BTreeSet::new(), Vec::new());
    let mut written = Vec::new();
    for case in &cases {
        let world = Arc::new(World::new(Arc::clone(&bench), case.name));
        let outcome = run_one(&world, case).await;
        written.push(Written {
            case: case.name,
            anchors: world.anchors(),
        });
        match outcome {
            Ok(Outcome::Done) => passed += 1,
            Ok(Outcome::Declined) => {
                passed += 1;
                declined.insert(case.name);
            }
            Err(reason) => failed.push(format!("{}: {reason}", case.name)),
        }
    }
    eprintln!("{name}: {} cases", passed + failed.len());
    assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
    assert_eq!(passed, cases.len(), "{name} skipped a case");
    let expected: BTreeSet<_> = bench.declines().iter().copied().collect();
    assert_eq!(declined, expected, "what {name} cannot do");
    written
}

/// How a case that held ended.
enum Outcome {
    Done,
    /// The back end cannot do it, said so, and stored nothing.
    Declined,
}

async fn run_one(world: &Arc<World>, case: &Case) -> Result<Outcome, String> {
    // A task of its own, so that one that fails does not end the others.
    let task = tokio::spawn({
        let (world, run) = (Arc::clone(world), case.run);
        async move { run(&world).await }
    });
    match timeout(CASE_WAIT, task).await {
        Err(_) => Err("it hangs".to_owned()),
        Ok(Err(error)) => Err(panic_text(error)),
        Ok(Ok(())) if world.has_declined() => Ok(Outcome::Declined),
        Ok(Ok(())) => Ok(Outcome::Done),
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    text.unwrap_or_else(|| "it failed".to_owned())
}
