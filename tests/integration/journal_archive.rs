//! Archives, compressed journals and retention, as a user has them.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{BOUND, Place, objects};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const INVENTORY: &str = concat!(
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","#,
    r#""initial":1000000,"stock":1000000,"base":"100.00"}"#
);
const PURCHASE: &str = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":1}"#;

fn lines(place: &Place, journal: &str) -> Vec<String> {
    place.expect(0, &["journal", "export", "--jsonl", journal]).out
}

#[test]
fn every_command_reads_an_archive_as_its_journal() {
    let place = Place::new();
    place.expect(0, &["run", "--seconds", "2", "--journal", "desk"]);
    let done = place.json(&["journal", "archive", "desk", "--to", "old", "--json"]);
    assert_eq!(
        (done["archived"].as_array().map(Vec::len), &done["segments_removed"]),
        (Some(1), &0.into()),
        "{done:#}"
    );
    assert!(
        place.path("old/journal-00000001.pwj.zst").exists()
            && !place.path("old/journal-00000001.pwj").exists()
    );
    for command in [&["journal", "verify"][..], &["journal", "stats"], &["explain"], &["journal", "inspect"]]
    {
        let on = |journal| place.expect(0, &[command, &[journal]].concat()).out;
        let (plain, packed) = (on("desk").join("\n"), on("old").join("\n"));
        // Names of files and their sizes differ.
        if command != ["journal", "stats"] {
            assert_eq!(plain.replace("desk:", "old:"), packed, "{command:?}");
        }
    }
    assert_eq!(lines(&place, "desk"), lines(&place, "old"));
    let (mut plain, mut packed) = (place.verify("desk"), place.verify("old"));
    for report in [&mut plain, &mut packed] {
        for key in ["journal", "elapsed_s", "events_per_second"] {
            report.as_object_mut().expect("an object").remove(key);
        }
    }
    assert_eq!(plain, packed);
    let stats = place.json(&["journal", "stats", "old", "--json"]);
    assert_eq!(stats["compressed"], 1);
    let refused = place.run(&["run", STDIN, "--journal", "old"], "");
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.err.join("\n").contains("journal-00000001.pwj.zst"), "{refused:#?}");
    // The newest segment is what the next run begins with.
    let moved = place.json(&["journal", "archive", "desk", "--to", "old", "--move", "--json"]);
    assert_eq!(
        (&moved["segments_already"], &moved["segments_removed"], &moved["newest_stays"]),
        (&1.into(), &0.into(), &true.into()),
        "{moved:#}"
    );
    place.verify("desk");
    place.verify("old");
    // Damage is named.
    let path = place.path("old/journal-00000001.pwj.zst");
    let mut bytes = std::fs::read(&path).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let damaged = place.expect(1, &["journal", "verify", "old"]);
    assert!(damaged.err.join("\n").contains("journal-00000001.pwj.zst"), "{damaged:#?}");
}

fn limited(place: &Place) {
    let text = std::fs::read_to_string(STDIN).expect("it is there");
    let settings = "segment_mib = 1\nsnapshot_every = 2000\nsnapshots = 2\nkeep = { size = \"2MB\" }\narchive_to = \"old\"";
    assert!(text.contains("segment_mib = 16"));
    place.write("limited.toml", &text.replace("segment_mib = 16", settings));
}

