//! What every command prints under `--json` is what `docs/schema/output.json` says of it, field by field: a field that is
//! not there, or one too many, fails. `docs/json.md` is made from the same file.
//!
//! With `PRICEWRIGHT_JSON_OUT=DIR` every output is kept there too, as `NAME-N.json`, for a judge from outside.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::processes::Market;
use super::support::{Finished, Place};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/replay-data/journal-v1");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
const SALES: &str = concat!(
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#,
    "\n",
    r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#,
    "\n",
    r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:02Z","qty":2}"#,
    "\n",
    "no JSON\n",
);

/// The schema of all outputs.
struct Schema(Value);

impl Schema {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/output.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON"))
    }

    fn of(&self, name: &str) -> &Value {
        self.0["$defs"].get(name).unwrap_or_else(|| panic!("no schema of {name}"))
    }

    /// Fails where `value` is not what `name` says.
    fn check(&self, name: &str, value: &Value) {
        keep(name, value);
        if let Err(what) = self.fits(self.of(name), value, name) {
            panic!("{what}\n{value:#}");
        }
    }

    /// The part of JSON Schema 2020-12 that the file uses; a word that is not known here fails.
    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let words = schema.as_object().expect("a schema");
        for (word, says) in words {
            match word.as_str() {
                "description" | "required" => {}
                "$ref" => {
                    let name = says.as_str().and_then(|says| says.strip_prefix("#/$defs/")).expect("a name");
                    self.fits(self.of(name), value, at)?;
                }
                "type" => {
                    let any = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                    if !any.iter().any(|ty| is(ty.as_str().expect("a type"), value)) {
                        return Err(format!("{at} is not of type {says}: {value}"));
                    }
                }
                "const" if value != says => return Err(format!("{at} is not {says}: {value}")),
                "enum" if !says.as_array().expect("values").contains(value) => {
                    return Err(format!("{at} is none of {says}: {value}"));
                }
                "const" | "enum" => {}
                "properties" => self.properties(schema, value, at)?,
                "additionalProperties" if says == false => {
                    let known = schema["properties"].as_object().expect("properties");
                    let mut keys = value.as_object().into_iter().flat_map(serde_json::Map::keys);
                    if let Some(key) = keys.find(|key| !known.contains_key(*key)) {
                        return Err(format!("{at}.{key} is not in the schema"));
                    }
                }
                "additionalProperties" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        self.fits(says, value, &format!("{at}.{key}"))?;
                    }
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.fits(says, item, &format!("{at}[{number}]"))?;
                    }
                }
                "oneOf" | "anyOf" => {
                    let all = says.as_array().expect("schemas");
                    let tried: Vec<_> = all.iter().map(|one| self.fits(one, value, at)).collect();
                    let good = tried.iter().filter(|found| found.is_ok()).count();
                    if good == 0 || (word == "oneOf" && good > 1) {
                        return Err(format!("{at} fits {good} of {}: {tried:?}", all.len()));
                    }
                }
                other => return Err(format!("{at}: the schema's word {other} is not known")),
            }
        }
        Ok(())
    }

    fn properties(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(fields) = value.as_object() else { return Ok(()) };
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            if !fields.contains_key(name) {
                return Err(format!("{at}.{name} is not there"));
            }
        }
        for (name, says) in schema["properties"].as_object().expect("properties") {
            if let Some(value) = fields.get(name) {
                self.fits(says, value, &format!("{at}.{name}"))?;
            }
        }
        Ok(())
    }
}

fn is(ty: &str, value: &Value) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    }
}

/// Leaves an output for a judge from outside.
fn keep(name: &str, value: &Value) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(dir) = std::env::var_os("PRICEWRIGHT_JSON_OUT") else { return };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::fs::write(Path::new(&dir).join(format!("{name}-{number}.json")), value.to_string())
        .expect("written");
}

