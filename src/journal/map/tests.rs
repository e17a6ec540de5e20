use super::*;

/// A file of `pages` zero pages, and both maps of it.
fn maps(pages: usize) -> (WriteMap, ReadMap) {
    let file = tempfile::tempfile().unwrap();
    file.set_len((pages * PAGE) as u64).unwrap();
    (WriteMap::new(&file, pages * PAGE).unwrap(), ReadMap::new(&file, pages * PAGE).unwrap())
}

#[test]
fn blocks_lie_inside_on_cells_boundaries() {
    let (mut write, read) = maps(1);
    assert!(write.block(0, 64).is_some());
    assert!(write.block(PAGE - 64, 1).is_some());
    for (offset, cells) in
        [(PAGE - 64, 2), (PAGE, 1), (8, 1), (0, 0), (0, 65), (usize::MAX - 63, 1), (0, usize::MAX)]
    {
        assert!(write.block(offset, cells).is_none(), "{offset} {cells}");
    }
    assert!(
        write.cells(PAGE - 64, 1).is_some()
            && write.cells(PAGE - 64, 2).is_none()
            && write.cells(8, 1).is_none()
    );
    assert!(matches!(read.block(PAGE - 64), Block::Empty));
    for offset in [PAGE, 8, PAGE - 8, usize::MAX - 63] {
        assert!(matches!(read.block(offset), Block::Outside), "{offset}");
    }
}

#[test]
fn a_block_is_seen_once_it_is_committed() {
    let (mut write, read) = maps(1);
    let (commit, body) = write.block(128, 2).unwrap();
    *body.first = [1; 7];
    body.rest[0] = [2; 8];
    assert!(matches!(read.block(128), Block::Empty));
    commit.store(7 << 32 | 100, Ordering::Release);
    let Block::Cells(cells) = read.block(128) else { panic!() };
    assert_eq!(cells.len(), 2);
    assert_eq!(cells, write.cells(128, 2).unwrap());
    assert_eq!((cells[0].0[8], cells[1].0[0], cells[0].0[0]), (1, 2, 100));
    for length in [1, 31, 1025, u64::from(u32::MAX)] {
        let (commit, _) = write.block(128, 2).unwrap();
        commit.store(length, Ordering::Release);
        assert!(matches!(read.block(128), Block::Impossible), "{length}");
    }
    let (commit, _) = write.block(PAGE - 64, 1).unwrap();
    commit.store(65, Ordering::Release);
    assert!(matches!(read.block(PAGE - 64), Block::Impossible), "runs past the map");
}

#[test]
fn faulting_in_changes_nothing() {
    let (mut write, read) = maps(3);
    for page in 0..3 {
        let (commit, body) = write.block(page * PAGE, 1).unwrap();
        *body.first = [page as u64; 7];
        commit.store(64, Ordering::Release);
    }
    let before = write.cells(0, 192).unwrap().to_vec();
    write.touch(10);
    write.prefault().populate(100, usize::MAX).unwrap();
    write.prefault().populate(5 * PAGE, 9 * PAGE).unwrap();
    assert_eq!(write.cells(0, 192).unwrap(), before);
    assert!(matches!(read.block(2 * PAGE), Block::Cells(_)));
}
