//! Exports against the fixture's JSON lines, which another reader wrote from the format's page alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fixture::{expected, fixture};
use super::support::{append_all, copy, end_run, open};
use crate::journal::export::{Exported, Format, Selection, Target, export};
use crate::journal::{Crc32c, JournalError, segment_path};

/// A row as text by column.
type Row = BTreeMap<String, String>;

fn run(dir: &Path, selection: &Selection, format: Format, out: &Path) -> Result<Exported, JournalError> {
    export(dir, selection, format, &Target::Path(out.to_path_buf()), &mut |_, _| ())
}

fn types(names: &[&str]) -> Selection {
    Selection { types: names.iter().map(|name| (*name).to_owned()).collect(), ..Selection::default() }
}

fn rows(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

/// What the tables must hold, from the JSON lines: by record, table and row.
fn expected_rows() -> BTreeMap<String, Vec<Row>> {
    let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for record in expected() {
        let name = format!("{}.v{}", record["kind"].as_str().unwrap(), record["version"]);
        let mut row = Row::new();
        for key in ["seq", "now", "kind", "version", "source", "cause"] {
            row.insert(key.to_owned(), record.get(key).map_or_else(String::new, bare));
        }
        let flags = record.get("flags").and_then(Value::as_array).cloned().unwrap_or_default();
        row.insert("flags".to_owned(), flags.iter().map(bare).collect::<Vec<_>>().join("|"));
        for (field, value) in record["fields"].as_object().unwrap() {
            let name = if row.contains_key(field) { format!("field_{field}") } else { field.clone() };
            row.insert(name, bare(value));
        }
        tables.entry(name).or_default().push(row);
    }
    tables
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn json_lines_are_those_of_the_other_reader() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("all.jsonl");
    let done = run(&fixture(), &Selection::default(), Format::Jsonl, &out).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, expected());
    assert_eq!((done.records, done.files[0].records), (96, 96));
    assert_eq!(done.files[0].bytes, text.len() as u64);
}

#[test]
fn csv_tables_hold_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tables");
    let done = run(&fixture(), &Selection::default(), Format::Csv, &out).unwrap();
    let expected = expected_rows();
    assert_eq!(done.files.len(), expected.len());
    let mut described = BTreeSet::new();
    for row in rows(&out.join("columns.csv")) {
        described.insert((row["table"].clone(), row["column"].clone()));
    }
    for (name, expected) in &expected {
        let found = rows(&out.join(format!("{name}.csv")));
        assert_eq!(&found, expected, "{name}");
        for column in expected[0].keys() {
            assert!(
                described.contains(&(name.clone(), column.clone())),
                "columns.csv lacks {column} of {name}"
            );
        }
    }
    assert!(
        !std::fs::read_dir(&out)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().ends_with(".part") })
    );
}

#[test]
fn a_selection_takes_types_and_a_range() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = |record: &Value, names: &[&str], range: std::ops::RangeInclusive<u64>| {
        names.contains(&record["kind"].as_str().unwrap()) && range.contains(&record["seq"].as_u64().unwrap())
    };
    let names = ["OrderAdd", "PlaceOrder.v1"];
    for (number, range) in [(1, 1..=96), (2, 10..=60), (3, 33..=33), (4, 90..=500)] {
        let out = dir.path().join(format!("{number}.jsonl"));
        let selection = Selection { from: Some(*range.start()), to: Some(*range.end()), ..types(&names) };
        run(&fixture(), &selection, Format::Jsonl, &out).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let all = expected();
        let kept =
            all.into_iter().filter(|record| wanted(record, &["OrderAdd", "PlaceOrder"], range.clone()));
        assert_eq!(found, kept.collect::<Vec<_>>(), "{range:?}");
    }
    let out = dir.path().join("none");
    let error = run(&fixture(), &types(&["Nothing"]), Format::Csv, &out).unwrap_err().to_string();
    assert!(error.contains("--type Nothing") && error.contains("OrderAdd"), "{error}");
    let from = Selection { from: Some(1000), ..Selection::default() };
    assert!(matches!(
        run(&fixture(), &from, Format::Jsonl, &out),
        Err(JournalError::NoSuchRecord { first: 1, last: 96, .. })
    ));
    assert!(!out.exists());
}

#[test]
fn nothing_is_overwritten_and_no_half_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.jsonl");
    std::fs::write(&out, "mine").unwrap();
    assert!(matches!(
        run(&fixture(), &Selection::default(), Format::Jsonl, &out),
        Err(JournalError::Exists { .. })
    ));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    let broken = dir.path().join("journal");
    copy(&fixture(), &broken);
    let path = segment_path(&broken, 2);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 200;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for (format, name) in [(Format::Jsonl, "broken.jsonl"), (Format::Csv, "broken")] {
        let out = dir.path().join(name);
        let range = Selection { to: Some(90), ..Selection::default() };
        assert!(matches!(run(&broken, &range, format, &out), Err(JournalError::Damaged(_))));
        let left = std::fs::read_dir(&out).map_or(0, Iterator::count);
        assert!(left == 0 && !out.is_file() && !PathBuf::from(format!("{}.part", out.display())).exists());
    }
}

#[test]
fn an_export_of_a_live_journal_ends_where_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    append_all(&mut writer, 0..20_000);
    let mut calls = 0;
    let out = dir.path().join("live.jsonl");
    let target = Target::Path(out.clone());
    let done = export(dir.path(), &Selection::default(), Format::Jsonl, &target, &mut |_, to| {
        calls += 1;
        assert_eq!(to, 20_000);
        append_all(&mut writer, 0..10);
    });
    assert_eq!(done.unwrap().records, 20_000);
    assert_eq!(calls, 1);
    end_run(&mut writer);
}

