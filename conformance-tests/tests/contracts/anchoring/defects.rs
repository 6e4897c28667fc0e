//! What the original gets wrong, and clients must live with: here so that they can be tested.

use alloy_primitives::hex;
use k256::Scalar;
use k256::elliptic_curve::PrimeField as _;
use keyssi::{PrivateKey, base64};
use testkit::anvil::ACCOUNTS;
use testkit::owner::FIRST_MS;

use super::{anchoring, append, continuation, create, creation, multiple, status, total, versions};
use crate::writer::{Writer, constant};

#[test]
fn a_constant_anchor_is_changed_by_a_batch() {
    let contract = anchoring();
    let (id, value) = constant(1);
    let (_, other) = constant(2);
    assert_eq!(status(&contract, &create(&id, &value)), 200);
    assert_eq!(status(&contract, &multiple(&[&id, &other])), 200);
    assert_eq!(versions(&contract, &id), [value, other]);
    assert_eq!(total(&contract), 1);
}

#[test]
fn a_new_anchor_twice_in_a_batch_gets_two_first_values() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    let one = writer.at("1700000000001");
    let (id, two) = (writer.id.clone(), writer.next());
    assert_eq!(status(&contract, &multiple(&[&id, &one, &id, &two])), 200);
    assert_eq!(versions(&contract, &id), [one, two]);
    assert_eq!(total(&contract), 1);
}

#[test]
fn an_empty_batch_reverts_and_a_lone_last_item_is_ignored() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    assert!(contract.reverts(&multiple(&[])));
    assert_eq!(
        status(&contract, &multiple(&["ssi:sza:default::x:v0"])),
        200
    );
    assert_eq!(total(&contract), 0);
    let (id, value) = (writer.id.clone(), writer.next());
    assert_eq!(status(&contract, &multiple(&[&id, &value, "alone"])), 200);
    assert_eq!(
        (total(&contract), versions(&contract, &id)),
        (1, vec![value])
    );
}

#[test]
fn texts_that_are_no_identifiers_or_too_long_revert() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    let value = writer.next();
    assert!(contract.reverts(&create("no colon", &value)));
    assert!(contract.reverts(&create(&writer.id, "no colon")));
    assert!(contract.reverts(&multiple(&["no colon", &value])));
    let id = |length| format!("ssi:cza:default:{}::v0", "x".repeat(length));
    assert_eq!(status(&contract, &create(&id(255), "x")), 200);
    assert!(contract.reverts(&create(&id(256), "x")));
    assert_eq!(total(&contract), 1);
}

#[test]
fn a_transfer_reverts_or_ends_the_anchor() {
    let contract = anchoring();
    let (mut old, new) = (Writer::new(1), Writer::new(2));
    assert_eq!(status(&contract, &creation(&mut old)), 200);
    assert!(contract.reverts(&append(&old.id, &old.transfer(&new, '/'))));
    let transfer = old.transfer(&new, '|');
    assert_eq!(status(&contract, &append(&old.id, &transfer)), 200);
    old.last = transfer;
    let time = old.now_ms.to_string();
    assert_eq!(status(&contract, &append(&old.id, &old.at(&time))), 104);
    let mut heir = new;
    heir.id = old.id.clone();
    heir.last = old.last.clone();
    assert_eq!(status(&contract, &append(&old.id, &heir.at(&time))), 104);
    assert_eq!(versions(&contract, &old.id).len(), 2);
}

#[test]
fn twenty_bytes_pass_for_an_account() {
    let contract = anchoring();
    // No signature at all gives account zero, which twenty zero bytes name.
    let id = |account: &[u8]| format!("ssi:sza:default::{}:v0", base64::encode(account));
    let garbage = "ssi:shl:default:x:1|AAAA:v0";
    assert_eq!(status(&contract, &create(&id(&[0; 20]), garbage)), 200);
    assert_eq!(status(&contract, &create(&id(&[1; 20]), garbage)), 103);
    let account = hex::decode(ACCOUNTS[1].address).unwrap();
    let key = hex::decode(ACCOUNTS[1].key).unwrap();
    let key = PrivateKey::from_bytes(&key).unwrap();
    let id = id(&account);
    let signature = key.sign(format!("{id}x1").as_bytes()).to_text();
    let value = format!("ssi:shl:default:x:1|{signature}:v0");
    assert_eq!(status(&contract, &create(&id, &value)), 200);
}

#[test]
fn a_value_has_more_than_one_form() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    // The bricks domain is not signed.
    let value = writer.at("1700000000000");
    let value = value.replace(":shl:default:", ":shl:elsewhere:");
    assert_eq!(status(&contract, &create(&writer.id, &value)), 200);
    writer.last = value;
    // A character that is none of base64 counts as `A`.
    let mut values = (FIRST_MS..).map(|time| writer.at(&time.to_string()));
    let value = values.find_map(|it| {
        let (start, signature) = it.split_once('|')?;
        let altered = signature.replacen('A', "!", 1);
        (altered != signature).then(|| format!("{start}|{altered}"))
    });
    let value = value.unwrap();
    assert_eq!(status(&contract, &append(&writer.id, &value)), 200);
    writer.last = value;
    // Of the two numbers s of a signature both are taken.
    let value = writer.at(&writer.now_ms.saturating_add(1_000_000).to_string());
    let (start, signature) = value.strip_suffix(":v0").unwrap().split_once('|').unwrap();
    let mut signature = base64::decode_canonical(signature).unwrap();
    let s: [u8; 32] = signature[32..].try_into().unwrap();
    let other = -Scalar::from_repr(s.into()).unwrap();
    signature[32..].copy_from_slice(&other.to_repr());
    let value = format!("{start}|{}:v0", base64::encode(&signature));
    assert_eq!(status(&contract, &append(&writer.id, &value)), 200);
    assert_eq!(versions(&contract, &writer.id).len(), 3);
}

#[test]
fn anyone_may_write() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    contract.send(3, &creation(&mut writer));
    contract.send(4, &continuation(&mut writer));
    assert_eq!(versions(&contract, &writer.id).len(), 2);
}
