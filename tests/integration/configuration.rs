//! The reference of every configuration key, `docs/configuration.md`, is made from the code: keys, types and meanings from
//! the settings' own source, defaults from what is filled in where a file leaves a key out, examples from the bundled files.
//! The test fails if the page is not what the code says; `PRICEWRIGHT_WRITE_DOCS=1 cargo test configuration` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::Place;
use pricewright::config::{ConfigText, PipelineConfig};
use pricewright_core::kernel::{Machine, Venue};
use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = "docs/configuration.md";
/// Where settings are declared.
const SOURCES: [&str; 11] = [
    "src/config.rs",
    "src/config/keep.rs",
    "src/config/metrics.rs",
    "src/pipeline/plan.rs",
    "strategies/trading/config.rs",
    "strategies/trading/strategy.rs",
    "strategies/trading/market_maker.rs",
    "strategies/pricing/flash_sale/config.rs",
    "core/market/risk/limits.rs",
    "core/market/instrument.rs",
    "core/kernel/calendar.rs",
];
const EXAMPLES: [&str; 3] = [
    "strategies/trading/desk.toml",
    "strategies/pricing/flash_sale/stdin.toml",
    "strategies/pricing/flash_sale/tcp.toml",
];
/// What a key's ending says of its unit.
const UNITS: [(&str, &str); 17] = [
    ("_per_10000_lots", "minor units for 10,000 lots"),
    ("_bps_of_base", "basis points of the base price"),
    ("_notional", "minor units of money"),
    ("_loss", "minor units of money"),
    ("_value", "minor units of money"),
    ("_per_s", "1/s"),
    ("_per_second", "1/s"),
    ("_mib", "MiB"),
    ("_bytes", "bytes"),
    ("_cells", "cells of 64 bytes"),
    ("_bps", "basis points"),
    ("_lots", "lots"),
    ("_ticks", "ticks"),
    ("_ms", "ms"),
    ("_us", "µs"),
    ("_every_s", "s"),
    ("_s", "s"),
];

/// A struct or enum of settings.
struct Declared {
    docs: String,
    /// The key that tells a tagged enum's variants apart.
    tag: Option<String>,
    shape: Shape,
}

enum Shape {
    Keys(Vec<Key>),
    /// Names, meanings, and the settings that a variant brings.
    Variants(Vec<(String, String, Option<String>)>),
}

struct Key {
    name: String,
    docs: String,
    ty: String,
    list: bool,
    required: bool,
}

struct Reference {
    declared: BTreeMap<String, Declared>,
    examples: Vec<String>,
    defaults: Vec<toml::Table>,
    page: String,
}

