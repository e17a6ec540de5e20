//! Whether two paths lead to one file, however they are spelt.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Whether what is written to `one` is read from `other`. Files that are there are one by device and index node; else names
/// are compared ([`full_path`]). Devices and pipes give back nothing of what was written.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => full_path(one) == full_path(other),
    }
}

/// `path` from the root, without links in its directories; as it is where its directory cannot be found.
pub fn full_path(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_other_spellings_are_the_same_file_and_devices_never() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("sub")).expect("made");
        assert!(is_same_file(&at("new"), &at("sub/../new")), "neither is there");
        assert!(!is_same_file(&at("new"), &at("sub/new")));
        std::fs::write(at("file"), "").expect("written");
        std::fs::hard_link(at("file"), at("hard")).expect("linked");
        std::os::unix::fs::symlink(at("file"), at("soft")).expect("linked");
        for same in ["file", "hard", "soft", "sub/../file"] {
            assert!(is_same_file(&at(same), &at("file")), "{same}");
        }
        std::fs::write(at("other"), "").expect("written");
        assert!(!is_same_file(&at("other"), &at("file")) && !is_same_file(&at("new"), &at("file")));
        assert!(!is_same_file(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}
