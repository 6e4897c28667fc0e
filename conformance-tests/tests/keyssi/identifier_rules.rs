//! Rules over identifiers, keys and signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::case::Vector;
use crate::rules::{Parts, Patch, Rule, patch, plain, recorded, unwrapped, wrap};

const TEXTS: &[&str] = &["parse.json", "hints.json", "invalid.json"];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "strict-prefix",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "wrong prefix"),
    },
    Rule {
        id: "strict-no-alias",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "alias"),
    },
    Rule {
        id: "strict-utf8",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "not UTF-8"),
    },
    Rule {
        id: "strict-segments",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "missing segments"),
    },
    Rule {
        id: "strict-white-space",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "trailing space"),
    },
    Rule {
        id: "strict-version",
        files: TEXTS,
        patch: |vector, _| strict_refusal(vector, "bad version"),
    },
    Rule {
        id: "base58-alphabet",
        files: TEXTS,
        patch: base58_alphabet,
    },
    Rule {
        id: "null-hint",
        files: TEXTS,
        patch: null_hint,
    },
    Rule {
        id: "empty-hint",
        files: TEXTS,
        patch: empty_hint,
    },
    Rule {
        id: "fields-kept",
        files: TEXTS,
        patch: fields_kept,
    },
    Rule {
        id: "embed-keeps-base64",
        files: &["parse.json", "create.json"],
        patch: embed,
    },
    Rule {
        id: "cza-specific",
        files: &["create.json"],
        patch: cza_initialize,
    },
    Rule {
        id: "seed-takes-key",
        files: &["create.json"],
        patch: seed_takes_key,
    },
    Rule {
        id: "own-key-is-public",
        files: &["derive.json"],
        patch: own_key,
    },
    Rule {
        id: "own-anchor",
        files: &["derive.json"],
        patch: own_anchor,
    },
    Rule {
        id: "vs-broken-key",
        files: &["derive.json"],
        patch: broken_key,
    },
    Rule {
        id: "pass-unusable",
        files: &["derive.json", "const_kdf.json"],
        patch: pass,
    },
    Rule {
        id: "key-form-by-method",
        files: &["keys.json"],
        patch: key_form,
    },
    Rule {
        id: "no-hybrid-points",
        files: &["signatures.json"],
        patch: hybrid,
    },
    Rule {
        id: "repeatable-signatures",
        files: &["signatures.json"],
        patch: repeatable,
    },
];

/// The answer of one of the strict rules, if its class is the first that the
/// text falls into.
fn strict_refusal(vector: &Vector, class: &str) -> Option<Map<String, Value>> {
    let input = vector.find_text("input")?;
    (strict_class(input)? == class).then(|| patch([("strict", class.into())]))
}

/// What the table of §1.2 refuses, in the order in which a text is read.
fn strict_class(input: &str) -> Option<&'static str> {
    let bytes = unwrapped(input)?;
    if !input.contains(':') {
        if input.starts_with('1') {
            return Some("alias");
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Some("not UTF-8");
        }
    }
    let plain = String::from_utf8(bytes).ok()?;
    if !plain.contains(':') {
        return None;
    }
    let segments: Vec<&str> = plain.splitn(7, ':').collect();
    if segments.first() != Some(&"ssi") {
        return Some("wrong prefix");
    }
    let Some(version) = segments.get(5) else {
        return Some("missing segments");
    };
    if plain.ends_with(char::is_whitespace) {
        return Some("trailing space");
    }
    let digits = version.strip_prefix('v').unwrap_or_default();
    let is_version = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (!version.is_empty() && !is_version).then_some("bad version")
}

fn base58_alphabet(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let input = vector.find_text("input")?;
    let is_odd = !input.contains(':') && input.chars().any(|character| character > '\u{ff}');
    let class = "not base58";
    is_odd.then(|| patch([("stored", class.into()), ("strict", class.into())]))
}

fn null_hint(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    let parts = vector.find_text("input").and_then(Parts::of);
    let hint = parts.and_then(|parts| parts.hint);
    let hint = hint?;
    // A number beyond the doubles is `null` as soon as it is written.
    let is_infinite = hint.trim().parse().is_ok_and(f64::is_infinite);
    if hint.trim() != "null" && !is_infinite {
        return None;
    }
    // Nothing is left to compare, as nothing was read.
    let results = fields.keys().filter(|field| field.starts_with("result."));
    let mut answer: Map<String, Value> = results.map(|it| (it.clone(), Value::Null)).collect();
    for field in ["declared_type", "dsu_version_error"] {
        if fields.contains_key(field) {
            answer.insert(field.to_owned(), Value::Null);
        }
    }
    answer.extend(patch([
        ("stored", "null hint".into()),
        ("strict", "null hint".into()),
    ]));
    Some(answer)
}

