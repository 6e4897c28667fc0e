//! What a liar can be told: on which requests, which lie, how often.

use std::time::Duration;

use super::wire::Incoming;

/// When to lie, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    route: Route,
    about: Option<String>,
    skip: usize,
    times: Option<usize>,
    lie: Lie,
}

/// A kind of request, told by method and path (`http-api.md` §2 to §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Every request.
    Any,
    /// `get-all-versions` and `get-last-version` of an anchor.
    History,
    /// `get-all-versions` alone.
    AllVersions,
    /// `get-last-version` alone.
    LastVersion,
    /// `create-anchor` and `append-to-anchor`.
    AnchorWrite,
    /// `get-brick`.
    GetBrick,
    /// `put-brick`.
    PutBrick,
    /// `brick-exists`.
    BrickExists,
    /// `POST get-bricks`, answered with an archive.
    GetBricks,
    /// `POST put-bricks`.
    PutBricks,
    /// `POST have-bricks`.
    HaveBricks,
    /// `GET /bdns`.
    Bdns,
    /// `GET /ipfs/…`.
    Ipfs,
}

/// A part of an anchor value (`keyssi.md` §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The lowest bit of the first byte of the signature.
    Signature,
    /// The lowest bit of the last byte of the brick map's hash.
    Hash,
    /// The last digit of the timestamp, one up (9 becomes 0).
    Timestamp,
}

/// How a body without end is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endlessness {
    /// As chunks.
    Chunked,
    /// With this `Content-Length`, and more bytes than that if it is reached.
    Sized(u64),
    /// Neither: the body would end with the connection.
    UntilClose,
}

/// One lie. Places of versions and blocks count from 0; one that is not there changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// History: the newest so many versions are not there.
    Forget(usize),
    /// History: so many of the oldest are not there.
    ForgetOldest(usize),
    /// History: one bit (or digit) of this version is another.
    Alter(usize, Part),
    /// History: the two versions have changed places.
    Swap(usize, usize),
    /// History: that of the anchor with this wrapped id, of the same domain.
    HistoryOf(String),
    /// History: these wrapped values.
    Invent(Vec<String>),
    /// Bricks: the bytes of the brick with this hash, of the same domain.
    BytesOf(String),
    /// Archives: the two blocks have changed their bytes, not their names.
    SwapBlocks(usize, usize),
    /// Archives: one bit in the bytes of this block is another.
    FlipInBlock(usize),
    /// Archives: this block is not there.
    OmitBlock(usize),
    /// Archives: this block comes a second time, at the end.
    RepeatBlock(usize),
    /// JSON arrays of booleans, or `brick-exists`: all are this.
    SayAll(bool),
    /// Any body: the lowest bit of the byte at this place (modulo its length) is another.
    FlipBit(usize),
    /// Any body: these bits of the byte at this place (modulo its length) are others.
    ChangeByte(usize, u8),
    /// Any body: only so many bytes, framed as if that were all.
    Shorten(usize),
    /// Any body: announced whole, but the connection is closed after so many bytes.
    CutAfter(usize),
    /// Any body: never ends; after the true bytes come zeros.
    Endless(Endlessness),
    /// Any body: one byte in each interval.
    Drip(Duration),
    /// The head with the true length, then nothing.
    Stall,
    /// Nothing at all; the node is not asked.
    Silence,
    /// This status and body; the node is not asked.
    Instead(u16, String),
    /// `put-brick`, `put-bricks` and anchor writes: success, and nothing is stored.
    PretendStored,
    /// The node does what it was asked for, the answer is this status and body.
    DoneBut(u16, String),
    /// The node does what it was asked for, the connection is closed without an answer.
    DoneThenDrop,
    /// The connection is closed; the node is not asked.
    Drop,
}

impl Lie {
    /// What the reference answers for an absent brick: 200 and an error text (`http-api.md` §2).
    #[must_use]
    pub fn reference_not_found() -> Self {
        Self::Instead(200, r#"{"message":"Brick not found"}"#.to_owned())
    }
}

impl Rule {
    /// Always this lie on this kind of request.
    #[must_use]
    pub fn new(route: Route, lie: Lie) -> Self {
        Self {
            route,
            about: None,
            skip: 0,
            times: None,
            lie,
        }
    }

    /// Only where the target holds this text: a brick's hash, an anchor's id, a domain.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.to_owned());
        self
    }

    /// Only from the request after so many that fit.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// The lie for this request, if it fits; counts the requests that fit.
    pub(super) fn lie_for(&mut self, request: &Incoming) -> Option<Lie> {
        let about = self.about.as_ref();
        let named = about.is_none_or(|it| request.target.contains(it.as_str()));
        if !named || !self.route.fits(request) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.lie.clone())
    }
}

impl Route {
    fn fits(self, request: &Incoming) -> bool {
        let path = request.path();
        let mut segments = path.split('/').skip(1);
        let (service, second) = (segments.next(), segments.next());
        let call = segments.next().unwrap_or_default();
        let reads = matches!(request.method.as_str(), "GET" | "HEAD");
        let is = |service_is: &str, method: &str, calls: &[&str]| {
            let method_is = request.method == method || (method == "GET" && reads);
            service == Some(service_is) && method_is && calls.contains(&call)
        };
        match self {
            Self::Any => true,
            Self::History => is("anchor", "GET", &["get-all-versions", "get-last-version"]),
            Self::AllVersions => is("anchor", "GET", &["get-all-versions"]),
            Self::LastVersion => is("anchor", "GET", &["get-last-version"]),
            Self::AnchorWrite => is("anchor", "PUT", &["create-anchor", "append-to-anchor"]),
            Self::GetBrick => is("bricking", "GET", &["get-brick"]),
            Self::PutBrick => is("bricking", "PUT", &["put-brick"]),
            Self::BrickExists => is("bricking", "GET", &["brick-exists"]),
            Self::GetBricks => is("bricking", "POST", &["get-bricks"]),
            Self::PutBricks => is("bricking", "POST", &["put-bricks"]),
            Self::HaveBricks => is("bricking", "POST", &["have-bricks"]),
            Self::Bdns => service == Some("bdns") && reads,
            Self::Ipfs => service == Some("ipfs") && second.is_some() && reads,
        }
    }
}
