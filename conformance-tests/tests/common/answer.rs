//! What a test demands of an answer.

use testkit::http::Reply;

/// A status, and what must stand in the body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// No body at all.
    Empty(u16),
    /// Exactly this body.
    Body(u16, &'a [u8]),
    /// `{"message": …}` with a text that holds this part.
    Message(u16, &'a str),
}

impl Answer<'_> {
    /// Panics, with the name of the case, when a reply is another one.
    #[track_caller]
    pub(crate) fn check(self, case: &str, reply: &Reply) {
        let status = match self {
            Self::Empty(status) | Self::Body(status, _) | Self::Message(status, _) => status,
        };
        let found = format!("{} {:.300}", reply.status, reply.text());
        assert_eq!(reply.status, status, "{case}: {found}");
        match self {
            Self::Empty(_) => assert!(reply.body.is_empty(), "{case}: {found}"),
            Self::Body(_, body) => assert!(reply.body == body, "{case}: {found}"),
            Self::Message(_, part) => {
                let message = message(reply);
                let holds = message.is_some_and(|it| it.contains(part));
                assert!(holds, "{case}: {part:?} is not in {found}");
            }
        }
    }
}

/// The text of a body that is `{"message": "<text>"}` and nothing more.
pub(crate) fn message(reply: &Reply) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    let object = body.as_object().filter(|it| it.len() == 1)?;
    Some(object.get("message")?.as_str()?.to_owned())
}
