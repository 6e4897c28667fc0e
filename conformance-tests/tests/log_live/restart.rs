//! A log outlives its node, keeps its name and its key, and a node does not start with another.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::live::{Live, config, usual};

#[test]
fn a_restart_keeps_the_log() {
    let mut live = Live::start(&usual());
    live.anchor(0..5);
    let note = live.checkpoint(5);
    let (key, entries, tile) = (
        live.part("vkey"),
        live.entries(5),
        live.part("tile/0/000.p/5"),
    );
    live.stop();
    live.start_again(&usual()).unwrap();
    assert_eq!(
        live.checkpoint(5),
        note,
        "an unchanged log is not signed again"
    );
    live.kill();
    live.start_again(&usual()).unwrap();
    live.anchor(5..9);
    let grown = live.checkpoint(9);
    assert_ne!(grown, note);
    assert_eq!(live.part("vkey"), key);
    assert_eq!(live.part("tile/0/000.p/5"), tile);
    assert_eq!(live.entries(9)[..5], entries);
}

/// What is acknowledged and not yet signed when the node is killed is signed when it is back.
#[test]
fn what_was_acknowledged_is_in_the_log_after_a_kill() {
    let mut live = Live::start(&usual());
    live.anchor(0..40);
    live.kill();
    live.start_again(&usual()).unwrap();
    live.checkpoint(40);
}

#[test]
fn another_origin_is_refused() {
    let mut live = Live::start(&usual());
    live.anchor(0..2);
    live.checkpoint(2);
    live.stop();
    let other = config("origin = \"log.example/other\"");
    let refused = live.start_again(&other).unwrap_err().to_string();
    for part in ["log.example/default", "log.example/other"] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    // A key of that name does not make it the same log.
    std::fs::remove_file(live.key_file()).unwrap();
    let refused = live.start_again(&other).unwrap_err().to_string();
    assert!(refused.contains("log.example/default"), "{refused}");
}

#[test]
fn a_lost_key_is_not_replaced_by_a_new_one() {
    let mut live = Live::start(&usual());
    live.anchor(0..2);
    live.checkpoint(2);
    live.stop();
    let (file, aside) = (live.key_file(), live.key_file().with_extension("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let refused = live.start_again(&usual()).unwrap_err().to_string();
    for part in ["put ", "back from a backup", "log.old_key"] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    assert!(!file.exists(), "a key was made that signed nothing");
    std::fs::rename(&aside, &file).unwrap();
    live.start_again(&usual()).unwrap();
    live.checkpoint(2);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let mut live = Live::start(&usual());
    live.anchor(0..2);
    let note = live.checkpoint(2);
    live.stop();
    let file = live.key_file();
    assert_eq!(metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&file).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let refused = live.start_again(&usual()).unwrap_err().to_string();
        assert!(refused.contains("is open to others"), "{refused}");
        assert!(!refused.contains(secret.trim()), "the key is shown");
    }
    set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    live.start_again(&usual()).unwrap();
    assert_eq!(live.checkpoint(2), note);
}
