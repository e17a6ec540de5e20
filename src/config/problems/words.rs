//! What a deserialiser says, in the words of the file instead of the program's.

use super::nearest;

/// Types of the program, and what they take.
const TYPES: [(&str, &str); 20] = [
    ("i64", "a whole number"),
    ("i32", "a whole number"),
    ("i16", "a whole number"),
    ("u64", "a whole number, 0 or more"),
    ("usize", "a whole number, 0 or more"),
    ("u32", "a whole number, 0 to 4294967295"),
    ("u16", "a whole number, 0 to 65535"),
    ("u8", "a whole number, 0 to 255"),
    ("f64", "a number"),
    ("a string", "text in quotes"),
    ("string", "text in quotes"),
    ("a boolean", "true or false"),
    ("a sequence", "a list in [ ]"),
    ("sequence", "a list in [ ]"),
    ("a map", "a table"),
    ("map", "a table"),
    ("an integer", "a whole number"),
    ("a borrowed string", "text in quotes"),
    ("path string", "a path in quotes"),
    ("string or table", "text in quotes"),
];

/// What the standard library says of an address, and an address.
const ADDRESSES: [(&str, &str); 4] = [
    ("invalid IPv4 socket address syntax", "an IPv4 address and a port, as in \"127.0.0.1:31003\""),
    ("invalid socket address syntax", "an IP address and a port, as in \"127.0.0.1:31003\""),
    ("invalid IPv4 address syntax", "an IPv4 address, as in \"127.0.0.1\""),
    ("invalid IP address syntax", "an IP address, as in \"127.0.0.1\""),
];

/// What the parser says of a word without quotes, by what the word begins like.
const BARE: [&str; 3] = ["string values must be quoted", "invalid boolean", "invalid float"];

/// What the parser `said` of a text that is no TOML, in plain words where `word`, which is at fault, is a name.
pub(super) fn no_toml(said: &str, word: &str) -> String {
    let is_name = word.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_name && BARE.iter().any(|begin| said.starts_with(begin)) {
        return format!("`{word}`: text must be in quotes; without them stand numbers, true and false");
    }
    said.to_owned()
}

/// `said` of the value `written` in plain words; as it is where it has some.
pub(super) fn plain(said: &str, written: &str) -> String {
    if let Some((_, wanted)) = ADDRESSES.iter().find(|(words, _)| *words == said) {
        if has_no_such_port(written) {
            return format!("this must be {wanted}: a port is 0 to 65535");
        }
        return format!(
            "this must be {wanted}: numbers only, names of hosts or interfaces are not looked up"
        );
    }
    let quoted = quoted(said);
    if let (true, Some((name, known))) = (said.starts_with("unknown variant"), quoted.split_first()) {
        let hint = nearest(name, known.iter().copied())
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return format!("`{name}` is none of its values; {hint}it takes {}", known.join(", "));
    }
    let wrong = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    match wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, wanted)) => {
            format!("this is {}, and must be {}", found_text(found), wanted_text(wanted))
        }
        None => said.to_owned(),
    }
}

/// What stands in backquotes.
pub(super) fn quoted(said: &str) -> Vec<&str> {
    said.split('`').skip(1).step_by(2).collect()
}

/// Whether an address ends in a number that is no port.
fn has_no_such_port(address: &str) -> bool {
    let port = address.trim_matches(['"', '\'']).rsplit_once(':').map_or("", |(_, port)| port);
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_number && port.parse::<u16>().is_err()
}

fn found_text(found: &str) -> String {
    // Of numbers beyond 64 bits the type is said too.
    let found = found.trim_end_matches(" as i128").trim_end_matches(" as u128");
    for (kind, word) in
        [("string ", "the text "), ("integer ", "the number "), ("floating point ", "the number ")]
    {
        if let Some(value) = found.strip_prefix(kind) {
            return format!("{word}{}", value.trim_matches('`'));
        }
    }
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        other => other.strip_prefix("boolean ").unwrap_or(other).trim_matches('`').to_owned(),
    }
}

fn wanted_text(wanted: &str) -> String {
    if let Some((_, words)) = TYPES.iter().find(|(ty, _)| *ty == wanted) {
        return (*words).to_owned();
    }
    let kinds = ["struct ", "internally tagged enum ", "adjacently tagged enum ", "externally tagged enum "];
    if kinds.iter().any(|kind| wanted.starts_with(kind)) {
        return "a table".to_owned();
    }
    if wanted.starts_with("enum ") || wanted.starts_with("variant ") {
        return "text in quotes, one of its names".to_owned();
    }
    if wanted.starts_with("tuple struct ") {
        return "a whole number".to_owned();
    }
    wanted.to_owned()
}

/// `unknown field` with the name that was meant, or all that would do; `place` is its table.
pub(super) fn unknown_key(name: &str, near: Option<&str>, known: &[&str], place: &str) -> String {
    let place = if place == "[]" { String::new() } else { format!(" in {place}") };
    match near {
        Some(near) => format!("unknown key `{name}`{place}; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown key `{name}`{place}; it takes none"),
        None => format!("unknown key `{name}`{place}; it takes {}", known.join(", ")),
    }
}
