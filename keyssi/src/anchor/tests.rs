//! The rules of anchors, driven through the writers.

use proptest::prelude::*;

use super::*;
use crate::base58;
use crate::base64;
use crate::keys::PrivateKey;
use crate::ssi::{Hint, HintError, KeySsi};
use crate::timestamp::Timestamp;

const NOW: u64 = 1_700_000_000_000;
const HASH: &str = "86zh1nrvWVwnvXAH9CXU6KHks4AvamkL7YfeJfgjKTRA";
const CZA: &str = "ssi:cza:default:BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU::v0";

fn key(low: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[low; 32]).unwrap()
}

fn key_text(key: &PrivateKey) -> String {
    base64::encode(&key.public_key().to_raw())
}

fn id_of(owner: &PrivateKey) -> AnchorId {
    let plain = format!("ssi:sza:default::{}:v0", key_text(owner));
    AnchorId::parse_plain(&plain).unwrap()
}

/// A writer of `key` for the anchor of `owner`.
fn signer(owner: &PrivateKey, key: &PrivateKey) -> AnchorSigner {
    AnchorSigner::new(id_of(owner), key.clone(), "default", None).unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn first(owner: &PrivateKey) -> Head {
    let value = signer(owner, owner).create(HASH, &at(NOW)).unwrap();
    create(&id_of(owner), &value).unwrap()
}

fn wrapped(plain: &str) -> String {
    base58::encode(plain.as_bytes())
}

#[test]
fn a_chain_of_versions_is_accepted_in_order() {
    let owner = key(1);
    let id = id_of(&owner);
    let mut head = first(&owner);
    let mut history = vec![head.value().clone()];
    for step in [0, 1, 1, 5] {
        let value = signer(&owner, &owner)
            .append(&head, HASH, &at(NOW + step))
            .unwrap();
        head = append(&id, &head, &value).unwrap();
        history.push(value);
    }
    assert_eq!(check_history(&id, history.clone()), Ok(Some(head)));
    assert_eq!(check_history(&id, []), Ok(None));
    history.swap(2, 3);
    let error = check_history(&id, history).unwrap_err();
    assert_eq!(error.index, 2);
    assert_eq!(error.source, EntryError::Append(AppendError::OutOfSync));
}

#[test]
fn a_head_survives_storage() {
    let owner = key(1);
    let id = id_of(&owner);
    let head = first(&owner);
    let restored = Head::restore(head.value().as_str(), None).unwrap();
    assert_eq!(restored, head);
    let next = signer(&owner, &owner)
        .transfer(Some(&head), &key(2).public_key(), &at(NOW))
        .unwrap();
    let head = append(&id, &head, &next).unwrap();
    assert_eq!(head.transferred_to(), Some(key_text(&key(2)).as_str()));
    let text = head.value().as_str();
    assert_eq!(
        Head::restore(text, head.transferred_to()).as_ref(),
        Ok(&head)
    );
    for other in [None, Some(key_text(&key(3)))] {
        let refused = Head::restore(text, other.as_deref()).unwrap_err();
        assert_eq!(refused, AnchorValueError::TransferMismatch);
    }
    let refused = Head::restore(first(&owner).value().as_str(), Some("AAAA"));
    assert_eq!(refused.unwrap_err(), AnchorValueError::BadNewKey);
}

#[test]
fn after_each_transfer_only_the_new_owner_signs() {
    let [one, two, three] = [key(1), key(2), key(3)];
    let id = id_of(&one);
    let mut head = first(&one);
    let mut history = vec![head.value().clone()];
    for (owner, next) in [(&one, &two), (&two, &three)] {
        let value = signer(&one, owner)
            .transfer(Some(&head), &next.public_key(), &at(NOW + 1))
            .unwrap();
        head = append(&id, &head, &value).unwrap();
        history.push(value);
        let refused = signer(&one, owner)
            .append(&head, HASH, &at(NOW + 2))
            .unwrap();
        assert_eq!(append(&id, &head, &refused), Err(AppendError::OutOfSync));
        let value = signer(&one, next)
            .append(&head, HASH, &at(NOW + 2))
            .unwrap();
        head = append(&id, &head, &value).unwrap();
        history.push(value);
        assert_eq!(head.transferred_to(), Some(key_text(next).as_str()));
    }
    assert_eq!(check_history(&id, history), Ok(Some(head)));
}

#[test]
fn signatures_of_transfers_may_hold_slashes() {
    let owner = key(1);
    let id = id_of(&owner);
    let head = first(&owner);
    let with_slash = (0..50)
        .map(|step| {
            signer(&owner, &owner)
                .transfer(Some(&head), &key(2).public_key(), &at(NOW + step))
                .unwrap()
        })
        .find(|value| value.plain().matches('/').count() > 2)
        .unwrap();
    assert!(append(&id, &head, &with_slash).is_ok());
    let stored = AnchorValue::parse_stored(with_slash.as_str()).unwrap();
    assert_eq!(stored.irregularity(), None);
}

#[test]
fn a_link_cannot_be_replayed_as_a_transfer_or_the_reverse() {
    let owner = key(1);
    let id = id_of(&owner);
    let head = first(&owner);
    let link = signer(&owner, &owner)
        .append(&head, HASH, &at(NOW))
        .unwrap();
    let transfer = signer(&owner, &owner)
        .transfer(Some(&head), &key(2).public_key(), &at(NOW))
        .unwrap();
    let replayed_transfer = link
        .plain()
        .replace(":shl:", ":transfer:")
        .replace('|', "/");
    let replayed_link = transfer
        .plain()
        .replace(":transfer:", ":shl:")
        .replacen("000/", "000|", 1);
    for parse in [AnchorValue::parse, AnchorValue::parse_stored] {
        let refused = parse(&replayed_transfer).unwrap_err();
        assert_eq!(refused, AnchorValueError::BadNewKey);
        assert_eq!(
            parse(&replayed_link).unwrap_err(),
            AnchorValueError::BadHash
        );
    }
    assert!(append(&id, &head, &link).is_ok() && append(&id, &head, &transfer).is_ok());
}

#[test]
fn digits_cannot_move_between_hash_and_first_timestamp() {
    let owner = key(1);
    let value = signer(&owner, &owner).create(HASH, &at(NOW)).unwrap();
    let moved_left = value
        .plain()
        .replace("TRA:1700000000000|", "TRA1:700000000000|");
    let hash_end = value
        .plain()
        .replace("KTRA:1700000000000|", "KTR:A1700000000000|");
    assert_ne!(moved_left, value.plain());
    let moved_left = AnchorValue::parse_stored(&moved_left).unwrap_err();
    assert_eq!(moved_left, AnchorValueError::BadHash, "45 characters");
    assert!(AnchorValue::parse(&hash_end).is_err());

    let short = signer(&owner, &owner).create("hash1", &at(NOW)).unwrap();
    assert!(create(&id_of(&owner), &short).is_ok());
    let moved = short.plain().replace("hash1:1700", "hash11:700");
    let moved = AnchorValue::parse(&moved).unwrap();
    let refused = CreateError::TimestampNotThirteenDigits;
    assert_eq!(create(&id_of(&owner), &moved), Err(refused.clone()));
    let error = check_history(&id_of(&owner), [moved]).unwrap_err();
    assert_eq!(
        (error.index, error.source),
        (0, EntryError::Create(refused))
    );
    let early = signer(&owner, &owner).create(HASH, &at(999_999_999_999));
    assert_eq!(early.unwrap_err(), SignError::TimestampNotThirteenDigits);
}

#[test]
fn rules_of_append_apply_in_order() {
    let owner = key(1);
    let id = id_of(&owner);
    let head = first(&owner);
    let unsigned = AnchorValue::parse(&format!("ssi:hl:default:{HASH}::v0")).unwrap();
    let constant = AnchorId::parse_plain(CZA).unwrap();
    let constant_head = create(&constant, &unsigned).unwrap();
    assert_eq!(
        append(&constant, &constant_head, head.value()),
        Err(AppendError::ConstantAnchor)
    );
    assert_eq!(
        append(&id, &head, &unsigned),
        Err(AppendError::WrongValueKind {
            anchor: AnchorKind::Signed,
            value: AnchorValueKind::HashLink,
        })
    );
    // Older and not signed over the head: the time is what is reported.
    let older = signer(&owner, &owner).create(HASH, &at(NOW - 1)).unwrap();
    let expected = AppendError::OlderTimestamp {
        last: at(NOW),
        found: at(NOW - 1),
    };
    assert_eq!(append(&id, &head, &older), Err(expected));
    assert_eq!(
        append(&id, &head, head.value()),
        Err(AppendError::OutOfSync)
    );
}

#[test]
fn only_values_that_fit_the_anchor_can_be_first() {
    let owner = key(1);
    let id = id_of(&owner);
    let signed = first(&owner).value().clone();
    let unsigned = AnchorValue::parse(&format!("ssi:hl:default:{HASH}::v0")).unwrap();
    let constant = AnchorId::parse_plain(CZA).unwrap();
    let wrong = |anchor, value| Err(CreateError::WrongValueKind { anchor, value });
    assert_eq!(
        create(&id, &unsigned),
        wrong(AnchorKind::Signed, AnchorValueKind::HashLink)
    );
    assert_eq!(
        create(&constant, &signed),
        wrong(AnchorKind::Constant, AnchorValueKind::SignedHashLink)
    );
    assert!(create(&constant, &unsigned).is_ok());
    assert_eq!(
        create(&id_of(&key(2)), &signed),
        Err(CreateError::BadSignature)
    );
    let transfer = signer(&owner, &owner)
        .transfer(None, &key(2).public_key(), &at(NOW))
        .unwrap();
    assert!(create(&id, &transfer).is_ok());
}

#[test]
fn timestamps_beyond_64_bits_are_compared() {
    let owner = key(1);
    let id = id_of(&owner);
    let mut head = first(&owner);
    for text in ["170000000000010000", "17000000000001000010000100001"] {
        let value = signer(&owner, &owner)
            .append(&head, HASH, &text.parse().unwrap())
            .unwrap();
        head = append(&id, &head, &value).unwrap();
    }
    let lagging = signer(&owner, &owner)
        .append(&head, HASH, &at(NOW))
        .unwrap();
    let time = lagging.timestamp().map(Timestamp::as_str);
    assert_eq!(time, Some("17000000000001000010000110001"));
    assert!(append(&id, &head, &lagging).is_ok());
}

#[test]
fn ids_are_canonical_or_refused() {
    let owner = key(1);
    let text = key_text(&owner);
    let raw = owner.public_key().to_raw();
    let hybrid = base64::encode(&[&[6 + raw[64] % 2], &raw[1..]].concat());
    let good = id_of(&owner);
    assert_eq!(good.kind(), AnchorKind::Signed);
    assert_eq!(AnchorId::parse_wrapped(good.as_str()).as_ref(), Ok(&good));
    let compressed = base64::encode(&[&[2 + raw[64] % 2], &raw[1..33]].concat());
    let compressed = format!("ssi:sza:default::{compressed}:v0");
    assert!(AnchorId::parse_plain(&compressed).is_ok());
    let refused = |plain: &str| AnchorId::parse_wrapped(&wrapped(plain)).unwrap_err();
    let cases = [
        (
            format!("ssi:sza:default::{text}:v0:{{}}"),
            AnchorIdError::Hint,
        ),
        (format!("ssi:sza:default::{text}:v0:"), AnchorIdError::Hint),
        (
            format!("ssi:sza:default::{text}:v1"),
            AnchorIdError::WrongShape,
        ),
        (
            format!("ssi:sza:default::{text}:"),
            AnchorIdError::WrongShape,
        ),
        (
            format!("ssi:sza:default::{text}"),
            AnchorIdError::WrongShape,
        ),
        (
            format!("foo:sza:default::{text}:v0"),
            AnchorIdError::WrongShape,
        ),
        (
            format!("ssi:sread:default::{text}:v0"),
            AnchorIdError::WrongKind,
        ),
        (
            format!("ssi:pk:default::{text}:v0"),
            AnchorIdError::WrongKind,
        ),
        (
            format!("ssi:sza:default:x:{text}:v0"),
            AnchorIdError::BadKey,
        ),
        (
            format!("ssi:sza:default::{hybrid}:v0"),
            AnchorIdError::BadKey,
        ),
        (
            format!("ssi:sza:default::{}:v0", text.trim_end_matches('=')),
            AnchorIdError::BadKey,
        ),
        (
            format!("ssi:sza:default::{text}=:v0"),
            AnchorIdError::BadKey,
        ),
        ("ssi:sza:default:::v0".to_owned(), AnchorIdError::BadKey),
        ("ssi:cza:default:abc::v0".to_owned(), AnchorIdError::BadHash),
        ("ssi:cza:default:::v0".to_owned(), AnchorIdError::BadHash),
    ];
    for (plain, expected) in cases {
        assert_eq!(refused(&plain), expected, "{plain}");
    }
    for domain in ["$HOME", "a/b", "..", "", "a b"] {
        let error = refused(&format!("ssi:sza:{domain}::{text}:v0"));
        assert!(matches!(error, AnchorIdError::BadDomain(_)), "{domain}");
    }
    assert_eq!(
        AnchorId::parse_wrapped(good.plain()),
        Err(AnchorIdError::NotWrapped)
    );
    let alias = format!("1{good}");
    assert!(matches!(
        AnchorId::parse_wrapped(&alias),
        Err(AnchorIdError::NotAnIdentifier(_))
    ));
    let long = "z".repeat(256);
    let error = AnchorId::parse_wrapped(&long).unwrap_err();
    assert_eq!(error, AnchorIdError::TooLong { found: 256 });
}

#[test]
fn values_are_strict_or_refused() {
    let sig = base64::encode(&[1; 64]);
    let shl = |rest: &str| format!("ssi:shl:default:{HASH}:1700000000000|{sig}:{rest}");
    assert!(AnchorValue::parse(&shl("v0")).is_ok());
    assert!(AnchorValue::parse(&shl("v0:{\"bricksDomain\":\"b\"}")).is_ok());
    let with = |from: &str, to: &str| shl("v0").replace(from, to);
    let cases = [
        (shl("v0:{ }"), AnchorValueError::HintNotNormal),
        (
            shl("v0:{\"dsuVersion\":1}"),
            AnchorValueError::HintNotNormal,
        ),
        (shl("v0:"), AnchorValueError::BadHint(HintError::NotJson)),
        (shl("v0:null"), AnchorValueError::BadHint(HintError::Null)),
        (shl("v1"), AnchorValueError::WrongShape),
        (shl(""), AnchorValueError::WrongShape),
        (with("ssi:", "SSI:"), AnchorValueError::WrongShape),
        (with(":shl:", ":seed:"), AnchorValueError::WrongKind),
        (with(HASH, ""), AnchorValueError::BadHash),
        (with(HASH, "0"), AnchorValueError::BadHash),
        (with(HASH, &"1".repeat(45)), AnchorValueError::BadHash),
        (with("|", "/"), AnchorValueError::MissingSignature),
        (with("|", "||"), AnchorValueError::MissingSignature),
        (with(&sig, ""), AnchorValueError::MissingSignature),
        (with(&sig, "AB*C"), AnchorValueError::BadSignatureText),
        (
            with(&sig, &"A".repeat(177)),
            AnchorValueError::BadSignatureText,
        ),
        (with("1700000000000", ""), AnchorValueError::BadTimestamp),
        (
            with("1700000000000", "17e3"),
            AnchorValueError::BadTimestamp,
        ),
        (
            format!("ssi:hl:default:{HASH}:x:v0"),
            AnchorValueError::UnexpectedControl,
        ),
        (
            format!("ssi:transfer:default:AAAA:1/{sig}:v0"),
            AnchorValueError::BadNewKey,
        ),
        ("ssi:shl".to_owned(), AnchorValueError::WrongShape),
    ];
    for (plain, expected) in cases {
        assert_eq!(AnchorValue::parse(&plain).unwrap_err(), expected, "{plain}");
        let error = AnchorValue::parse_wrapped(&wrapped(&plain)).unwrap_err();
        assert_eq!(error, expected, "{plain}");
    }
    for domain in ["$HOME", "a/b", "", "dömäin"] {
        let error = AnchorValue::parse(&with("default", domain)).unwrap_err();
        assert!(matches!(error, AnchorValueError::BadDomain(_)), "{domain}");
    }
    assert!(AnchorValue::parse(&with(HASH, "hash1")).is_ok());
    assert!(AnchorValue::parse(&with(&sig, &sig.replace('=', ""))).is_ok());
    let plain = shl("v0");
    let error = AnchorValue::parse_wrapped(&plain).unwrap_err();
    assert_eq!(error, AnchorValueError::NotWrapped);
    assert!(AnchorValue::parse(&format!("1{}", wrapped(&plain))).is_err());
    let long = format!("{}{}", shl("v0:"), "\"a\"".repeat(2000));
    assert!(matches!(
        AnchorValue::parse(&long),
        Err(AnchorValueError::TooLong { .. })
    ));
}

#[test]
fn stored_values_are_read_but_not_created() {
    let owner = key(1);
    let id = id_of(&owner);
    let head = first(&owner);
    let odd = |from: &str, to: &str| head.value().plain().replace(from, to);
    let cases = [
        (odd(":v0", ":v0:{ \"a\" : 1.0 }"), Some(NOW)),
        (odd(":default:", ":$HOME:"), Some(NOW)),
        (odd(HASH, ""), Some(NOW)),
        (odd(HASH, "with O and 0"), Some(NOW)),
        (odd("1700000000000", "123abc"), Some(123)),
        (odd("1700000000000", " +7 "), Some(7)),
        (odd("1700000000000", "soon"), None),
        (odd("1700000000000", "-5"), None),
        (odd("==:v0", "==|more:v0"), Some(NOW)),
    ];
    for (plain, time) in cases {
        let value = AnchorValue::parse_stored(&plain).unwrap();
        let irregularity = value.irregularity().cloned();
        assert_eq!(
            AnchorValue::parse(value.plain()).err(),
            irregularity,
            "{plain}"
        );
        assert!(irregularity.is_some() || plain.contains("{ "), "{plain}");
        assert_eq!(value.timestamp().cloned(), time.map(at), "{plain}");
        if let Some(error) = irregularity {
            let refused = CreateError::Malformed(error.clone());
            assert_eq!(create(&id, &value), Err(refused), "{plain}");
            let refused = AppendError::Malformed(error);
            assert_eq!(append(&id, &head, &value), Err(refused), "{plain}");
        }
        let restored = Head::restore(value.as_str(), None).unwrap();
        let next = signer(&owner, &owner)
            .append(&restored, HASH, &at(NOW))
            .unwrap();
        assert!(append(&id, &restored, &next).is_ok(), "{plain}");
    }
    for plain in [
        "ssi:seed:default:AAAA::v0",
        "rubbish",
        "ssi:shl:d:h:1|AA==:v1",
    ] {
        assert!(AnchorValue::parse_stored(plain).is_err(), "{plain}");
    }
}

#[test]
fn constant_values_carry_bricks_domain_and_hint() {
    let ssi = KeySsi::parse("ssi:const:d:AAAA::v0:{\"bricksDomain\":\"b\",\"x\":1}").unwrap();
    let value = AnchorValue::constant(&ssi, HASH).unwrap();
    let expected = format!("ssi:hl:b:{HASH}::v0:{{\"bricksDomain\":\"b\",\"x\":1}}");
    assert_eq!(value.plain(), expected);
    assert_eq!((value.timestamp(), value.new_key()), (None, None));
    assert_eq!(value.brick_map_hash(), Some(HASH));
    let constant = AnchorId::parse_plain(CZA).unwrap();
    let refused = AnchorSigner::new(constant, key(1), "default", None).err();
    assert_eq!(refused, Some(SignError::ConstantAnchor));
}

#[test]
fn writers_put_domain_and_hint_into_values() {
    let owner = key(1);
    let hint = Hint::parse("{\"bricksDomain\": \"b\"}").unwrap();
    let signer = AnchorSigner::new(id_of(&owner), owner.clone(), "b", Some(hint)).unwrap();
    let value = signer.create(HASH, &at(NOW)).unwrap();
    assert_eq!(value.domain(), "b");
    assert!(value.plain().ends_with(":v0:{\"bricksDomain\":\"b\"}"));
    let head = create(signer.id(), &value).unwrap();
    let next = signer.append(&head, HASH, &at(NOW)).unwrap();
    assert!(append(signer.id(), &head, &next).is_ok());
    let refused = signer.create("not a hash", &at(NOW)).unwrap_err();
    assert_eq!(refused, SignError::BadValue(AnchorValueError::BadHash));
}

proptest! {
    #[test]
    fn any_text_is_refused_or_canonical(
        text in "(ssi:(shl|hl|transfer|sza|cza):[a-z]{0,3}:)?\\PC{0,80}",
    ) {
        for text in [wrapped(&text), text] {
            if let Ok(value) = AnchorValue::parse(&text) {
                prop_assert_eq!(AnchorValue::parse_wrapped(value.as_str()), Ok(value));
            }
            if let Ok(value) = AnchorValue::parse_stored(&text) {
                prop_assert_eq!(AnchorValue::parse_stored(value.as_str()), Ok(value));
            }
            if let Ok(id) = AnchorId::parse_wrapped(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
            let _ = Head::restore(&text, Some(&text));
        }
    }

    #[test]
    fn a_changed_byte_is_noticed(place in 0_usize..1000, bit in 0_u8..7) {
        let owner = key(1);
        let value = first(&owner).value().clone();
        let mut bytes = value.plain().as_bytes().to_vec();
        let index = place % bytes.len();
        bytes[index] ^= 1 << bit;
        let changed = String::from_utf8(bytes).ok().and_then(|text| AnchorValue::parse(&text).ok());
        if let Some(changed) = changed {
            let accepted = create(&id_of(&owner), &changed).is_ok();
            // The domain is not signed, and the two alphabets of base64 and
            // the bits after the last byte of a signature are one to a reader.
            let same = changed.domain() != value.domain()
                || changed.signature() == value.signature()
                    && changed.signed_specific() == value.signed_specific()
                    && changed.signed_timestamp() == value.signed_timestamp();
            prop_assert_eq!(accepted, same);
        }
    }
}