#[test]
fn the_configuration_reference_is_what_the_code_says() {
    let page = Reference::read().page();
    let path = Path::new(ROOT).join(PAGE);
    if std::env::var_os("PRICEWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("the page is there");
    assert!(
        written == page,
        "{PAGE} is not what the code says; write it with PRICEWRIGHT_WRITE_DOCS=1 cargo test configuration"
    );
    assert!(!page.contains("| |"), "each key has a type, a default and a meaning: {page}");
    for of_the_program in ["super::", "[`", "`Self"] {
        let line = page.lines().find(|line| line.contains(of_the_program));
        assert_eq!(line, None, "{of_the_program} leads nowhere on this page");
    }
}

/// The page against what is read, and not against the source it is made from: every key that a machine's file takes, as the
/// refusal of an unknown one lists them.
#[test]
fn the_reference_has_every_key_that_is_read_and_no_other() {
    let page = std::fs::read_to_string(Path::new(ROOT).join(PAGE)).expect("the page is there");
    for (machine, accepted) in [
        ("desk", accepted::<Desk>("", &mut Vec::new())),
        ("flash_sale", accepted::<FlashSale>("", &mut Vec::new())),
    ] {
        let mut written = rows_of(&page, machine);
        // The number of an instrument is in the journal's form alone.
        let mut accepted: Vec<_> =
            accepted.into_iter().filter(|(key, _)| key != "config.instruments.id").collect();
        written.sort();
        accepted.sort();
        assert_eq!(written, accepted, "{machine}");
    }
}

/// The keys under `table` with whether they are tables, all the way down.
fn accepted<M: Machine>(table: &str, found: &mut Vec<(String, bool)>) -> Vec<(String, bool)> {
    const PROBE: &str = "no_such_key";
    // How the inner of a table may be reached: a table, one of a list, or one whose kind must be told.
    let forms =
        ["{ no_such_key = 0 }", "[{ no_such_key = 0 }]", "{ kind = \"market_maker\", no_such_key = 0 }"];
    let keys = |text: &str| -> Option<Vec<String>> {
        let error = toml::from_str::<PipelineConfig<M::Config>>(text).err()?;
        let said = error.message();
        let mut quoted = said.split('`').skip(1).step_by(2);
        (said.starts_with("unknown field") && quoted.next() == Some(PROBE))
            .then(|| quoted.map(str::to_owned).collect())
    };
    // No table lies in an item of a list.
    let nested = |path: &str, form: &str| format!("{path} = {form}\n");
    let root = format!("{PROBE} = 0\n");
    let listed =
        if table.is_empty() { keys(&root) } else { forms.iter().find_map(|form| keys(&nested(table, form))) };
    for key in listed.unwrap_or_default() {
        let path = if table.is_empty() { key } else { format!("{table}.{key}") };
        let is_table = forms.iter().any(|form| keys(&nested(&path, form)).is_some());
        found.push((path.clone(), is_table));
        if is_table {
            accepted::<M>(&path, found);
        }
    }
    found.clone()
}

/// The page's rows that concern `machine`: the key with its tables, and whether it is called a table.
fn rows_of(page: &str, machine: &str) -> Vec<(String, bool)> {
    let (mut table, mut concerns, mut rows) = (String::new(), true, Vec::new());
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            if let Some(named) = title.strip_prefix("The machine `") {
                concerns = named.starts_with(&format!("{machine}`"));
            }
            let named = title.rsplit_once("`[").and_then(|(_, rest)| rest.split(']').next()).unwrap_or("");
            table = named.trim_start_matches('[').to_owned();
        }
        let Some((key, rest)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | ")) else {
            continue;
        };
        if concerns {
            let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            rows.push((path, rest.starts_with("table")));
        }
    }
    rows
}

#[test]
fn the_program_shows_keys_by_name() {
    let place = Place::new();
    let shown = place.expect(0, &["config", "silence"]).out.join("\n");
    assert!(shown.contains("feed.nasdaq.silence_ms (whole number, ms; default: 3000)"), "{shown}");
    for key in ["time_zone", "TIME_ZONE", "[venue]"] {
        let shown = place.expect(0, &["config", key]).out.join("\n");
        assert!(
            shown.contains("venue.time_zone (time zone; default: \"America/New_York\")"),
            "{key}: {shown}"
        );
    }
    let thread = place.expect(0, &["config", "runtime.thread"]).out.join("\n");
    assert!(thread.contains("runtime.thread.stages (list of the names; needed)"), "{thread}");
    let nothing = place.expect(2, &["config", "xyzzy"]).err.join("\n");
    assert!(nothing.contains("\"xyzzy\". Without a name"), "{nothing}");
    assert!(place.expect(0, &["config"]).out.len() > 200);
    let refused = place.expect(2, &["config", "silense_ms"]).err.join("\n");
    assert!(refused.contains("did you mean silence_ms?"), "{refused}");
}

