//! Paths in commands that are offered to be typed.

use std::path::Path;

/// `path` as one word of a shell: in quotes where it has letters that a shell reads otherwise.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+,:@%".contains(char);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
