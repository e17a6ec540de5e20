use super::*;

fn full(path: &str) -> JournalError {
    let source = std::io::Error::from_raw_os_error(libc::ENOSPC);
    JournalError::Io { path: path.into(), action: "write", source }
}

/// As every other command has it: the work was done, and could not be written down.
#[test]
fn a_full_standard_output_is_a_fault_and_a_full_file_unusable_input() {
    let error = judged(full(show::STDOUT));
    assert_eq!((error.exit_code(), judged(full("out.jsonl")).exit_code()), (1, 2));
    assert!(error.to_string().contains("write to a file or terminal that can take it"), "{error}");
}
