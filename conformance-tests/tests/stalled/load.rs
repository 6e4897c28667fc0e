//! Clients that behave, beside those that do not, and a watch over the node's memory.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use keyssi::{BrickHash, Domain};
use testkit::caller::Caller;
use testkit::http::HttpError;
use testkit::memory::Resident;
use testkit::owner::{FIRST_MS, Owner};
use testkit::random::Random;

/// The size of a chunk as the SDK sends it, with its envelope, in bytes.
pub(crate) const LARGE_BYTES: usize = 10_000_064;
/// How often a reasonable client comes back when it is told to, which is after five seconds of
/// waiting and one more.
const ATTEMPTS_MAX: u32 = 10;
/// How often the memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the well-behaved clients met.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// Rounds of small put, get and anchor.
    pub(crate) small: u64,
    /// Bricks of ten megabytes that were put and got.
    pub(crate) large: u64,
    /// How often a large one was told to come back.
    pub(crate) told_to_wait: u64,
    /// The longest that one small call took.
    pub(crate) small_slowest: Duration,
    /// The longest that a large put or get took, with all its attempts.
    pub(crate) large_slowest: Duration,
    /// The most memory that was seen, in bytes.
    pub(crate) resident: u64,
}

/// Keeps working against a node, and watches the memory of process `pid`, while `others` runs.
pub(crate) fn beside<T: Send>(
    address: SocketAddr,
    pid: u32,
    random: &mut Random,
    others: impl FnOnce() -> Result<T> + Send,
) -> Result<(T, Served)> {
    let over = AtomicBool::new(false);
    let (small_random, large_random) = (random.fork(), random.fork());
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(pid, &over));
        let small = scope.spawn(|| small_calls(address, small_random, &over));
        let large = scope.spawn(|| large_calls(address, large_random, &over));
        let others = others();
        over.store(true, Ordering::Relaxed);
        let resident = watching.join().ok().context("the watch panicked")??;
        let mut served = small.join().ok().context("the small calls panicked")??;
        let large = large.join().ok().context("the large calls panicked")??;
        served.large = large.large;
        served.told_to_wait = large.told_to_wait;
        served.large_slowest = large.large_slowest;
        served.resident = resident;
        Ok((others?, served))
    })
}

/// The most memory of a process until `over`, as the kernel keeps it.
fn watch(pid: u32, over: &AtomicBool) -> Result<u64> {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        most = most.max(Resident::of(pid)?.most);
        thread::sleep(LOOK_EVERY);
    }
    Ok(most.max(Resident::of(pid)?.most))
}

/// Puts, gets and anchors something small, again and again; all must be granted at once.
fn small_calls(address: SocketAddr, mut random: Random, over: &AtomicBool) -> Result<Served> {
    let domain: Domain = "default".parse()?;
    let mut caller = Caller::new(address);
    let mut served = Served::default();
    while !over.load(Ordering::Relaxed) {
        let brick = random.bytes(1000);
        let hash = BrickHash::of(&brick).to_string();
        let owner = Owner::new(&domain, &random.bytes(32))?;
        let value = owner.sign(&hash, FIRST_MS)?;
        let calls = [
            (
                "PUT",
                "/bricking/default/put-brick".to_owned(),
                Some(brick.clone()),
                201,
            ),
            (
                "GET",
                format!("/bricking/default/get-brick/{hash}"),
                None,
                200,
            ),
            (
                "PUT",
                format!("/anchor/default/create-anchor/{}/{value}", owner.id()),
                None,
                201,
            ),
            (
                "GET",
                format!("/anchor/default/get-all-versions/{}", owner.id()),
                None,
                200,
            ),
        ];
        for (method, target, body, expected) in calls {
            let started = Instant::now();
            let reply = caller
                .call(method, &target, body)
                .with_context(|| target.clone())?;
            served.small_slowest = served.small_slowest.max(started.elapsed());
            let status = reply.status;
            ensure!(
                status == expected,
                "{method} {target}: {status} {}",
                reply.text()
            );
            if target.contains("get-brick") {
                ensure!(reply.body == brick, "other bytes than were put");
            }
        }
        served.small += 1;
    }
    Ok(served)
}

/// Puts and gets something large, again and again; it may be told to come back. What is granted
/// only after the others are gone does not count.
fn large_calls(address: SocketAddr, mut random: Random, over: &AtomicBool) -> Result<Served> {
    let mut caller = Caller::new(address);
    let mut served = Served::default();
    while !over.load(Ordering::Relaxed) {
        let brick = random.bytes(LARGE_BYTES);
        let target = format!("/bricking/default/get-brick/{}", BrickHash::of(&brick));
        let put = "/bricking/default/put-brick";
        patiently(
            address,
            &mut caller,
            &mut served,
            ("PUT", put),
            Some(&brick),
        )?;
        let got = patiently(
            address,
            &mut caller,
            &mut served,
            ("GET", target.as_str()),
            None,
        )?;
        ensure!(got == brick, "other bytes than were put");
        served.large += u64::from(!over.load(Ordering::Relaxed));
    }
    Ok(served)
}

/// One call, repeated as long as the node says when to come back.
fn patiently(
    address: SocketAddr,
    caller: &mut Caller,
    served: &mut Served,
    (method, target): (&str, &str),
    body: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let started = Instant::now();
    let mut was_closed = false;
    for _ in 0..ATTEMPTS_MAX {
        let mut outcome = caller.call(method, target, body.map(<[u8]>::to_vec));
        // The node may end a connection that is kept alive just when the next call is on its way.
        if !was_closed && matches!(outcome, Err(HttpError::Closed)) {
            was_closed = true;
            *caller = Caller::new(address);
            outcome = caller.call(method, target, body.map(<[u8]>::to_vec));
        }
        let reply = outcome.with_context(|| format!("{method} {target}"))?;
        if matches!(reply.status, 200 | 201) {
            served.large_slowest = served.large_slowest.max(started.elapsed());
            return Ok(reply.body);
        }
        let status = reply.status;
        ensure!(
            status == 503,
            "{method} {target}: {status} {}",
            reply.text()
        );
        let pause = reply
            .header("Retry-After")
            .context("503 without Retry-After")?;
        served.told_to_wait += 1;
        thread::sleep(Duration::from_secs(pause.parse()?));
    }
    anyhow::bail!("{method} {target}: told to come back {ATTEMPTS_MAX} times")
}
