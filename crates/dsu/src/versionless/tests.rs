use proptest::prelude::*;

use super::*;
use crate::seal::tests::Counter;

fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn key() -> EncryptionKey {
    EncryptionKey::from_bytes(*b"0123456789abcdef0123456789abcdef")
}

fn json(document: &VersionlessDocument) -> String {
    let body = document.to_body(None, &mut Counter(1)).unwrap();
    String::from_utf8(decode(&body).unwrap().to_vec()).unwrap()
}

fn sample() -> VersionlessDocument {
    let mut document = VersionlessDocument::new();
    document.write(&path("/a/b/f"), b"content", at(1)).unwrap();
    document.write(&path("/g"), b"", at(2)).unwrap();
    document
}

#[test]
fn the_text_is_that_of_the_reference() {
    let empty = VersionlessDocument::new();
    assert_eq!(json(&empty), r#"{"folders":{},"files":{}}"#);
    let time = |n: u8| format!(r#""ctime":{n},"mtime":{n},"atime":{n}"#);
    let (one, two) = (time(1), time(2));
    let due = format!(
        r#"{{"folders":{{"/":{{{two}}},"a":{{{one}}},"a/b":{{{one}}}}},"files":{{"a/b/f":{{"content":"Y29udGVudA",{one}}},"g":{{"content":"",{two}}}}}}}"#
    );
    assert_eq!(json(&sample()), due);
}

#[test]
fn files_are_written_appended_read_and_deleted() {
    let mut document = sample();
    let read =
        |document: &VersionlessDocument, at: &str| document.read(&path(at)).unwrap().to_vec();
    document.append(&path("/a/b/f"), b"+", at(3)).unwrap();
    assert_eq!(read(&document, "/a/b/f"), b"content+");
    document.append(&path("/new"), b"x", at(3)).unwrap();
    assert_eq!(read(&document, "/new"), b"x");
    document.write(&path("/new"), b"y", at(4)).unwrap();
    assert_eq!(read(&document, "/new"), b"y");
    document.delete(&path("/a")).unwrap();
    for gone in ["/a", "/a/b", "/a/b/f"] {
        let path = path(gone);
        assert_eq!(document.kind(&path), None);
        assert_eq!(
            document.read(&path),
            Err(VersionlessError::NotFound { path })
        );
    }
    assert_eq!(read(&document, "/g"), b"");
}

#[test]
fn listings_tell_folders_and_files() {
    let mut document = sample();
    document.create_folder(&path("/a/e"), at(5)).unwrap();
    let list = |folder: &str, depth| {
        let listed = document.list(&path(folder), depth).unwrap();
        let paths = listed.into_iter().map(|it| it.path.to_string());
        paths.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("/", Depth::Recursive), "/a /a/b /a/e /a/b/f /g");
    assert_eq!(list("/", Depth::Here), "/a /g");
    assert_eq!(list("/a", Depth::Here), "/a/b /a/e");
    assert_eq!(list("/a/b", Depth::Recursive), "/a/b/f");
    let listed = document.list(&path("/a"), Depth::Here).unwrap();
    assert_eq!(listed[1].modified_at, Some(at(5)));
    let refused = document.list(&path("/g"), Depth::Here);
    assert!(matches!(refused, Err(VersionlessError::IsFile { .. })));
    let refused = document.list(&path("/nothing"), Depth::Here);
    assert!(matches!(refused, Err(VersionlessError::NotFound { .. })));
}

#[test]
fn files_and_folders_are_not_mixed_up() {
    let mut document = sample();
    let before = document.clone();
    let is_file = |it| matches!(it, Err(VersionlessError::IsFile { .. }));
    let is_folder = |it| matches!(it, Err(VersionlessError::IsFolder { .. }));
    assert!(is_file(document.write(&path("/g/below"), b"", at(9))));
    assert!(is_file(document.append(&path("/g/x/y"), b"", at(9))));
    assert!(is_file(document.create_folder(&path("/g"), at(9))));
    assert!(is_folder(document.write(&path("/a"), b"", at(9))));
    assert!(is_folder(document.write(&path("/"), b"", at(9))));
    assert!(is_folder(document.delete(&path("/"))));
    assert!(is_folder(document.read(&path("/a/b")).map(drop)));
    let missing = document.delete(&path("/ab"));
    assert!(matches!(missing, Err(VersionlessError::NotFound { .. })));
    assert_eq!(document, before);
}

#[test]
fn mount_points_have_no_leading_slash() {
    let mut document = sample();
    let seed = "ssi:seed:default:Niq62WOdkiBaAmAq/OD/RFU+tZ4neTK/ntIGMdq3gAM=::v0";
    let ssi = KeySsi::parse(seed).unwrap();
    document.mount(&path("/mnt"), &ssi, at(3)).unwrap();
    let content = document.read(&path("/manifest")).unwrap();
    let due = format!(r#"{{"mounts":{{"mnt":"{}"}}}}"#, *ssi.wrapped());
    assert_eq!(*content, due.as_bytes());
    let mounts = document.manifest().unwrap().mounts();
    assert_eq!(*mounts[0].point(), path("/mnt"));
    for taken in ["/a", "/g"] {
        assert!(
            document.mount(&path(taken), &ssi, at(4)).is_err(),
            "{taken}"
        );
    }
    document.unmount(&path("/mnt"), at(5)).unwrap();
    assert!(document.manifest().unwrap().is_empty());
}

#[test]
fn other_bodies_are_refused() {
    let key = key();
    let sealed = sample().to_body(Some(&key), &mut Counter(1)).unwrap();
    let parse = |body: &str, key| VersionlessDocument::parse(body.as_bytes(), key);
    assert_eq!(parse(&sealed, Some(&key)), Ok(sample()));
    let other = EncryptionKey::from_bytes([1; 32]);
    let refused = parse(&sealed, Some(&other));
    assert!(matches!(refused, Err(VersionlessParseError::WrongKey(_))));
    assert_eq!(parse(&sealed, None), Err(VersionlessParseError::Malformed));
    let refused = parse("not base64!", None);
    assert!(matches!(refused, Err(VersionlessParseError::NotBase64(_))));
    for text in ["", "[]", "null", r#"{"files":[]}"#, r#"{"folders":1}"#] {
        let refused = parse(&encode(text.as_bytes()), None);
        assert_eq!(refused, Err(VersionlessParseError::Malformed), "{text}");
    }
    let tolerated = parse(&encode(b"{}"), None);
    assert_eq!(tolerated, Ok(VersionlessDocument::new()));
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", sample());
    assert!(!shown.contains("Y29udGVudA") && !shown.contains("content"));
}

proptest! {
    #[test]
    fn base64url_round_trips(bytes: Vec<u8>) {
        let text = encode(&bytes);
        prop_assert!(!text.contains(['+', '/', '=']));
        prop_assert_eq!(&*decode(&text).unwrap(), &bytes);
    }

    #[test]
    fn any_content_comes_back(content: Vec<u8>, sealed: bool) {
        let key = sealed.then(key);
        let mut document = VersionlessDocument::new();
        document.write(&path("/f"), &content, at(1)).unwrap();
        let body = document.to_body(key.as_ref(), &mut Counter(1)).unwrap();
        let read = VersionlessDocument::parse(body.as_bytes(), key.as_ref()).unwrap();
        prop_assert_eq!(&*read.read(&path("/f")).unwrap(), &content);
    }

    #[test]
    fn any_body_is_refused_or_read(body: Vec<u8>) {
        let _ = VersionlessDocument::parse(&body, None);
    }
}
