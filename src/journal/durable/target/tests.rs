use std::io::Read;

use super::*;
use crate::journal::SystemDevice;

/// What the bytes of `steps`, each written for itself, come to in a file, by the plainest means.
fn written(steps: &[Vec<u8>], device: &mut dyn Device) -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    std::fs::write(&path, vec![0; 1 << 20]).unwrap();
    let mut target = Target::open(&path, 8192).unwrap();
    let mut expected = vec![0; 8192];
    for step in steps {
        assert!(target.take(step));
        target.write(device).unwrap();
        expected.extend(step);
    }
    expected.resize(1 << 20, 0);
    let mut found = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut found).unwrap();
    (found, expected)
}

fn steps() -> Vec<Vec<u8>> {
    let lengths = [64, 128, 3904, 64, 4096, 8192, 12_288 + 64, 4032, 100 * 1024];
    (1u8..).zip(lengths).map(|(fill, len)| vec![fill; len]).collect()
}

#[test]
fn any_lengths_give_the_bytes_one_behind_the_other() {
    let (found, expected) = written(&steps(), &mut SystemDevice);
    assert!(found == expected);
}

/// Takes at most `pages` pages of each write, then fails on the call `fails_at`.
#[derive(Debug)]
struct Short {
    pages: usize,
    calls: u32,
    fails_at: u32,
}

impl Device for Short {
    fn write_at(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.calls += 1;
        if self.calls == self.fails_at {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let len = bytes.len().min(self.pages * PAGE);
        SystemDevice.write_at(file, &bytes[..len], offset)
    }

    fn sync(&mut self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        sync()
    }
}

#[test]
fn short_writes_are_gone_on_with() {
    let (found, expected) = written(&steps(), &mut Short { pages: 1, calls: 0, fails_at: 0 });
    assert!(found == expected);
}

#[test]
fn a_write_of_nothing_and_an_error_are_final() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    std::fs::write(&path, vec![0; 1 << 20]).unwrap();
    for (device, kind) in [
        (&mut Short { pages: 0, calls: 0, fails_at: 0 }, io::ErrorKind::WriteZero),
        (&mut Short { pages: 1, calls: 0, fails_at: 2 }, io::Error::from_raw_os_error(libc::EIO).kind()),
    ] {
        let mut target = Target::open(&path, 4096).unwrap();
        assert!(target.take(&[1; 8192]));
        assert_eq!(target.write(device).unwrap_err().kind(), kind);
        assert!(device.calls <= 2, "no second try");
    }
}

#[test]
fn a_full_buffer_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    std::fs::write(&path, vec![0; 4 << 20]).unwrap();
    let mut target = Target::open(&path, 0).unwrap();
    let taken = (0..).take_while(|_| target.take(&[9; 1024])).count();
    assert_eq!(taken * 1024, BUFFER_LEN);
    assert_eq!(target.write(&mut SystemDevice).unwrap(), BUFFER_LEN);
    assert!(target.take(&[9; 64]));
}
