use zerocopy::IntoBytes;
use zerocopy::big_endian::U64;

use super::super::{BrokenTrade, Header, decode};
use super::*;

fn broken() -> BrokenTrade {
    BrokenTrade { header: Header::of::<BrokenTrade>(1, 0, 9), match_number: U64::new(77) }
}

#[test]
fn a_message_is_written_where_it_fits() {
    let mut out = [0; 20];
    assert_eq!(write(&broken(), &mut out), Some(19));
    assert!(decode(&out[..19]).is_ok());
    assert_eq!(write(&broken(), &mut out[..18]), None);
}

#[test]
fn a_frame_carries_its_length() {
    let mut file = Vec::new();
    assert!(append_file_frame(broken().as_bytes(), &mut file));
    assert_eq!(file.len(), 21);
    assert_eq!(file[..2], [0, 19]);
    assert_eq!(file[2..], *broken().as_bytes());
    assert!(!append_file_frame(&[0; 65_536], &mut file));
}
