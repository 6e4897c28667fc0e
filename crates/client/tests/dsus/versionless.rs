//! Documents without versions: written, changed, read again, and only with their key.

use client::dsus::{DsuError, Versionless};
use dsu::VersionlessParseError;
use keyssi::{EncryptionKey, KeySsi};

use crate::world::{World, path, seed};

const PLACE: &str = "notes/one";

fn named(key: Option<&EncryptionKey>) -> KeySsi {
    KeySsi::versionless("default", PLACE, key).unwrap()
}

async fn is_written_and_changed(key: Option<&EncryptionKey>) {
    let world = World::new();
    let (client, ssi) = (world.client(), named(key));
    let none = Versionless::open(&client, &ssi).await;
    assert!(matches!(none, Err(DsuError::NoDocument(name)) if name == PLACE));

    let mut made = Versionless::create(&client, &ssi).unwrap();
    let document = made.document_mut();
    document.write(&path("/a"), b"one", world.now()).unwrap();
    document.write(&path("/b"), b"two", world.now()).unwrap();
    made.save().await.unwrap();

    let mut opened = Versionless::open(&client, &ssi).await.unwrap();
    let document = opened.document_mut();
    document.append(&path("/a"), b" more", world.now()).unwrap();
    document.delete(&path("/b")).unwrap();
    opened.save().await.unwrap();

    let opened = Versionless::open(&client, &ssi).await.unwrap();
    let document = opened.document();
    assert_eq!(*document.read(&path("/a")).unwrap(), b"one more");
    assert_eq!(document.kind(&path("/b")), None);
}

#[tokio::test]
async fn a_document_is_written_changed_and_read_again() {
    is_written_and_changed(None).await;
    is_written_and_changed(Some(&EncryptionKey::from_bytes([7; 32]))).await;
}

#[tokio::test]
async fn a_sealed_document_opens_with_its_key_only() {
    let world = World::new();
    let client = world.client();
    let key = EncryptionKey::from_bytes([7; 32]);
    let made = Versionless::create(&client, &named(Some(&key))).unwrap();
    made.save().await.unwrap();

    let other = EncryptionKey::from_bytes([8; 32]);
    let refused = Versionless::open(&client, &named(Some(&other))).await;
    assert!(matches!(
        refused,
        Err(DsuError::Document(VersionlessParseError::WrongKey(_)))
    ));
    let refused = Versionless::open(&client, &named(None)).await;
    assert!(matches!(
        refused,
        Err(DsuError::Document(VersionlessParseError::Malformed))
    ));
}

#[tokio::test]
async fn other_identifiers_name_no_document() {
    let world = World::new();
    let refused = Versionless::create(&world.client(), &seed());
    assert!(matches!(refused, Err(DsuError::NotReadable(_))));
}