#[test]
fn a_run_keeps_its_journal_within_limits_and_can_be_restarted_and_replayed() {
    let place = Place::new();
    limited(&place);
    let mut run = place.start(&["run", "limited.toml", "--journal", "j"]);
    run.input(&format!("{INVENTORY}\n"));
    let batch = format!("{PURCHASE}\n").repeat(2_000);
    let list = place.path("j/removed.jsonl");
    let start = Instant::now();
    let removed = || std::fs::read_to_string(&list).map_or(0, |text| text.lines().count());
    // The looks at the directory are some seconds apart.
    let mut batches = 0;
    while removed() < 2 {
        assert!(start.elapsed() < BOUND, "nothing is removed: {:?}", std::fs::read_dir(place.path("j")));
        if batches < 30 {
            run.input(&batch);
            batches += 1;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{:#?}", finished.err);

    let stats = place.json(&["journal", "stats", "j", "--json"]);
    let gone = stats["removed"].as_array().expect("a list");
    let last = gone.last().expect("one at least");
    assert_eq!(last["last_seq"].as_u64().map(|seq| seq + 1), stats["first_seq"].as_u64());
    assert_eq!((&last["reason"], &last["archive"]), (&"size".into(), &"old".into()));
    place.expect(0, &["journal", "verify", "j"]);
    place.expect(0, &["journal", "verify", "old"]);
    // What is left can be replayed from its snapshots, and the archive from its beginning.
    place.verify("j");
    assert_eq!(place.verify("old")["identical"], true);
    let (old, new) = (objects(&lines(&place, "old")), objects(&lines(&place, "j")));
    let seqs = old.iter().chain(&new).map(|record: &Value| record["seq"].as_u64().expect("a number"));
    assert!(
        seqs.eq(1..=stats["last_seq"].as_u64().expect("a number")),
        "archive and rest are the whole journal"
    );

    let again = place.run(&["run", "limited.toml", "--journal", "j"], &format!("{PURCHASE}\n"));
    assert_eq!(again.code, Some(0), "{again:#?}");
    place.verify("j");
    let plan = place.json(&["journal", "prune", "j", "--keep-size", "1kB", "--dry-run", "--json"]);
    let before = lines(&place, "j");
    assert!(plan["removed"].as_array().is_some_and(|segments| !segments.is_empty()), "{plan:#}");
    let pruned = place.json(&["journal", "prune", "j", "--keep-size", "1kB", "--json"]);
    assert_eq!(plan["removed"], pruned["removed"]);
    let after = lines(&place, "j");
    assert!(after.len() < before.len() && before.ends_with(&after));
    place.verify("j");
    place.expect(2, &["journal", "prune", "j"]);
    place.expect(2, &["journal", "prune", "j", "--keep-age", "soon"]);
}

/// `archive --move` on a journal that has ended: the next run goes on where it ended, with its stock and its place in the
/// input; and where the rest is taken away by hand, it is not begun anew in silence.
#[test]
fn a_run_goes_on_behind_a_moved_journal() {
    let place = Place::new();
    let text = std::fs::read_to_string(STDIN).expect("it is there");
    place.write("small.toml", &text.replace("segment_mib = 16", "segment_mib = 1"));
    let run = |input: &str| place.run(&["run", "small.toml", "--journal", "j"], input);
    let first = run(&format!("{INVENTORY}\n{}", format!("{PURCHASE}\n").repeat(20_000)));
    assert_eq!(first.code, Some(0), "{:#?}", first.err);
    let moved = place.json(&["journal", "archive", "j", "--to", "old", "--move", "--json"]);
    assert!(moved["segments_removed"].as_u64() > Some(0) && moved["newest_stays"] == true, "{moved:#}");
    let second = run(&format!("{}\n", PURCHASE.replace("\"qty\":1", "\"qty\":100000")));
    assert_eq!(second.code, Some(0), "{second:#?}");
    let price = second.out.join("\n");
    assert!(price.contains("\"stock\":880000"), "the stock went on: {price}");
    let verified = place.expect(0, &["journal", "verify", "j"]).out.join("\n");
    assert!(
        verified.contains("NOT HERE: records 1 to") && verified.contains("archived in old"),
        "{verified}"
    );
    place.verify("j");

    for entry in std::fs::read_dir(place.path("j")).expect("there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "pwj") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let refused = run(&format!("{PURCHASE}\n"));
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let said = refused.err.join("\n");
    assert!(
        said.contains("are not here any more") && said.contains("bring its segments back from old"),
        "{said}"
    );
}
