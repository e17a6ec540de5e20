use quickcheck::quickcheck;

use super::*;

#[test]
fn ages_and_sizes_are_read() {
    for (text, seconds) in [("1s", 1), ("90m", 5_400), ("36h", 129_600), ("7d", 604_800), ("2 w", 1_209_600)]
    {
        assert_eq!(text.parse::<Age>().unwrap().0.as_secs(), seconds, "{text}");
    }
    let sizes =
        [("512B", 512), ("10GB", 10_000_000_000), ("64MiB", 67_108_864), ("3 kB", 3_000), ("1TiB", 1 << 40)];
    for (text, bytes) in sizes {
        assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
    }
}

#[test]
fn anything_else_is_refused_with_an_example() {
    for text in
        ["", "7", "d", "-1d", "0d", "1.5d", "7 days", "7D", "99999999999999999999d", "9999999999999999w"]
    {
        assert!(text.parse::<Age>().unwrap_err().contains("as in 7d"), "{text}");
    }
    for text in ["", "10", "GB", "-1GB", "0B", "1gb", "1 G", "99999999TiB"] {
        assert!(text.parse::<Size>().unwrap_err().contains("as in 10GB"), "{text}");
    }
}

quickcheck! {
    fn what_is_written_is_read_back(seconds: u64, bytes: u64) -> bool {
        let (age, size) = (Age(Duration::from_secs(seconds.max(1))), Size(bytes.max(1)));
        age.to_string().parse() == Ok(age) && size.to_string().parse() == Ok(size)
    }
}
