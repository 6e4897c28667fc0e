//! Eight writers at once.

use std::collections::BTreeMap;

use client::Client;
use client::dsus::{Draft, verify};
use dsu::Moment;
use keyssi::KeySsi;
use testkit::random::Random;
use testkit::server::Server;

use crate::world::{at, client, content, latest, made, path};

/// Writers at the same time.
const WRITERS: usize = 8;
/// Commits of each.
const COMMITS: usize = 6;

/// What a writer has made, by path.
type Written = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_of_different_files_lose_nothing() {
    let node = Server::start("").unwrap();
    let reader = client(&node);
    let ssi = made(&reader, &[("/shared/first", "before all")]).await;
    let mut random = Random::announced("merge").unwrap();
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let (client, ssi, random) = (client(&node), ssi.clone(), random.fork());
        writers.push(tokio::spawn(write(client, ssi, number, random)));
    }
    let mut wanted = Written::from([("/shared/first".to_owned(), "before all".to_owned())]);
    for writer in writers {
        wanted.extend(writer.await.unwrap());
    }
    let merged = latest(&reader, &ssi).await;
    assert_eq!(merged.history().len(), 1 + WRITERS * COMMITS);
    let files = merged.map().files();
    let places: Vec<String> = files.iter().map(|(place, _)| place.to_string()).collect();
    assert_eq!(places.len(), wanted.len(), "{places:?}");
    for (place, text) in &wanted {
        assert_eq!(content(&merged, place).await, *text, "{place}");
    }
    let verified = verify(&reader, &ssi).await.unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
}

/// Writes, appends to, renames and removes files of its own, in a folder of its own and in one that
/// all share.
async fn write(client: Client, ssi: KeySsi, number: usize, mut random: Random) -> Written {
    let mut written = Written::new();
    for commit in 0..COMMITS {
        let now = at(1 + commit as u64);
        let mut draft = Draft::edit(&latest(&client, &ssi).await).unwrap();
        // What this commit makes stays: making and removing it at once would be no version.
        let known: Vec<String> = written.keys().cloned().collect();
        for file in 0..=random.below(3) {
            let folder = ["/shared", &format!("/of-{number}")][random.index(2)].to_owned();
            let place = format!("{folder}/{number}-{commit}-{file}");
            draft
                .write(&path(&place), place.as_bytes(), now)
                .await
                .unwrap();
            written.insert(place.clone(), place);
        }
        if let Some(place) = known.get(random.index(known.len())) {
            let choice = random.below(3);
            change(&mut draft, place, choice, now, &mut written).await;
        }
        let committed = draft.commit(now).await.unwrap();
        assert_eq!(committed.len(), 1, "one version");
    }
    written
}

/// Appends to a file, renames it or removes it.
async fn change(draft: &mut Draft, place: &str, choice: u64, now: Moment, written: &mut Written) {
    match choice {
        0 => {
            let appended = draft.append(&path(place), &b", more"[..], now).await;
            appended.unwrap();
            written.get_mut(place).unwrap().push_str(", more");
        }
        1 => {
            let to = format!("/moved{place}");
            let renamed = draft.rename(&path(place), &path(&to), now).await;
            renamed.unwrap();
            let text = written.remove(place).unwrap();
            written.insert(to, text);
        }
        _ => {
            draft.remove(&path(place), now).await.unwrap();
            written.remove(place);
        }
    }
}