impl Reference {
    fn read() -> Self {
        let read = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(name)).expect("a source file");
        let mut declared = BTreeMap::new();
        for source in SOURCES {
            let file = syn::parse_file(&read(source)).expect("Rust");
            for (name, settings) in file.items.iter().filter_map(declaration) {
                // `Config` alone is no name; its folder tells which.
                let name = if name == "Config" { "flash_sale::Config".to_owned() } else { name };
                declared.insert(name, settings);
            }
        }
        let examples: Vec<String> = EXAMPLES.iter().map(|name| read(name)).collect();
        let mut this = Self { declared, examples, defaults: Vec::new(), page: String::new() };
        // What is as by default stands in no canonical form.
        let mut venue = toml::Table::new();
        venue.insert("venue".to_owned(), toml::Value::try_from(Venue::default()).expect("TOML"));
        // A feed must have one source; which is no default.
        let made_up =
            "machine = \"flash_sale\"\n[feed.jsonl.generated]\n[metrics]\nlisten = 9464\n[config]\n"
                .to_owned();
        this.defaults = vec![
            venue,
            filled_in::<FlashSale>(made_up),
            this.filled::<Desk>(0),
            this.filled::<FlashSale>(1),
            this.filled::<FlashSale>(2),
        ];
        this
    }

    /// The example, all keys left out that need not be there, as the program fills it in.
    fn filled<M: Machine>(&self, example: usize) -> toml::Table {
        let mut table: toml::Table = self.examples[example].parse().expect("TOML");
        let config = if M::NAME == "desk" { "DeskConfig" } else { "flash_sale::Config" };
        for (key, name) in
            [("journal", "JournalSettings"), ("runtime", "RuntimeSettings"), ("config", config)]
        {
            if let Some(toml::Value::Table(inner)) = table.get_mut(key) {
                self.leave_out(inner, name);
            }
        }
        for (section, name) in [("feed", "FeedSettings"), ("gateway", "GatewaySettings")] {
            if let Some(toml::Value::Table(inner)) = table.get_mut(section) {
                for (kind, settings) in inner.iter_mut() {
                    let ty = self.key_type(name, kind);
                    if let (Some(ty), toml::Value::Table(settings)) = (ty, settings) {
                        let one_source = ["stdin", "listen"];
                        let kept: Vec<_> = one_source
                            .iter()
                            .filter_map(|key| Some(((*key).to_owned(), settings.get(*key)?.clone())))
                            .collect();
                        self.leave_out(settings, &ty);
                        settings.extend(kept);
                    }
                }
            }
        }
        let mut filled = filled_in::<M>(table.to_string());
        if let Some(lines) = filled.get_mut("feed").and_then(|feed| feed.get_mut("jsonl")?.as_table_mut()) {
            lines.remove("listen");
        }
        filled
    }

    fn leave_out(&self, table: &mut toml::Table, name: &str) {
        let Some(Declared { shape: Shape::Keys(keys), .. }) = self.declared.get(name) else { return };
        for key in keys {
            if !key.required {
                table.remove(&key.name);
                continue;
            }
            match table.get_mut(&key.name) {
                Some(toml::Value::Table(inner)) => self.leave_out(inner, &self.variant_of(&key.ty)),
                Some(toml::Value::Array(items)) => {
                    for item in items.iter_mut().filter_map(toml::Value::as_table_mut) {
                        self.leave_out(item, &key.ty);
                    }
                }
                _ => {}
            }
        }
    }

    /// The settings of a tagged enum's one variant; else `ty` itself.
    fn variant_of(&self, ty: &str) -> String {
        match self.declared.get(ty).map(|declared| &declared.shape) {
            Some(Shape::Variants(variants)) => {
                variants.iter().find_map(|variant| variant.2.clone()).unwrap_or_else(|| ty.to_owned())
            }
            _ => ty.to_owned(),
        }
    }

    fn key_type(&self, settings: &str, key: &str) -> Option<String> {
        match &self.declared.get(settings)?.shape {
            Shape::Keys(keys) => keys.iter().find(|known| known.name == key).map(|known| known.ty.clone()),
            Shape::Variants(_) => None,
        }
    }

    fn page(mut self) -> String {
        self.page = "# Configuration\n\nEvery key of a pipeline's TOML file. This page is made from the code by a test \
                     (`PRICEWRIGHT_WRITE_DOCS=1 cargo test\nconfiguration`) and is complete: other keys are refused. \
                     `pricewright check FILE` says all that is wrong with a file at once;\n`pricewright init DIR` writes \
                     commented examples. A key without a default must be there.\n"
            .to_owned();
        self.keys_of("PipelineConfig", "", "The file");
        self.keys_of("DeskConfig", "[config]", "The machine `desk`");
        self.keys_of("flash_sale::Config", "[config]", "The machine `flash_sale`");
        self.page
    }

    fn keys_of(&mut self, name: &str, table: &str, title: &str) {
        let Some(declared) = self.declared.remove(name) else { return };
        let heading = if table.is_empty() { title.to_owned() } else { format!("{title}: `{table}`") };
        let _ = write!(self.page, "\n## {heading}\n\n{}\n\n", declared.docs);
        let Shape::Keys(keys) = &declared.shape else { return };
        self.page.push_str(
            "| key | type, unit | default | meaning | example |\n| --- | --- | --- | --- | --- |\n",
        );
        let mut inner: Vec<(String, String, String)> = Vec::new();
        for key in keys.iter().filter(|key| !(name == "Instrument" && key.name == "id")) {
            let inside = table.trim_matches(['[', ']']);
            let path = if table.is_empty() { key.name.clone() } else { format!("{inside}.{}", key.name) };
            if key.ty == "C" {
                inner.push((String::new(), String::new(), String::new()));
                self.row(key, "table", "", "see the machine's own part below", "`[config]`");
                continue;
            }
            match self.declared.get(&key.ty) {
                Some(Declared { shape: Shape::Keys(_), .. }) => {
                    let shown = if key.list { format!("[[{path}]]") } else { format!("[{path}]") };
                    let default = if key.required { "" } else { "left out" };
                    let ty = if key.list { "tables" } else { "table" };
                    self.row(key, ty, default, &key.docs, &format!("`{shown}`"));
                    inner.push((key.ty.clone(), shown, key.docs.clone()));
                }
                Some(Declared { shape: Shape::Variants(variants), tag, .. }) => {
                    let names: Vec<String> =
                        variants.iter().map(|variant| format!("`\"{}\"`", variant.0)).collect();
                    if let Some(tag) = tag {
                        let settings = variants.iter().find_map(|variant| variant.2.clone());
                        let docs = format!("{} Its `{tag}` is {}.", key.docs, names.join(" or "));
                        self.row(key, "table", "", &docs, &format!("`[{path}]`"));
                        let shown = format!("[{path}]");
                        inner.extend(settings.map(|settings| (settings, shown, key.docs.clone())));
                        continue;
                    }
                    let docs = format!("{} {}", key.docs, meanings(variants, &names));
                    let ty = if key.list { "list of the names" } else { "one of the names" };
                    self.plain(key, &path, ty, &docs);
                }
                None => self.plain(key, &path, &type_text(key), &key.docs),
            }
        }
        for (ty, path, docs) in inner.into_iter().filter(|(ty, ..)| !ty.is_empty()) {
            self.keys_of(&ty, &path, docs.split(". ").next().unwrap_or(&docs).trim_end_matches(['.', ' ']));
        }
    }

    fn plain(&mut self, key: &Key, path: &str, ty: &str, docs: &str) {
        let default = if key.required {
            String::new()
        } else {
            match self.defaults.iter().find_map(|table| at(table, path)) {
                Some(value) => format!("`{value}`"),
                None => "left out".to_owned(),
            }
        };
        let example = self.example(path).map(|text| format!("`{} = {text}`", key.name)).unwrap_or_default();
        self.row(key, ty, &default, docs, &example);
    }

    fn row(&mut self, key: &Key, ty: &str, default: &str, docs: &str, example: &str) {
        let unit = UNITS.iter().find(|(ending, _)| format!("_{}", key.name).ends_with(ending));
        let ty = match unit {
            Some((_, unit)) if !ty.starts_with("table") => format!("{ty}, {unit}"),
            _ => ty.to_owned(),
        };
        let default = if default.is_empty() { "needed" } else { default };
        let docs = docs.replace('|', "\\|");
        let example = if example.is_empty() { "–" } else { example };
        let _ = writeln!(self.page, "| `{}` | {ty} | {default} | {docs} | {example} |", key.name);
    }

    /// The value that a bundled file has, commented out or not.
    fn example(&self, path: &str) -> Option<String> {
        let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.examples.iter().find_map(|text| {
            let mut here = String::new();
            text.lines().find_map(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                if let Some(rest) = line.strip_prefix('[') {
                    here = rest.trim_start_matches('[').split(']').next().unwrap_or("").to_owned();
                }
                let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
                (here == table).then(|| without_comment(value))
            })
        })
    }
}

