use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::access::{Grant, KeyText};
use crate::limits::Quotas;

fn opened() -> (TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::open(&folder.path().join("data")).unwrap();
    (folder, control)
}

fn new_key(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        grants: vec!["default:anchor".parse::<Grant>().unwrap()],
        quotas: Quotas::default(),
        expires_ms: None,
    }
}

fn event() -> Event {
    Event::new("test.done", "tester", 7)
}

fn by_hand(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("data").join(FILE)).unwrap()
}

#[test]
fn a_key_is_known_until_it_is_revoked_or_ends() {
    let (_folder, control) = opened();
    let (key, text) = control.create_key(new_key("one"), event(), 100).unwrap();
    assert_eq!(control.check_key(&text, 100).unwrap().name, "one");
    let other = KeyText::random().unwrap();
    assert_eq!(control.check_key(&other, 100), Err(KeyRefusal::Unknown));
    let guess = KeyText::guess(key.id);
    assert_eq!(control.check_key(&guess, 100), Err(KeyRefusal::Unknown));
    let ending = NewKey {
        expires_ms: Some(200),
        ..new_key("two")
    };
    let (_, ending_text) = control.create_key(ending, event(), 101).unwrap();
    assert!(control.check_key(&ending_text, 199).is_ok());
    assert_eq!(
        control.check_key(&ending_text, 200),
        Err(KeyRefusal::Expired)
    );
    assert_eq!(
        control.revoke_key(key.id, event(), 300).unwrap().revoked_ms,
        Some(300)
    );
    assert_eq!(control.check_key(&text, 300), Err(KeyRefusal::Revoked));
    assert_eq!(
        control.revoke_key(key.id, event(), 400).unwrap().revoked_ms,
        Some(300)
    );
    let names: Vec<_> = control
        .keys()
        .unwrap()
        .into_iter()
        .map(|key| key.name)
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert!(matches!(
        control.revoke_key(other.id(), event(), 400),
        Err(ControlError::Absent(_))
    ));
}

#[test]
fn what_is_no_sensible_key_is_not_made() {
    let (_folder, control) = opened();
    let long = "x".repeat(101);
    let none = NewKey {
        grants: Vec::new(),
        ..new_key("x")
    };
    let ended = NewKey {
        expires_ms: Some(5),
        ..new_key("x")
    };
    for new in [new_key(""), new_key("a\nb"), new_key(&long), none, ended] {
        let made = control.create_key(new, event(), 5);
        assert!(matches!(made, Err(ControlError::Invalid(_))));
    }
    assert_eq!(control.keys().unwrap(), []);
    assert_eq!(control.audit(None, 10).unwrap(), []);
}

#[test]
fn a_second_process_sees_what_the_first_does() {
    let (folder, control) = opened();
    let second = Control::open(&folder.path().join("data")).unwrap();
    let (key, text) = control.create_key(new_key("one"), event(), 100).unwrap();
    let mut seen = None;
    second.look(&mut seen).unwrap();
    assert!(second.check_key(&text, 100).is_ok());
    control.revoke_key(key.id, event(), 100).unwrap();
    second.look(&mut seen).unwrap();
    assert_eq!(second.check_key(&text, 100), Err(KeyRefusal::Revoked));
}

#[test]
fn the_file_is_its_owners_alone_and_holds_no_key() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, control) = opened();
    let (_, text) = control.create_key(new_key("one"), event(), 100).unwrap();
    let path = folder.path().join("data").join(FILE);
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&path).unwrap();
    let text = text.reveal();
    let secret = text[18..82].as_bytes();
    assert!(!bytes.windows(64).any(|window| window == secret));
}

#[test]
fn a_newer_format_and_a_foreign_file_are_refused() {
    let (folder, control) = opened();
    drop(control);
    let file = by_hand(&folder);
    file.pragma_update(None, "user_version", 99).unwrap();
    let data = folder.path().join("data");
    let error = Control::open(&data).unwrap_err().to_string();
    assert!(error.contains("format 99"), "{error}");
    file.pragma_update(None, "user_version", 1).unwrap();
    file.pragma_update(None, "application_id", 1).unwrap();
    assert!(matches!(Control::open(&data), Err(ControlError::Foreign)));
}

/// Does something to the file behind the node's back and says what the walk finds then.
fn broken_by(sql: &str) -> Option<String> {
    let (folder, control) = opened();
    for n in 0..5 {
        let event = Event::new("test.done", "tester", n).detail(json!({ "n": n, "a": "ä" }));
        control.record(&event).unwrap();
    }
    let whole = control.check_audit().unwrap();
    assert_eq!((whole.records, &whole.broken), (5, &None));
    assert_eq!(whole.head, control.audit(None, 1).unwrap()[0].hash);
    by_hand(&folder).execute_batch(sql).unwrap();
    let found = control.check_audit().unwrap();
    found.broken.map(|broken| broken.to_string())
}