/// Rewrites a segment of the fixture so that `kind` has version 2 in it.
fn raise_version(path: &Path, name: &str) -> usize {
    let mut file = std::fs::read(path).unwrap();
    let crc = Crc32c::table();
    let len = u32::from_le_bytes(file[136..140].try_into().unwrap()) as usize;
    let text = String::from_utf8(file[4096..4096 + len].to_vec()).unwrap();
    let line = text.lines().find(|line| line.split(' ').nth(3) == Some(name)).unwrap();
    let (kind, rest) = line.split_once(' ').unwrap();
    let raised = format!("{kind} 2{}", rest.strip_prefix('1').unwrap());
    let text = text.replace(line, &raised);
    file[4096..4096 + len].copy_from_slice(text.as_bytes());
    let sum = crc.of_bytes(text.as_bytes());
    file[140..144].copy_from_slice(&sum.to_le_bytes());
    let sum = crc.of_bytes(&file[..3704]);
    file[3708..3712].copy_from_slice(&sum.to_le_bytes());
    let mut at = u64::from_le_bytes(file[128..136].try_into().unwrap()) as usize;
    let mut raised = 0;
    while at + 64 < file.len() {
        let len = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let end = at + len.next_multiple_of(64);
        if file[at + 24..at + 26] == kind.parse::<u16>().unwrap().to_le_bytes() {
            file[at + 26] = 2;
            let sum = crc.of_bytes(&file[at + 8..end]);
            file[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
            raised += 1;
        }
        at = end;
    }
    std::fs::write(path, file).unwrap();
    raised
}

#[test]
fn two_versions_of_a_kind_are_two_tables() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    copy(&fixture(), &journal);
    let raised = raise_version(&segment_path(&journal, 3), "OrderAdd");
    assert!(raised > 0);
    let out = dir.path().join("out");
    run(&journal, &types(&["OrderAdd"]), Format::Csv, &out).unwrap();
    let (first, second) = (rows(&out.join("OrderAdd.v1.csv")), rows(&out.join("OrderAdd.v2.csv")));
    assert_eq!(second.len(), raised);
    assert!(second.iter().all(|row| row["version"] == "2") && first.iter().all(|row| row["version"] == "1"));
    let both = first.len() + second.len();
    assert_eq!(both, expected().iter().filter(|record| record["kind"] == "OrderAdd").count());
    let target = Target::Stdout;
    let error = export(&journal, &types(&["OrderAdd"]), Format::Csv, &target, &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("--type OrderAdd.v1"), "{error}");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(&fixture(), &Selection::default(), Format::Parquet, &dir.path().join("out")).unwrap_err();
    assert!(error.to_string().contains("cargo build --release --features parquet"), "{error}");
}

#[cfg(feature = "parquet")]
mod parquet {
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    use ::parquet::record::Field;

    use super::*;
    use crate::journal::export::parquet::COLUMNS_KEY;

    /// A value as the CSV shows it. Raw bytes are hexadecimal there.
    fn shown(field: &Field) -> String {
        match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => bytes.data().iter().map(|byte| format!("{byte:02x}")).collect(),
            Field::Double(value) if value.is_finite() => serde_json::json!(value).to_string(),
            Field::Double(value) => format!("{value:?}"),
            Field::Long(value) => value.to_string(),
            Field::ULong(value) => value.to_string(),
            Field::UInt(value) => value.to_string(),
            Field::UShort(value) => value.to_string(),
            Field::UByte(value) => value.to_string(),
            other => panic!("{other:?} is no type of ours"),
        }
    }

    #[test]
    fn parquet_tables_hold_every_value() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("tables");
        let done = run(&fixture(), &Selection::default(), Format::Parquet, &out).unwrap();
        let expected = expected_rows();
        assert_eq!(done.files.len(), expected.len());
        for (name, expected) in &expected {
            let file = std::fs::File::open(out.join(format!("{name}.parquet"))).unwrap();
            let reader = SerializedFileReader::new(file).unwrap();
            let metadata = reader.metadata().file_metadata();
            let described = metadata.key_value_metadata().unwrap();
            let described = described.iter().find(|entry| entry.key == COLUMNS_KEY).unwrap();
            let columns: Value = serde_json::from_str(described.value.as_ref().unwrap()).unwrap();
            assert_eq!(columns.as_array().unwrap().len(), metadata.schema_descr().num_columns());
            let found: Vec<Row> = reader
                .get_row_iter(None)
                .unwrap()
                .map(|row| {
                    row.unwrap().get_column_iter().map(|(name, value)| (name.clone(), shown(value))).collect()
                })
                .collect();
            assert_eq!(&found, expected, "{name}");
        }
    }

    /// Many row groups: the rows of all stay in order and none is lost.
    #[test]
    fn row_groups_join() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal");
        let (mut writer, _helper, _) = open(&journal);
        append_all(&mut writer, (0..300_000).map(|_| 7));
        writer.close().unwrap();
        let out = dir.path().join("out");
        let done = run(&journal, &Selection::default(), Format::Parquet, &out).unwrap();
        assert_eq!(done.files.len(), 1);
        let reader = SerializedFileReader::new(std::fs::File::open(&done.files[0].path).unwrap()).unwrap();
        assert!(reader.num_row_groups() > 1);
        let seqs = reader.get_row_iter(None).unwrap().map(|row| {
            row.unwrap()
                .get_column_iter()
                .next()
                .map(|(_, value)| shown(value))
                .unwrap()
                .parse::<u64>()
                .unwrap()
        });
        assert!(seqs.eq(1..=300_000));
    }
}
