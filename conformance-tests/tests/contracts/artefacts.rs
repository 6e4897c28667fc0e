//! The artefacts that are checked in: complete, and what the sources give.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use alloy_primitives::{hex, keccak256};
use serde_json::Value;
use testkit::tools;

/// The contracts.
const NAMES: [&str; 2] = ["AnchorRegistry", "Anchoring"];
/// Functions of the contract of generation 4 (ledger specification §2.1).
const GENERATION_4: [(&str, &str); 8] = [
    ("b365ae3b", "createAnchor(string,string)"),
    ("c743b7f3", "appendAnchor(string,string)"),
    ("7e2ee190", "createOrUpdateMultipleAnchors(string[])"),
    ("d4dca96d", "getAllVersions(string) view"),
    ("5436d6b2", "getLastVersion(string) view"),
    ("1f7ab91c", "dumpAnchors(uint256,uint256,uint256)"),
    ("926a5c63", "totalNumberOfAnchors()"),
    ("d4a4871f", "recover(bytes32,bytes,uint8)"),
];

/// The artefact of a contract.
pub(crate) fn artefact(name: &str) -> Value {
    let file = contracts().join(format!("artifacts/{name}.json"));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_artefacts_are_what_the_sources_give() {
    let output = tempfile::tempdir().unwrap();
    let build = Command::new("node")
        .arg(contracts().join("build.mjs"))
        .arg(tools::node_modules().unwrap())
        .arg(output.path())
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{complaints}");
    for name in NAMES {
        let file = format!("{name}.json");
        let made = fs::read(output.path().join(&file)).unwrap();
        let checked_in = fs::read(contracts().join("artifacts").join(&file)).unwrap();
        assert!(made == checked_in, "{file} is old: run `make contracts`");
    }
    for folder in [output.path(), &contracts().join("artifacts")] {
        assert_eq!(fs::read_dir(folder).unwrap().count(), NAMES.len());
    }
}

#[test]
fn an_artefact_says_how_it_was_made() {
    for name in NAMES {
        let artefact = artefact(name);
        assert_eq!(artefact["contractName"], name);
        let compiler = artefact["compiler"].as_str().unwrap();
        assert!(compiler.starts_with("0.8.37+commit."), "{compiler}");
        assert_eq!(artefact["settings"]["evmVersion"], "cancun");
        // The creation code ends with the code that it deploys: there is nothing between them that
        // a reader of the chain would have to leave out.
        let code = |field: &str| hex::decode(artefact[field].as_str().unwrap()).unwrap();
        let (creation, deployed) = (code("bytecode"), code("deployedBytecode"));
        assert!(creation.ends_with(&deployed), "{name}");
    }
}

#[test]
fn the_test_contract_has_the_functions_of_generation_4() {
    let abi = artefact("Anchoring")["abi"].clone();
    let items = abi.as_array().unwrap();
    let functions: BTreeMap<String, String> = items
        .iter()
        .filter(|it| it["type"] == "function")
        .map(|it| {
            let text = signature(it);
            let selector = hex::encode(&keccak256(&text)[..4]);
            let mark = match it["stateMutability"].as_str().unwrap() {
                "nonpayable" => String::new(),
                mark => format!(" {mark}"),
            };
            (selector, text + &mark)
        })
        .collect();
    let expected = GENERATION_4.map(|(selector, text)| (selector.to_owned(), text.to_owned()));
    assert_eq!(functions, BTreeMap::from(expected));
    let dump = items.iter().find(|it| it["name"] == "dumpAnchors").unwrap();
    let fields = dump["outputs"][0]["components"].as_array().unwrap();
    let text = |field: &Value, name: &str| field[name].as_str().unwrap().to_owned();
    let fields: Vec<_> = fields
        .iter()
        .map(|it| text(it, "name") + " " + &text(it, "type"))
        .collect();
    assert_eq!(fields, ["anchorId string", "anchorValues string[]"]);
    let events: Vec<_> = items.iter().filter(|it| it["type"] == "event").collect();
    assert_eq!(events.len(), 1);
    assert_eq!(signature(events[0]), "InvokeStatus(uint256)");
    assert_eq!(events[0]["inputs"][0]["indexed"], true);
}

/// Name and types of the arguments. None of the contracts' functions takes a tuple.
fn signature(item: &Value) -> String {
    let inputs = item["inputs"].as_array().unwrap().iter();
    let types: Vec<_> = inputs.map(|it| it["type"].as_str().unwrap()).collect();
    format!("{}({})", item["name"].as_str().unwrap(), types.join(","))
}

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../anchor-service/contracts")
}
