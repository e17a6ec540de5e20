//! Where an export's bytes go: standard output, or a file that has its name only once it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{ExportedFile, Target};
use crate::error::STDOUT;
use crate::journal::error::JournalError;

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;
/// Behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// A file being made. Dropped before [`Self::finish`], it is removed.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
    finished: bool,
}

impl OutputFile {
    /// Begins the file that will be `path`, which must not be there.
    pub(super) fn create(path: &Path) -> Result<Self, JournalError> {
        let mut part = path.as_os_str().to_owned();
        part.push(PART);
        let part = PathBuf::from(part);
        if path.symlink_metadata().is_ok() {
            return Err(JournalError::Exists { path: path.to_path_buf() });
        }
        let file = File::options().write(true).create_new(true).open(&part);
        let file = file.map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => JournalError::Exists { path: part.clone() },
            _ => JournalError::io(&part, "create")(source),
        })?;
        Ok(Self { path: path.to_path_buf(), part, file, finished: false })
    }

    /// The name that it will have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle to write through.
    pub(super) fn handle(&self) -> Result<File, JournalError> {
        self.file.try_clone().map_err(JournalError::io(&self.part, "open"))
    }

    /// Gives the file its name. All that was written through a handle must have been flushed.
    pub(super) fn finish(mut self, records: u64) -> Result<ExportedFile, JournalError> {
        let bytes = self.file.metadata().map_err(JournalError::io(&self.part, "look at"))?.len();
        std::fs::rename(&self.part, &self.path).map_err(JournalError::io(&self.path, "name"))?;
        self.finished = true;
        Ok(ExportedFile { path: self.path.clone(), records, bytes })
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed keeps a name that says that it is a part.
            let _kept = std::fs::remove_file(&self.part);
        }
    }
}

/// Standard output or one file, buffered.
#[derive(Debug)]
pub(super) struct Stream {
    file: Option<OutputFile>,
    name: PathBuf,
    out: BufWriter<Out>,
}

#[derive(Debug)]
enum Out {
    Stdout(std::io::Stdout),
    File(File),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Stream {
    pub(super) fn open(target: &Target) -> Result<Self, JournalError> {
        let (file, out) = match target {
            Target::Stdout => (None, Out::Stdout(std::io::stdout())),
            Target::Path(path) => {
                let file = OutputFile::create(path)?;
                let out = Out::File(file.handle()?);
                (Some(file), out)
            }
        };
        let name = file.as_ref().map_or_else(|| PathBuf::from(STDOUT), |file| file.path().into());
        Ok(Self { file, name, out: BufWriter::with_capacity(BUFFER, out) })
    }

    pub(super) fn finish(mut self, records: u64) -> Result<Option<ExportedFile>, JournalError> {
        self.out.flush().map_err(JournalError::io(&self.name, "write"))?;
        self.file.map(|file| file.finish(records)).transpose()
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
