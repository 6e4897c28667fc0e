//! Domains, and what is counted.

use keyssi::{CreateError, Domain};

use super::{Case, cases};
use crate::author::Author;
use crate::bench::ODD_DOMAINS;
use crate::world::{Refusal, World, main_domain};

pub(super) fn cases() -> Vec<Case> {
    cases![
        domains_may_have_odd_names,
        the_longest_id_is_an_anchor,
        a_key_names_an_anchor_in_each_domain,
        a_value_of_another_domain_is_refused,
        the_total_counts_anchors_not_versions,
        the_total_does_not_count_what_was_refused,
        the_total_counts_every_anchor_of_a_batch,
        the_total_is_that_of_the_domain,
        the_total_is_there_after_a_restart,
    ]
}

fn odd_domains() -> Vec<Domain> {
    ODD_DOMAINS.iter().map(|it| it.parse().unwrap()).collect()
}

async fn total(world: &World, domain: &Domain) -> u64 {
    world.ledger_of(domain).total(domain).await.unwrap()
}

async fn write_in(world: &World, domain: &Domain, author: &mut Author, text: &str) {
    let value = author.next(text);
    let ledger = world.ledger_of(domain);
    ledger.write(author.either(&value)).await.unwrap();
    author.took(&value);
}

async fn domains_may_have_odd_names(world: &World) {
    for domain in odd_domains() {
        let mut author = world.signed_in(&domain);
        write_in(world, &domain, &mut author, "one").await;
        write_in(world, &domain, &mut author, "two").await;
        let all = world.ledger_of(&domain).all_versions(author.id()).await;
        assert_eq!(all.unwrap(), author.values(), "{domain}");
    }
}

async fn the_longest_id_is_an_anchor(world: &World) {
    let domain = odd_domains().pop().unwrap();
    let mut author = world.signed_in(&domain);
    assert_eq!(author.id().plain().len(), 165);
    for text in ["one", "two", "three"] {
        write_in(world, &domain, &mut author, text).await;
    }
    let last = world.ledger_of(&domain).last_version(author.id()).await;
    let expected = author.values().last().cloned().unwrap();
    assert_eq!(last.unwrap(), Some((expected, 3)));
}

/// Domains that differ in case only are two.
async fn a_key_names_an_anchor_in_each_domain(world: &World) {
    let key = world.key();
    let [lower, upper] = ["a", "A"].map(|it| it.parse::<Domain>().unwrap());
    let mut here = world.known(Author::new(key.clone(), &lower));
    let there = Author::new(key, &upper);
    write_in(world, &lower, &mut here, "here").await;
    let all = world.ledger_of(&upper).all_versions(there.id()).await;
    assert_eq!(all.unwrap(), [""; 0]);
    let all = world.ledger_of(&lower).all_versions(here.id()).await;
    assert_eq!(all.unwrap(), here.values());
}

/// The id is signed, and with it the domain.
async fn a_value_of_another_domain_is_refused(world: &World) {
    let key = world.key();
    let here = Author::new(key.clone(), &main_domain());
    let there = Author::new(key, &odd_domains()[0]);
    let told = world.refused(here.create(&there.next("one"))).await;
    assert_eq!(told, Refusal::Create(CreateError::BadSignature));
    world.assert_absent(here.id()).await;
}

async fn the_total_counts_anchors_not_versions(world: &World) {
    let before = total(world, &main_domain()).await;
    world.anchored(&["one", "two", "three"]).await;
    world.anchored(&["one"]).await;
    assert_eq!(total(world, &main_domain()).await, before + 2);
    assert_eq!(
        world.second().total(&main_domain()).await.unwrap(),
        before + 2
    );
}

async fn the_total_does_not_count_what_was_refused(world: &World) {
    let author = world.anchored(&["one"]).await;
    let before = total(world, &main_domain()).await;
    let again = world.refused(author.create(&author.next("two"))).await;
    assert_eq!(again, Refusal::AlreadyExists);
    let stranger = world.signed();
    let told = world.refused(stranger.create(&author.next("one"))).await;
    assert_eq!(told, Refusal::Create(CreateError::BadSignature));
    assert_eq!(total(world, &main_domain()).await, before);
}

async fn the_total_counts_every_anchor_of_a_batch(world: &World) {
    let before = total(world, &main_domain()).await;
    let authors: Vec<Author> = (0..4).map(|_| world.signed()).collect();
    let entries = authors.iter().map(|it| it.create(&it.next("one")));
    world.ledger().write_all(entries.collect()).await.unwrap();
    assert_eq!(total(world, &main_domain()).await, before + 4);
}

async fn the_total_is_that_of_the_domain(world: &World) {
    let other: Domain = odd_domains().remove(0);
    let before = total(world, &main_domain()).await;
    let mut author = world.signed_in(&other);
    write_in(world, &other, &mut author, "one").await;
    assert_eq!(total(world, &main_domain()).await, before);
    assert!(total(world, &other).await > 0);
}

async fn the_total_is_there_after_a_restart(world: &World) {
    world.anchored(&["one", "two"]).await;
    let before = total(world, &main_domain()).await;
    world.restart();
    assert_eq!(total(world, &main_domain()).await, before);
    world.anchored(&["one"]).await;
    assert_eq!(total(world, &main_domain()).await, before + 1);
}
