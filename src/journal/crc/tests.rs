use quickcheck::quickcheck;

use super::*;

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

/// RFC 3720 appendix B.4, where the values are printed in the order of bytes on the wire.
#[test]
fn examples_of_rfc_3720() {
    let up: Vec<u8> = (0..32).collect();
    let down: Vec<u8> = (0..32).rev().collect();
    let mut read_command = [0; 48];
    for (at, byte) in
        [(0, 0x01), (1, 0xc0), (16, 0x14), (22, 0x04), (27, 0x14), (31, 0x18), (32, 0x28), (40, 0x02)]
    {
        read_command[at] = byte;
    }
    let cases: [(&[u8], [u8; 4]); 5] = [
        (&[0; 32], [0xaa, 0x36, 0x91, 0x8a]),
        (&[0xff; 32], [0x43, 0xab, 0xa8, 0x62]),
        (&up, [0x4e, 0x79, 0xdd, 0x46]),
        (&down, [0x5c, 0xdb, 0x3f, 0x11]),
        (&read_command, [0x56, 0x3a, 0x96, 0xd9]),
    ];
    for (bytes, wire) in cases {
        let expected = u32::from_le_bytes(wire);
        assert_eq!(Crc32c::detect().of_words(&words(bytes)), expected);
        assert_eq!(Crc32c::table().of_words(&words(bytes)), expected);
        assert_eq!(Crc32c::table().of_bytes(bytes), expected);
    }
}

/// The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms.
#[test]
fn check_value() {
    assert_eq!(Crc32c::detect().of_bytes(b"123456789"), 0xe306_9283);
}

type Step = fn(u32, u64) -> u32;

/// Every way of taking the checksum of a word that this machine has.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = vec![table_word];
    #[cfg(target_arch = "x86_64")]
    if Crc32c::detect().is_by_instruction() {
        // SAFETY: the checksum is by the instruction only where this machine has SSE4.2.
        steps.push(|crc, word| unsafe { instruction_word(crc, word) });
    }
    steps
}

quickcheck! {
    fn means_agree(words: Vec<u64>) -> bool {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let expected = Crc32c::table().of_bytes(&bytes);
        Crc32c::detect().of_words(&words) == expected && Crc32c::table().of_words(&words) == expected
    }

    fn sealing_fills_and_sums(head: (u64, u64, u64), cells: Vec<(u64, u64, u64, u64)>, used: usize) -> bool {
        let head = [head.0, head.1, head.2];
        let mut source: Vec<CellWords> = cells.iter().map(|(a, b, c, d)| [*a, *b, *c, *d, !a, !b, !c, !d]).collect();
        source.push([u64::MAX; 8]);
        let used = (source.len() - 1) * 8 + 1 + used % 8;
        let mut expected = source.concat();
        expected[used..].fill(0);
        expected[1..4].copy_from_slice(&head);
        steps().into_iter().all(|step| {
            let mut first = [u64::MAX; 7];
            let mut rest = vec![[u64::MAX; 8]; source.len() - 1];
            let body = Body { first: &mut first, rest: &mut rest };
            let sum = if used == source.len() * 8 {
                seal::<true>(body, head, &source, used, step)
            } else {
                seal::<false>(body, head, &source, used, step)
            };
            let written: Vec<u64> = first.into_iter().chain(rest.concat()).collect();
            written == expected[1..] && sum == Crc32c::table().of_words(&expected[1..])
        })
    }
}
