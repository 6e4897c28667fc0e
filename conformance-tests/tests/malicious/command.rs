//! The `kiln` command before a node that lies: its exit code, a message that names path, version and
//! brick, and no local file under its final name.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use testkit::binaries::{Binary, path};
use testkit::liar::{Endlessness, Liar, Lie, Part, Route, Rule};

use crate::stage::{Stage, bricks_of, map_brick};

/// The environment variable in which the key is given.
const KEY: &str = "RECORD_KEY";

/// A user with a folder, a memory of heads and a key.
struct User<'a> {
    stage: &'a Stage,
    liar: Liar,
    home: tempfile::TempDir,
}

/// A command, the lie that it is told, and what it ends with.
struct Case<'a> {
    args: &'a [&'a str],
    rule: Rule,
    code: i32,
    /// All of them stand on stderr, or on stdout for what a check found.
    words: Vec<String>,
}

impl<'a> User<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            liar: Liar::before(stage.node.address()).unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let key = self.stage.record.owner.wrapped();
        Command::new(path(Binary::Kiln).unwrap())
            .args(args)
            .current_dir(self.folder())
            .env("KILN_NODE", self.liar.url())
            .env("KILN_STATE", self.home.path().join("state"))
            .env(KEY, key.as_str())
            .output()
            .unwrap()
    }

    fn folder(&self) -> std::path::PathBuf {
        let folder = self.home.path().join("work");
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_names_the_lie_and_leaves_no_file() {
    let stage = Stage::new().await;
    for case in cases(&stage).await {
        let user = User::new(&stage);
        user.liar.tell(case.rule.clone());
        // What the archive would give is asked for brick by brick.
        user.liar.tell(Rule::new(
            Route::GetBricks,
            Lie::Instead(404, String::new()),
        ));
        let output = user.run(case.args);
        check(&output, &case);
        assert!(!user.liar.told().is_empty(), "{:?}", case.rule);
        let left = names_in(&user.folder());
        assert!(left.is_empty(), "{left:?} after {:?}", case.rule);
    }
}

async fn cases(stage: &Stage) -> Vec<Case<'static>> {
    const GET: &[&str] = &["dsu", "get", "env:RECORD_KEY", "/large"];
    const VERIFY: &[&str] = &["dsu", "verify", "env:RECORD_KEY"];
    let truth = stage.truth(&stage.record).await;
    let large = bricks_of(&truth, "/large").await;
    let (brick, next) = (large[2].to_string(), large[3].to_string());
    let map = map_brick(&truth, 2).to_string();
    let older = map_brick(&truth, 1).to_string();
    let of_brick = |lie| Rule::new(Route::GetBrick, lie).about(&brick);
    let of_map = |lie| Rule::new(Route::GetBrick, lie).about(&map);
    let case = |args, rule, code, words: &[&str]| Case {
        args,
        rule,
        code,
        words: words.iter().map(ToString::to_string).collect(),
    };
    let place = ["/large", "version 2", &brick];
    let of_version = ["version 2", &map];
    let history = |lie| Rule::new(Route::History, lie);
    let instead = |status| Lie::Instead(status, String::new());
    vec![
        case(GET, of_brick(Lie::FlipBit(7)), 9, &place),
        case(GET, of_brick(Lie::BytesOf(next)), 9, &place),
        case(GET, of_brick(instead(404)), 8, &place),
        case(GET, of_brick(Lie::CutAfter(50)), 15, &place),
        case(
            GET,
            of_brick(Lie::Endless(Endlessness::Sized(1 << 60))),
            15,
            &place,
        ),
        case(GET, of_brick(instead(302)), 15, &place),
        case(GET, of_brick(instead(500)), 16, &place),
        case(GET, of_brick(Lie::Drop), 4, &place),
        case(GET, of_map(Lie::BytesOf(older)), 9, &of_version),
        case(GET, of_map(instead(404)), 8, &of_version),
        case(
            GET,
            history(Lie::Alter(1, Part::Signature)),
            10,
            &["version 1"],
        ),
        case(GET, history(Lie::Swap(0, 1)), 10, &["version 0"]),
        case(GET, history(Lie::Shorten(99)), 15, &["/anchor/"]),
        case(GET, history(Lie::Forget(3)), 5, &["no DSU"]),
        case(
            GET,
            Rule::new(Route::Bdns, Lie::Instead(200, "{}".to_owned())),
            13,
            &["default"],
        ),
        case(
            GET,
            Rule::new(Route::Bdns, Lie::Instead(200, "?".to_owned())),
            15,
            &["BDNS"],
        ),
        case(
            VERIFY,
            of_brick(Lie::FlipBit(7)),
            1,
            &["/large", "version 1", &brick],
        ),
        case(VERIFY, of_map(Lie::FlipBit(7)), 1, &of_version),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_became_shorter_is_caught_by_the_next_command() {
    const GET: &[&str] = &["dsu", "get", "env:RECORD_KEY", "/small"];
    let stage = Stage::new().await;
    let user = User::new(&stage);
    let first = user.run(GET);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let file = user.folder().join("small");
    assert_eq!(fs::read(&file).unwrap(), stage.record.versions[2]["/small"]);
    fs::remove_file(&file).unwrap();
    for lie in [Lie::Forget(1), Lie::Instead(404, String::new())] {
        let case = Case {
            args: GET,
            rule: Rule::new(Route::History, lie),
            code: 11,
            words: vec!["older history".to_owned()],
        };
        user.liar.be_honest();
        user.liar.tell(case.rule.clone());
        check(&user.run(case.args), &case);
        assert!(names_in(&user.folder()).is_empty());
    }
    // A first-time reader cannot know (docs/threat-model.md, "What nobody notices").
    let stranger = User::new(&stage);
    stranger
        .liar
        .tell(Rule::new(Route::History, Lie::Forget(1)));
    let output = stranger.run(GET);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let older = fs::read(stranger.folder().join("small")).unwrap();
    assert_eq!(older, stage.record.versions[1]["/small"]);
}

fn check(output: &Output, case: &Case<'_>) {
    let said = String::from_utf8_lossy(&output.stderr);
    let found = String::from_utf8_lossy(&output.stdout);
    let rule = &case.rule;
    assert_eq!(
        output.status.code(),
        Some(case.code),
        "{rule:?}: {said}{found}"
    );
    for words in &case.words {
        let is_there = said.contains(words) || found.contains(words);
        assert!(is_there, "{words:?} after {rule:?}: {said}{found}");
    }
    // Errors end with the next action.
    assert!(
        case.code == 1 || said.contains("\nnext: "),
        "{rule:?}: {said}"
    );
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}
