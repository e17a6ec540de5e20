//! Small file systems in a mount namespace of one's own.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What asks a file system to stop at once, as at a loss of power: `_IOR('X', 125, __u32)`, the same for ext4 and XFS
/// (`FS_IOC_SHUTDOWN`; xfstests' `src/godown.c`).
const FS_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587D;
/// Without writing out its log: what is not on the disk yet never gets there.
const NO_LOG_FLUSH: u32 = 2;

/// Runs `test` on a thread with a mount namespace of its own, which its child processes share and which ends with them.
pub fn with_mounts(test: impl FnOnce() + Send) {
    let allowed = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: a system call on numbers; it moves this thread, and what it starts, to a copy of the mounts.
            let moved = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
            let allowed = moved && run("mount", &["--make-rprivate", "/"]);
            if allowed {
                test();
            }
            allowed
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    if !allowed {
        println!("skipped: this user may not mount file systems ({})", io::Error::last_os_error());
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).status().is_ok_and(|status| status.success())
}

/// Mounts a file system in RAM of `mib` MiB at `path`.
pub fn mount_ram(path: &Path, mib: u32) {
    std::fs::create_dir_all(path).expect("a mount point");
    let size = format!("size={mib}m");
    assert!(run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &path.display().to_string()]), "mount tmpfs");
}

/// Mounts what is at `path` anew, so that nothing can be written.
pub fn make_read_only(path: &Path) {
    assert!(run("mount", &["-o", "remount,ro", &path.display().to_string()]), "remount read-only");
}

/// Lets the kernel name another boot to this thread and what it starts, as after the machine went down; `file` is where
/// the name is kept.
pub fn boot_anew(file: &Path) {
    std::fs::write(file, "b0b0b0b0-b0b0-4b0b-8b0b-b0b0b0b0b0b0\n").expect("a file");
    let file = file.display().to_string();
    assert!(
        run("mount", &["--bind", &file, "/proc/sys/kernel/random/boot_id"]),
        "mount over the boot's name"
    );
}

/// An ext4 file system on a loop device.
pub struct Disk {
    image: PathBuf,
    path: PathBuf,
}

/// A file system in which every write waits until this is dropped.
pub struct Frozen {
    path: String,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        assert!(run("fsfreeze", &["--unfreeze", &self.path]), "thaw");
    }
}

impl Disk {
    /// Lets every write wait. `None` where that cannot be done.
    pub fn freeze(&self) -> Option<Frozen> {
        let path = self.path.display().to_string();
        run("fsfreeze", &["--freeze", &path]).then_some(Frozen { path })
    }

    /// Makes one of 128 MiB at `path` and mounts it. `None` where the machine has no loop devices or no mkfs.
    pub fn make(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a mount point");
        let disk = Self { image: path.with_extension("image"), path: path.to_path_buf() };
        let file = std::fs::File::create(&disk.image).expect("an image");
        file.set_len(128 << 20).expect("a sparse file");
        let image = disk.image.display().to_string();
        let made = run("mkfs.ext4", &["-q", "-E", "lazy_itable_init=0", &image]);
        (made && disk.try_mount()).then_some(disk)
    }

    fn try_mount(&self) -> bool {
        let (image, path) = (self.image.display().to_string(), self.path.display().to_string());
        run("mount", &["-o", "loop", &image, &path])
    }

    /// The disk fails and the power goes: every later write is an I/O error, and what is in the page cache is lost.
    pub fn fail(&self) {
        let dir = std::fs::File::open(&self.path).expect("the mount point");
        let flags = NO_LOG_FLUSH;
        // SAFETY: the descriptor is open and the number lives through the call, which reads it.
        let failed = unsafe { libc::ioctl(dir.as_raw_fd(), FS_IOC_SHUTDOWN, &raw const flags) };
        assert_eq!(failed, 0, "shutdown: {}", io::Error::last_os_error());
    }

    /// The power is back: what the disk has, with the file system's own recovery.
    pub fn mount_again(&self) {
        assert!(run("umount", &[&self.path.display().to_string()]), "umount");
        assert!(self.try_mount(), "mount");
    }
}