fn empty_hint(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    let parts = vector.find_text("input").and_then(Parts::of);
    let hint = parts.and_then(|parts| parts.hint);
    if hint.as_deref() != Some("") {
        return None;
    }
    let mut answer = patch([
        ("result.has_hint", false.into()),
        (
            "result.plain",
            recorded(fields, "result.no_hint_plain")?.into(),
        ),
        (
            "result.base58",
            recorded(fields, "result.no_hint_base58")?.into(),
        ),
    ]);
    if fields.contains_key("dsu_version_error") {
        answer.insert("dsu_version_error".to_owned(), Value::Null);
    }
    Some(answer)
}

fn fields_kept(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let lossy = [
        "own",
        "oread",
        "zat",
        "consensus",
        "secret",
        "anchor",
        "read",
        "public",
        "za",
    ];
    let parts = vector.find_text("input").and_then(Parts::of);
    let parts = parts.filter(|parts| lossy.contains(&parts.kind.as_str()));
    parts.map(|parts| {
        let mut answer = parts.result("specific");
        answer.insert(
            "result.bricks_domain".to_owned(),
            parts.domain.as_str().into(),
        );
        answer
    })
}

fn embed(_: &Vector, fields: &Map<String, Value>) -> Patch {
    if fields.get("result.type") != Some(&"embed".into()) {
        return None;
    }
    let hint = fields.get("result.hint").and_then(Value::as_str);
    let parts = Parts {
        prefix: "ssi".to_owned(),
        kind: "embed".to_owned(),
        domain: recorded(fields, "result.domain")?.to_owned(),
        specific: recorded(fields, "result.specific_base64")?.to_owned(),
        control: recorded(fields, "result.control")?.to_owned(),
        version: recorded(fields, "result.vn")?.to_owned(),
        hint: hint.map(str::to_owned),
    };
    Some(parts.result("specific_base64"))
}

fn cza_initialize(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    if vector.find_text("call") != Some("cza.initialize") {
        return None;
    }
    let mut parts = Parts::of(recorded(fields, "result.plain")?);
    if let Some(parts) = &mut parts {
        parts.specific = std::mem::take(&mut parts.control);
    }
    parts.map(|parts| parts.result("specific"))
}

fn seed_takes_key(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let is_lost = vector.find("uses_given_key") == Some(&Value::Bool(false));
    is_lost.then(|| patch([("uses_given_key", true.into()), ("hint", Value::Null)]))
}

fn own_key(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let kind = vector.find_text("declared_type");
    let has_none = matches!(kind, Some("own" | "oread"));
    has_none.then(|| patch([("encryption key", "no such key".into())]))
}

fn own_anchor(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    if vector.find_text("declared_type") != Some("own") {
        return None;
    }
    let steps = fields.get("steps").and_then(Value::as_array);
    let last = steps.and_then(|steps| steps.last());
    let plain = last
        .and_then(|step| step.get("plain"))
        .and_then(Value::as_str);
    // The token names the anchor, as for the `oread` of the same token.
    let plain = plain
        .and_then(Parts::of)
        .map(|parts| parts.plain_without_hint())?;
    Some(patch([
        ("anchor_id_plain", plain.as_str().into()),
        ("anchor_id_base58", wrap(&plain).into()),
        ("anchor_id_error", Value::Null),
        ("get_anchor_id_sync_result", wrap(&plain).into()),
    ]))
}

fn broken_key(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let parts = vector.find_text("input").and_then(Parts::of);
    let broken = parts.is_some_and(|parts| {
        let key = bs58::decode(&parts.control).into_vec();
        parts.kind == "vs" && !parts.control.is_empty() && key.is_err()
    });
    broken.then(|| patch([("encryption key", "no valid symmetric key".into())]))
}

fn pass(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    let input = vector.find_text("input").and_then(plain);
    let is_pass = input.is_some_and(|input| input.starts_with("ssi:pass:"))
        || matches!(vector.find_text("type"), Some("pass" | "pass_error"));
    if !is_pass {
        return None;
    }
    let uses = [
        "derive_stops_with",
        "anchor_id_error",
        "encryption key",
        "use",
    ];
    let uses = uses.into_iter().filter(|field| fields.contains_key(*field));
    Some(
        uses.map(|field| (field.to_owned(), "unusable".into()))
            .collect(),
    )
}

fn key_form(_: &Vector, fields: &Map<String, Value>) -> Patch {
    let field = "sza_public_string_raw_is_pem";
    let is_pem = fields.get(field) == Some(&Value::Bool(true));
    is_pem.then(|| patch([(field, false.into())]))
}

fn hybrid(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let parts = vector.find_text("verifier").and_then(Parts::of);
    let point = parts.and_then(|parts| STANDARD.decode(parts.control).ok());
    let is_hybrid =
        point.is_some_and(|point| point.len() == 65 && matches!(point.first(), Some(6 | 7)));
    is_hybrid.then(|| patch([("valid", "no valid key".into())]))
}

fn repeatable(_: &Vector, fields: &Map<String, Value>) -> Patch {
    let differ = fields.get("differ") == Some(&Value::Bool(true));
    differ.then(|| patch([("differ", false.into())]))
}