/// What the names stand for, where they do not say it themselves.
fn meanings(variants: &[(String, String, Option<String>)], names: &[String]) -> String {
    if variants.iter().all(|variant| variant.1.is_empty()) {
        return format!("The names are {}.", names.join(", "));
    }
    let meanings: Vec<String> =
        variants.iter().map(|variant| format!("`\"{}\"`: {}", variant.0, variant.1)).collect();
    meanings.join(" ")
}

/// `text` as the program fills it in.
fn filled_in<M: Machine>(text: String) -> toml::Table {
    let text = ConfigText { path: "defaults".to_owned(), text };
    let config: PipelineConfig<M::Config> = text.pipeline::<M>().expect("only needed keys");
    config.canonical().expect("a text").parse().expect("TOML")
}

fn without_comment(value: &str) -> String {
    let mut quoted = false;
    let end = value.char_indices().find(|(_, char)| {
        quoted ^= *char == '"';
        *char == '#' && !quoted
    });
    value.get(..end.map_or(value.len(), |(at, _)| at)).unwrap_or(value).trim().to_owned()
}

/// The value at a dotted path; the first of a list of tables stands for all.
fn at<'a>(table: &'a toml::Table, path: &str) -> Option<&'a toml::Value> {
    let mut steps = path.split('.');
    let mut value = table.get(steps.next()?)?;
    for step in steps {
        value = match value {
            toml::Value::Array(items) => items.first()?.get(step)?,
            value => value.get(step)?,
        };
    }
    Some(value)
}