/// Runs a command that prints one object.
fn object(place: &Place, code: i32, args: &[&str]) -> Value {
    let finished = place.expect(code, args);
    lines_on_stderr(&finished);
    serde_json::from_str(&finished.out.join("\n")).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

/// Runs a command that prints lines.
fn lines(place: &Place, args: &[&str]) -> Vec<Value> {
    let finished = place.expect(0, args);
    lines_on_stderr(&finished);
    finished.out.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Every line of standard error is one of four.
fn lines_on_stderr(finished: &Finished) {
    let schema = Schema::read();
    for line in &finished.err {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = ["error", "note", "level", "detail"].into_iter().find(|key| value.get(key).is_some());
        let name = match name {
            Some("error") => "error",
            Some("note") => "note-line",
            Some("level") => "log-line",
            Some("detail") => "dead-letter",
            _ => panic!("what is {line}?"),
        };
        schema.check(name, &value);
    }
}

#[test]
fn outputs_of_a_shop_are_as_the_schema_says() {
    let (place, schema) = (Place::new(), Schema::read());
    let shop = std::fs::read_to_string(STDIN).expect("there");
    place.write("shop.toml", &shop);
    place.write("bad.toml", &shop.replace("stdin = true", "stdinn = true"));
    let ran = place.run(&["run", "shop.toml", "--journal", "j", "--json"], SALES);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    lines_on_stderr(&ran);
    schema.check("run", &serde_json::from_str(ran.out.last().expect("a result")).expect("JSON"));
    schema.check("check", &object(&place, 0, &["check", "shop.toml", "--json"]));
    schema.check("check", &object(&place, 2, &["check", "bad.toml", "--json"]));
    for record in lines(&place, &["journal", "inspect", "j", "--json"]) {
        schema.check("record", &record);
    }
    schema.check("explain", &object(&place, 0, &["explain", "j", "A", "--json"]));
    schema.check("replay", &object(&place, 0, &["replay", "j", "--verify", "--json"]));
    schema.check("journal-keygen", &object(&place, 0, &["journal", "keygen", "key", "--json"]));
    schema.check("config", &object(&place, 0, &["config", "--json"]));
    schema.check("init", &object(&place, 0, &["init", "examples", "--json"]));
    schema.check("journal-seal", &object(&place, 0, &["journal", "seal", "j", "--sign", "key", "--json"]));
    let good = object(&place, 0, &["journal", "verify", "j", "--key", "key.pub", "--json"]);
    assert_eq!(good["seals"].as_array().map(Vec::len), Some(1));
    schema.check("journal-verify", &good);
    schema.check("journal-verify", &object(&place, 2, &["journal", "verify", "nowhere", "--json"]));
    schema.check("journal-stats", &object(&place, 0, &["journal", "stats", "j", "--json"]));
    let export = ["journal", "export", "j", "--csv", "--out", "tables", "--json"];
    schema.check("journal-export", &object(&place, 0, &export));
    schema
        .check("journal-archive", &object(&place, 0, &["journal", "archive", "j", "--to", "old", "--json"]));
    let prune = ["journal", "prune", "j", "--keep-size", "1GB", "--dry-run", "--json"];
    schema.check("journal-prune", &object(&place, 0, &prune));
    let demo = ["demo", "flash-sale", "--seconds", "1", "--json"];
    schema.check("demo-flash-sale", &object(&place, 0, &demo));
    // Bytes that are not what they were.
    let segment = place.path("j/journal-00000001.pwj");
    let mut bytes = std::fs::read(&segment).expect("there");
    let at = bytes.windows(7).position(|word| word == b"no JSON").expect("the dead letter");
    bytes[at] ^= 4;
    std::fs::write(&segment, bytes).expect("written");
    let damaged = object(&place, 1, &["journal", "verify", "j", "--json"]);
    assert_eq!(damaged["outcome"], "damaged");
    schema.check("journal-verify", &damaged);
}

#[test]
fn outputs_of_a_desk_are_as_the_schema_says() {
    let (place, schema) = (Place::new(), Schema::read());
    let market = Market::find();
    place.write("desk.toml", &market.configure(include_str!("../../strategies/trading/desk.toml")));
    let exchange = market.start(&place, &["DEMO"], 3, 4_000, 0);
    let desk = place.start(&["run", "desk.toml", "--journal", "live", "--record", "packets", "--json"]);
    let orders = || {
        let found =
            place.run(&["journal", "inspect", "live", "--json", "--type", "PlaceOrder", "--limit", "20"], "");
        found.out.len()
    };
    let start = std::time::Instant::now();
    while orders() < 20 {
        assert!(start.elapsed() < super::support::BOUND, "no orders");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    schema.check("operator", &object(&place, 0, &["operator", "kill", "live", "--json"]));
    schema.check("operator", &object(&place, 0, &["operator", "rearm", "live", "--json"]));
    let position = ["operator", "position", "DEMO", "0", "live", "--json"];
    schema.check("operator-position", &object(&place, 0, &position));
    desk.signal("TERM");
    let ended = desk.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    lines_on_stderr(&ended);
    schema.check("run", &serde_json::from_str(&ended.out.join("\n")).expect("JSON"));
    exchange.signal("TERM");
    let ended = exchange.finish();
    schema.check("sim", &serde_json::from_str(&ended.out.join("\n")).expect("JSON"));
    let records = lines(&place, &["journal", "inspect", "live", "--json"]);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for record in &records {
        // Thousands of one kind say no more than some.
        let kind = record["kind"].as_str().expect("a kind").to_owned();
        let count = seen.entry(kind).or_default();
        *count += 1;
        if *count <= 50 {
            schema.check("record", record);
        }
    }
    for kind in ["PlaceOrder", "CancelOrder", "DeskStatus", "OrderAdd"] {
        let Some(record) = records.iter().find(|record| record["kind"] == kind) else { panic!("no {kind}") };
        let seq = record["seq"].to_string();
        schema.check("explain", &object(&place, 0, &["explain", "live", &seq, "--json"]));
    }
    let client = records.iter().find(|record| record["kind"] == "PlaceOrder").expect("an order");
    let client = client["fields"]["client"].to_string();
    let life = object(&place, 0, &["explain", "live", "--order", &client, "--json"]);
    assert!(life["life"].as_array().is_some_and(|life| life.len() > 1), "{life:#}");
    schema.check("explain", &life);
    schema.check("replay", &object(&place, 0, &["replay", "--verify", "live", "--json"]));
    let packets = ["replay", "live", "--packets", "packets", "--journal", "again", "--json"];
    schema.check("replay-packets", &object(&place, 0, &packets));
    // Codes and bits of venues are names.
    let add = records.iter().find(|record| record["kind"] == "OrderAdd").expect("an order");
    assert!(add["fields"]["flags"].is_string(), "{add:#}");
}

#[test]
fn outputs_of_the_demo_and_of_benches_are_as_the_schema_says() {
    let (place, schema) = (Place::new(), Schema::read());
    schema.check("demo", &object(&place, 0, &["run", "--seconds", "2", "--journal", "demo", "--json"]));
    schema.check("bench", &object(&place, 0, &["bench", "decode", "--smoke", "--rounds", "1", "--json"]));
    schema.check("bench", &object(&place, 0, &["bench", "ring", "--smoke", "--rounds", "1", "--json"]));
    // A smoke run cannot be compared: one in earnest, made up from it.
    let mut document = object(&place, 0, &["bench", "decode", "--smoke", "--rounds", "1", "--json"]);
    document["failed"] = json!([{ "name": "journal", "error": "no room" }]);
    schema.check("bench", &document);
    document["smoke"] = json!(false);
    place.write("one.json", &document.to_string());
    let compared = object(&place, 0, &["bench", "compare", "one.json", "one.json", "--json"]);
    schema.check("bench-compare", &compared);
    for record in lines(&place, &["journal", "inspect", FIXTURE, "--json"]) {
        schema.check("record", &record);
    }
    for record in lines(&place, &["journal", "export", FIXTURE, "--jsonl", "--json"]) {
        schema.check("record", &record);
    }
}

/// Type and unit of a field, and what else is said of it.
fn described(schema: &Value) -> (String, String) {
    let reference = schema["$ref"].as_str().and_then(|says| says.strip_prefix("#/$defs/"));
    let words = |schema: &Value| schema["description"].as_str().unwrap_or("").to_owned();
    let ty = match (reference, &schema["type"], &schema["enum"], &schema["anyOf"]) {
        (Some(name), ..) => format!("[{name}](#{name})"),
        (_, Value::String(ty), ..) if ty == "array" => format!("array of {}", described(&schema["items"]).0),
        (_, Value::String(ty), ..) => ty.clone(),
        (_, Value::Array(types), ..) if types.iter().any(|ty| ty == "array") => {
            format!("array of {} or null", described(&schema["items"]).0)
        }
        (_, Value::Array(types), ..) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        (_, _, Value::Array(values), _) => values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or("")))
            .collect::<Vec<_>>()
            .join(", "),
        (.., Value::Array(any)) => format!("{} or null", described(&any[0]).0),
        _ => schema["const"].to_string(),
    };
    (ty, words(schema))
}

/// The rows of an object, those of what lies in it behind each.
fn rows(schema: &Value, path: &str, text: &mut String) {
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "| | | *{}* |", one["description"].as_str().unwrap_or(""));
        rows(one, path, text);
    }
    for one in schema["anyOf"].as_array().into_iter().flatten().filter(|one| one["$ref"].is_null()) {
        rows(one, path, text);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().expect("names").iter().any(|known| known == name);
        let (ty, words) = described(field);
        let missing = if required { "" } else { " May be missing." };
        let _ = writeln!(text, "| `{path}{name}` | {ty} | {words}{missing} |");
        rows(field, &format!("{path}{name}."), text);
        rows(&field["items"], &format!("{path}{name}[]."), text);
    }
}

#[test]
fn the_page_is_made_from_the_schema() {
    let schema = Schema::read();
    let mut made = String::new();
    for (name, output) in schema.0["$defs"].as_object().expect("outputs") {
        let _ = writeln!(made, "\n### {name}\n\n{}\n", output["description"].as_str().unwrap_or(""));
        let mut table = String::new();
        rows(output, "", &mut table);
        if !table.is_empty() {
            let _ = write!(made, "| field | type | meaning |\n| --- | --- | --- |\n{table}");
        }
    }
    let page = std::fs::read_to_string(PAGE).expect("there");
    let mark = "<!-- made from schema/output.json; `PRICEWRIGHT_WRITE_DOCS=1 cargo test the_page_is_made` writes it -->\n";
    let (front, behind) = page.split_once(mark).expect("the mark");
    if std::env::var_os("PRICEWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{front}{mark}{made}")).expect("written");
    } else {
        assert_eq!(behind, made, "docs/json.md is not what docs/schema/output.json says");
    }
}
