//! Huge pages under what the machine remembers.
//!
//! A machine allocates its books and tables when it is made, in pages of 4 KiB. With a million live orders these are more
//! pages than the processor keeps translations of, and nearly every look into a book then walks the page table too. So,
//! once, before a run begins, the process's own anonymous memory is gathered into pages of 2 MiB ([`gather`]); nothing
//! that lies in it changes.
//!
//! `MADV_COLLAPSE` (Linux 6.1) does that at once and whatever the system's setting of transparent huge pages is.
//! `MADV_HUGEPAGE` stays in force where the memory grows later, if that setting is `madvise` or `always`. Where the kernel
//! knows neither, everything works as before, only slower.

use std::io;

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// What [`gather`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Bytes that now lie in huge pages, or did so before.
    pub huge: usize,
    /// Bytes that the kernel left as they were: no memory to be had in one piece, nothing in them, or a kernel before 6.1.
    pub left: usize,
}

/// Gathers the process's anonymous memory into huge pages, as far as the kernel can. Takes about 0.5 ms for each page that
/// was not huge before: for setting up, never on a running hot path.
///
/// # Errors
/// Where the list of the process's memory cannot be read.
pub fn gather() -> io::Result<Gathered> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut gathered = Gathered::default();
    for (start, end) in maps.lines().filter_map(anonymous) {
        let (start, end) = (start.next_multiple_of(HUGE), end - end % HUGE);
        for page in (start..end).step_by(HUGE) {
            *(if collapse(page) { &mut gathered.huge } else { &mut gathered.left }) += HUGE;
        }
    }
    Ok(gathered)
}

/// Where a line of `/proc/self/maps` (proc(5)) names private, writable memory without a file: heap and reserved tables,
/// stacks not.
fn anonymous(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, rights, _offset, _device, inode) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if rights != "rw-p" || inode != "0" || !matches!(fields.next(), None | Some("[heap]")) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Makes the 2 MiB at `page` one page. Returns whether they are.
fn collapse(page: usize) -> bool {
    let advise = |advice| {
        // SAFETY: both advices keep content and rights of memory as they are, whosever it is and whatever happens to it
        // meanwhile; where nothing is mapped the kernel refuses. No memory is read or written here.
        unsafe { libc::madvise(std::ptr::without_provenance_mut(page), HUGE, advice) == 0 }
    };
    advise(libc::MADV_HUGEPAGE) && advise(libc::MADV_COLLAPSE)
}

#[cfg(test)]
mod tests;
