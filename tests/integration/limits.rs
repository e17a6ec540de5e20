//! Settings that ask for more than the machine has.

use std::process::Command;

use crate::support::Place;

/// A shop with 16,777,216 articles for each of 64 sources: 32 GiB, and as much for the self-check. The shell's limit of
/// address space stands for a small machine.
#[test]
fn sizes_beyond_the_memory_are_refused_with_their_keys_before_any_is_taken() {
    let place = Place::new();
    let config = place.path("big.toml");
    let text = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[gateway.jsonl]\nstdout = true\n[config]\n\
                max_skus = 16777216\nmax_sources = 64\n";
    std::fs::write(&config, text).expect("a file");
    for command in ["check", "run"] {
        let ran = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v 4000000; exec \"$0\" {command} big.toml </dev/null"))
            .arg(env!("CARGO_BIN_EXE_pricewright"))
            .current_dir(place.path("."))
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{command}: {said}");
        for part in
            ["big.toml:7: ", "of memory", "max_skus = 16777216 for each of max_sources = 64 (34.4 GB)"]
        {
            assert!(said.contains(part), "{command}: no {part:?} in {said}");
        }
    }
    assert!(!place.path("pricewright-data").exists(), "nothing was begun");
}