fn type_text(key: &Key) -> String {
    let one = match key.ty.as_str() {
        "String" | "TickSize" => "text",
        "PathBuf" => "path",
        "bool" => "true or false",
        "f64" => "number",
        "SocketAddr" | "SocketAddrV4" => "ip:port",
        "Ipv4Addr" => "IPv4 address",
        "Age" => "age such as 7d",
        "Size" => "size such as 10GB",
        "Idle" | "Durability" | "Role" => "name",
        "TimeZone" => "time zone",
        "TimeOfDay" => "time of day such as 09:30",
        "CalendarDate" => "date such as 2026-12-25",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" | "Bps" | "Lots" | "Minor" | "Ticks" => "whole number",
        "InstrumentId" => "whole number",
        unknown => panic!("no words for the type {unknown} of {}", key.name),
    };
    if key.list { format!("list: {one}") } else { one.to_owned() }
}

fn declaration(item: &Item) -> Option<(String, Declared)> {
    match item {
        Item::Struct(item) if derives(&item.attrs, "Deserialize") => {
            let Fields::Named(fields) = &item.fields else { return None };
            let defaults = serde_has(&item.attrs, "default");
            let read = fields.named.iter().filter(|field| !serde_has(&field.attrs, "skip"));
            let keys = read.map(|field| key(field, defaults)).collect();
            let (docs, tag) = (docs_of(&item.attrs), None);
            Some((item.ident.to_string(), Declared { docs, tag, shape: Shape::Keys(keys) }))
        }
        Item::Enum(item) if derives(&item.attrs, "Deserialize") => {
            let variants = item.variants.iter().map(|variant| {
                let brings = variant.fields.iter().next().map(|field| type_name(&field.ty).0);
                (snake(&variant.ident.to_string()), docs_of(&variant.attrs), brings)
            });
            let shape = Shape::Variants(variants.collect());
            let tag = serde_text(&item.attrs, "tag");
            Some((item.ident.to_string(), Declared { docs: docs_of(&item.attrs), tag, shape }))
        }
        _ => None,
    }
}

fn key(field: &syn::Field, container_defaults: bool) -> Key {
    let (ty, optional, list) = type_name(&field.ty);
    let required = !(container_defaults || optional || serde_has(&field.attrs, "default"));
    let name = field.ident.as_ref().expect("named").to_string();
    Key { name, docs: docs_of(&field.attrs), ty, list, required }
}

/// The innermost type's name, and whether it stands in an `Option` or a `Vec`.
fn type_name(ty: &Type) -> (String, bool, bool) {
    let Type::Path(path) = ty else { return ("?".to_owned(), false, false) };
    let last = path.path.segments.last().expect("a name");
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(type_name(ty)),
                _ => None,
            })
        }
        _ => None,
    };
    match (last.ident.to_string().as_str(), inner) {
        ("Option", Some((name, _, list))) => (name, true, list),
        ("Vec", Some((name, optional, _))) => (name, optional, true),
        (name, _) => (name.to_owned(), false, false),
    }
}

fn docs_of(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn derives(attrs: &[Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("derive") && tokens(attr).contains(name))
}

fn tokens(attr: &Attribute) -> String {
    match &attr.meta {
        Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

fn serde_has(attrs: &[Attribute], word: &str) -> bool {
    let has = |attr: &Attribute| {
        tokens(attr).split(',').any(|part| part.split('=').next().is_some_and(|key| key.trim() == word))
    };
    attrs.iter().filter(|attr| attr.path().is_ident("serde")).any(has)
}

fn serde_text(attrs: &[Attribute], word: &str) -> Option<String> {
    attrs.iter().filter(|attr| attr.path().is_ident("serde")).find_map(|attr| {
        tokens(attr).split(',').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            (key.trim() == word).then(|| value.trim().trim_matches('"').to_owned())
        })
    })
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for (at, char) in name.chars().enumerate() {
        if char.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(char.to_lowercase());
    }
    text
}