#[test]
fn every_change_to_the_audit_log_is_found_and_named() {
    for (sql, expected) in [
        (
            "UPDATE audit SET who = 'x' WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET act = 'x' WHERE number = 1",
            "record 1 was altered",
        ),
        (
            "UPDATE audit SET address = 'x' WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET domain = 'x' WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET detail = 'x' WHERE number = 5",
            "record 5 was altered",
        ),
        (
            "UPDATE audit SET time_ms = 9 WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET count = 9 WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET hash = zeroblob(32) WHERE number = 3",
            "record 3 was altered",
        ),
        (
            "UPDATE audit SET previous = zeroblob(32) WHERE number = 3",
            "record 3 does not follow",
        ),
        (
            "DELETE FROM audit WHERE number = 3",
            "record 4 does not follow",
        ),
        (
            "DELETE FROM audit WHERE number = 1",
            "record 2 does not follow",
        ),
        (
            "DELETE FROM audit WHERE number = 5",
            "records after record 4 were taken away",
        ),
        (
            "DELETE FROM audit",
            "records after record 0 were taken away",
        ),
        (
            "UPDATE audit SET number = 9 WHERE number = 5",
            "record 9 does not follow",
        ),
    ] {
        let found = broken_by(sql).unwrap_or_default();
        assert!(found.starts_with(expected), "{sql}: {found}");
    }
    assert_eq!(broken_by("SELECT 1"), None);
}

#[test]
fn a_long_audit_log_is_walked_and_paged() {
    let (_folder, control) = opened();
    control
        .write(|transaction| (0..2_500).try_for_each(|_| audit::append(transaction, &event())))
        .unwrap();
    let check = control.check_audit().unwrap();
    assert_eq!((check.records, check.broken), (2_500, None));
    let page = control.audit(Some(3), 10).unwrap();
    let numbers: Vec<_> = page.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [2, 1]);
}

#[test]
fn a_change_and_its_record_are_one() {
    let (_folder, control) = opened();
    control.set_setting("a", Some("1"), &event()).unwrap();
    let failed: Result<(), _> = control.change(&event(), |transaction| {
        transaction.execute("DELETE FROM settings", [])?;
        Err(ControlError::Absent("reason".to_owned()))
    });
    assert!(failed.is_err());
    assert_eq!(control.setting("a").unwrap().as_deref(), Some("1"));
    assert_eq!(control.audit(None, 10).unwrap().len(), 1);
    control.set_setting("a", None, &event()).unwrap();
    assert_eq!(control.setting("a").unwrap(), None);
}

#[test]
fn quotas_of_domains_are_kept_and_learnt_from_other_processes() {
    let (folder, control) = opened();
    let domain = "default".parse().unwrap();
    let quotas = Quotas {
        storage_bytes: Some(u64::MAX),
        ..Quotas::default()
    };
    assert_eq!(control.quotas_of(&domain), None);
    let set = |control: &Control, quotas| {
        control
            .change_quotas(&domain, event(), |_| Ok(quotas))
            .unwrap();
    };
    set(&control, Some(quotas));
    assert_eq!(control.quotas_of(&domain), Some(quotas));
    // As another process has it.
    let other = Control::open(&folder.path().join("data")).unwrap();
    assert_eq!(other.quotas_of(&domain), Some(quotas));
    let mut seen = None;
    control.look(&mut seen).unwrap();
    other
        .change_quotas(&domain, event(), |before| {
            assert_eq!(before, Some(quotas));
            Ok(None)
        })
        .unwrap();
    control.look(&mut seen).unwrap();
    assert_eq!(control.quotas_of(&domain), None);
    let refused = control.change_quotas(&domain, event(), |_| {
        Err(ControlError::Invalid("no".to_owned()))
    });
    assert!(matches!(refused, Err(ControlError::Invalid(_))));
    assert_eq!(control.audit(None, 10).unwrap().len(), 2);

    let text = "UPDATE domain_quotas SET quotas = '{\"storage\":1}'";
    set(&control, Some(quotas));
    by_hand(&folder).execute(text, []).unwrap();
    let found = Control::open(&folder.path().join("data"));
    assert!(matches!(found, Err(ControlError::Corrupt(text)) if text.contains("default")));
}

#[test]
fn what_is_recorded_can_be_read_when_nothing_can_be_written() {
    let (folder, control) = opened();
    control.record(&event()).unwrap();
    let file = by_hand(&folder);
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END";
    file.execute_batch(full).unwrap();
    let refusal = Refusal {
        act: "refused.unknown-key",
        who: "unknown".to_owned(),
        address: [127, 0, 0, 1].into(),
        domain: String::new(),
    };
    control.note(refusal, 9);
    assert_eq!(control.audit(None, 10).unwrap().len(), 1);
    assert_eq!(control.check_audit().unwrap().records, 1);
    // It is written as soon as it can be.
    file.execute_batch("DROP TRIGGER full").unwrap();
    let records = control.audit(None, 10).unwrap();
    assert_eq!(records[0].act, "refused.unknown-key");
}
