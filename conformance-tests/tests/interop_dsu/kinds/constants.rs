//! DSUs that are found by what is known: constants, arrays, wallets.

use anyhow::{Result, ensure};
use client::dsus::{At, Draft, DsuError, Snapshot, create_wallet};
use keyssi::{ArrayElements, KeySsi};
use serde_json::{Value, json};

use super::{Files, agree, files, noise};
use crate::operation::{Operation, path, to_json};
use crate::world::{DOMAIN, World, change, create, now, seed};

pub(super) async fn play(world: &mut World) -> Result<()> {
    let text = |side: &str| format!("a text that everybody knows, {side}");
    let elements = |side: &'static str| ["05712345678908", "batch €", side];
    let array = |side| KeySsi::array(DOMAIN, &ArrayElements::from_texts(&elements(side)));
    let by_us = [KeySsi::constant(DOMAIN, &text("ours"))?, array("ours")?];
    let by_sdk = [KeySsi::constant(DOMAIN, &text("sdk"))?, array("sdk")?];
    let told = |side: &'static str| {
        [
            json!({"kind": "const", "text": text(side)}),
            json!({"kind": "array", "elements": elements(side)}),
        ]
    };
    for (ssi, given) in by_us.iter().zip(told("ours")) {
        create(&world.client()?, ssi, &operations()).await?;
        written_once(world, ssi, &given).await?;
    }
    for (ssi, given) in by_sdk.iter().zip(told("sdk")) {
        let made = world.sdk_create(&given, &operations())?;
        ensure!(
            made["ssi"] == json!(ssi.wrapped().as_str()),
            "another identifier"
        );
        written_once(world, ssi, &given).await?;
    }
    wallet_by_us(world).await?;
    wallet_by_sdk(world).await
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::write("/leaflet.xml", "<leaflet/>"),
        Operation::Write("/images/scan".to_owned(), noise(6, 2500), Some(1000)),
        Operation::EmbedText("/inside".to_owned(), "the same for everyone".to_owned()),
    ]
}

/// Both read it, and neither writes it again.
async fn written_once(world: &mut World, ssi: &KeySsi, given: &Value) -> Result<()> {
    let expected = files(&[
        ("/leaflet.xml", b"<leaflet/>"),
        ("/images/scan", &noise(6, 2500)),
        ("/inside", b"the same for everyone"),
    ]);
    agree(world, ssi, &expected).await?;
    let client = world.client()?;
    let again = Draft::create(&client, ssi, now()?).await.map(drop);
    ensure!(matches!(again, Err(DsuError::Exists)), "we: {again:?}");
    let snapshot = Snapshot::open(&client, ssi, At::Latest).await?;
    let edit = Draft::edit(&snapshot).map(drop);
    ensure!(matches!(edit, Err(DsuError::Constant)), "we: {edit:?}");
    let again = world.sdk_create(given, &operations());
    let again = again.map(drop).unwrap_err().to_string();
    ensure!(again.contains("already exists"), "the SDK: {again}");
    let edit = world.sdk_change(ssi, &[Operation::write("/second", "2")]);
    let edit = edit.unwrap_err().to_string();
    ensure!(edit.contains("Cannot append anchor"), "the SDK: {edit}");
    agree(world, ssi, &expected).await
}

/// The application, and what a wallet that holds `private` shows.
fn wallet_files(private: &[(&str, &[u8])]) -> Files {
    let mut expected = files(&[("/writableDSU/code/app.js", b"code")]);
    for (place, bytes) in private {
        expected.push((format!("/writableDSU{place}"), bytes.to_vec()));
    }
    expected
}

async fn application(world: &World) -> Result<KeySsi> {
    let ssi = seed()?;
    create(
        &world.client()?,
        &ssi,
        &[Operation::write("/app.js", "code")],
    )
    .await?;
    Ok(ssi)
}

async fn wallet_by_us(world: &mut World) -> Result<()> {
    let client = world.client()?;
    let application = application(world).await?;
    let wallet = KeySsi::wallet(DOMAIN, &ArrayElements::from_texts(&["user ours", "pass"]))?;
    let writable = create_wallet(&client, &wallet, Some(&application), now()?).await?;
    agree(world, &wallet, &wallet_files(&[])).await?;
    sdk_writes(world, &wallet, &[Operation::write("/note", "by the SDK")])?;
    agree(world, &wallet, &wallet_files(&[("/note", b"by the SDK")])).await?;
    change(&client, &writable, &[Operation::write("/keys", "by us")]).await?;
    let private: [(&str, &[u8]); 2] = [("/note", b"by the SDK"), ("/keys", b"by us")];
    agree(world, &wallet, &wallet_files(&private)).await
}

async fn wallet_by_sdk(world: &mut World) -> Result<()> {
    let client = world.client()?;
    let application = application(world).await?;
    let words = ["user sdk", "pass"];
    let wallet = KeySsi::wallet(DOMAIN, &ArrayElements::from_texts(&words))?;
    let code = application.wrapped();
    let given = json!({"kind": "wallet", "elements": words, "application": code.as_str()});
    let made = world.sdk_create(&given, &[Operation::write("/note", "by the SDK")])?;
    ensure!(
        made["ssi"] == json!(wallet.wrapped().as_str()),
        "another identifier"
    );
    agree(world, &wallet, &wallet_files(&[("/note", b"by the SDK")])).await?;
    // The wallet leads to its writable part.
    let snapshot = Snapshot::open(&client, &wallet, At::Latest).await?;
    let writable = snapshot.locate(&path("/writableDSU/note")?).await?.snapshot;
    ensure!(
        made["writable"] == json!(writable.ssi().wrapped().as_str()),
        "another writable part"
    );
    change(
        &client,
        writable.ssi(),
        &[Operation::write("/keys", "by us")],
    )
    .await?;
    let mut private: Vec<(&str, &[u8])> = vec![("/note", b"by the SDK"), ("/keys", b"by us")];
    agree(world, &wallet, &wallet_files(&private)).await?;
    sdk_writes(world, &wallet, &[Operation::write("/more", "again")])?;
    private.push(("/more", b"again"));
    agree(world, &wallet, &wallet_files(&private)).await
}

/// The SDK changes the writable part of a wallet, which it finds by the wallet's key.
fn sdk_writes(world: &mut World, wallet: &KeySsi, operations: &[Operation]) -> Result<()> {
    let ops = to_json(operations);
    let request = json!({"call": "changeWritable", "ssi": wallet.wrapped().as_str(), "ops": ops});
    world.writer.call(&request).map(drop)
}
