use super::*;

const SEED: &str = "ssi:seed:default:Niq62WOdkiBaAmAq/OD/RFU+tZ4neTK/ntIGMdq3gAM=::v0";

fn ssi() -> KeySsi {
    KeySsi::parse(SEED).unwrap()
}

fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

fn manifest(points: &[&str]) -> Manifest {
    let mut manifest = Manifest::default();
    for point in points {
        manifest.mount(&path(point), &ssi()).unwrap();
    }
    manifest
}

#[test]
fn the_text_is_that_of_the_reference() {
    assert_eq!(*Manifest::default().to_json(), r#"{"mounts":{}}"#);
    let due = format!(r#"{{"mounts":{{"/a/b":"{}"}}}}"#, *ssi().wrapped());
    assert_eq!(*manifest(&["a/b"]).to_json(), due);
    let mut emptied = manifest(&["/a/b"]);
    emptied.unmount(&path("/a/b")).unwrap();
    assert_eq!(emptied, Manifest::default());
}

#[test]
fn what_is_not_known_is_kept() {
    let json = r#"{"x":1,"mounts":{"/b":"?","/a/":"?"},"y":[2]}"#;
    let mut read = Manifest::parse(json.as_bytes()).unwrap();
    assert_eq!(*read.to_json(), json);
    read.unmount(&path("/a")).unwrap();
    assert_eq!(*read.to_json(), r#"{"x":1,"mounts":{"/b":"?"},"y":[2]}"#);
    let refused = read.resolve(&path("/b/x"));
    assert!(matches!(refused, Err(ManifestError::BadIdentifier { .. })));
    assert_eq!(read.resolve(&path("/c")), Ok(Resolution::Own(path("/c"))));
}

#[test]
fn a_path_belongs_to_the_mount_at_or_above_it() {
    let manifest = manifest(&["/a/b", "/c"]);
    let check = |text: &str, due: Option<(&str, &str)>| {
        let due = match due {
            None => Resolution::Own(path(text)),
            Some((point, rest)) => Resolution::Mounted {
                point: path(point),
                ssi: ssi(),
                rest: path(rest),
            },
        };
        assert_eq!(manifest.resolve(&path(text)), Ok(due), "{text}");
    };
    check("/", None);
    check("/a", None);
    check("/a/bc", None);
    check("/cd/x", None);
    check("/a/b", Some(("/a/b", "/")));
    check("/a/b/c", Some(("/a/b", "/c")));
    check("/c/d/e", Some(("/c", "/d/e")));
}

#[test]
fn the_first_of_stored_mounts_counts() {
    let wrapped = ssi().wrapped();
    let json = format!(r#"{{"mounts":{{"/a/b":"{0}","/a":"{0}"}}}}"#, *wrapped);
    let manifest = Manifest::parse(json.as_bytes()).unwrap();
    let point = |text: &str| match manifest.resolve(&path(text)) {
        Ok(Resolution::Mounted { point, .. }) => point,
        other => panic!("{other:?}"),
    };
    assert_eq!(point("/a/b/c"), path("/a/b"));
    assert_eq!(point("/a/c"), path("/a"));
}

#[test]
fn mounts_do_not_overlap() {
    let mut mounted = manifest(&["/a/b"]);
    let before = mounted.clone();
    for taken in ["/a/b", "/a", "/a/b/c"] {
        let point = path("/a/b");
        let refused = mounted.mount(&path(taken), &ssi());
        assert_eq!(refused, Err(ManifestError::Occupied { point }), "{taken}");
    }
    let refused = mounted.mount(&DsuPath::root(), &ssi());
    assert_eq!(refused, Err(ManifestError::Root));
    let anchor = ssi().derive().unwrap().unwrap().derive().unwrap().unwrap();
    let refused = mounted.mount(&path("/x"), &anchor);
    let kind = anchor.kind();
    assert_eq!(refused, Err(ManifestError::NotMountable { kind }));
    let point = path("/x");
    let refused = mounted.unmount(&point);
    assert_eq!(refused, Err(ManifestError::NotMounted { point }));
    assert_eq!(mounted, before);
}

#[test]
fn other_texts_are_no_manifests() {
    assert_eq!(Manifest::parse(b""), Ok(Manifest::default()));
    assert!(Manifest::parse(b"{}").unwrap().is_empty());
    for text in ["x", "[]", "1", r#"{"mounts":[]}"#, r#"{"mounts":{"/a":1}}"#] {
        let read = Manifest::parse(text.as_bytes());
        assert_eq!(read, Err(ManifestError::Malformed), "{text}");
    }
}

#[test]
fn debug_shows_points_only() {
    let manifest = manifest(&["/point"]);
    let shown = format!("{manifest:?} {:?}", manifest.mounts());
    assert!(shown.contains("/point"));
    assert!(!shown.contains(ssi().wrapped().as_str()), "{shown}");
}
