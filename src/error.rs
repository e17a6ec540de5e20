//! The one error of the impure package: what went wrong, where, and the mend, in a sentence for the terminal.

use std::path::PathBuf;

use crate::config::problems::Problem;
use crate::journal::JournalError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{path}{}: {message}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Config {
        /// The file, or what stands for it.
        path: String,
        /// The line, counted from 1, where it is known.
        line: Option<usize>,
        /// What is wrong and the mend.
        message: String,
    },
    /// Several things of a configuration cannot be used.
    #[error("{}", problems_text(.path, .problems))]
    Problems {
        /// The file, or what stands for it.
        path: String,
        /// Each with its place.
        problems: Vec<Problem>,
    },
    /// A file or directory cannot be used.
    #[error("{path}: {source}; {mend}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        mend: &'static str,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A transport cannot be set up.
    #[error(transparent)]
    Io(#[from] crate::io::IoError),
    /// The simulated exchange cannot run.
    #[error(transparent)]
    Sim(#[from] crate::sim::SimError),
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// A thread of the pipeline failed; the journal was sealed.
    #[error("{0}")]
    Failed(String),
    /// A replay differs from its journal.
    #[error("{0}")]
    Diverged(String),
}

impl Error {
    /// The documented exit code: 1 the work found a fault (damage, divergence, failure), 2 unusable input.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Diverged(_) | Self::Journal(JournalError::Damaged(_)) => 1,
            Self::Config { .. }
            | Self::Problems { .. }
            | Self::File { .. }
            | Self::Journal(_)
            | Self::Io(_)
            | Self::Sim(_)
            | Self::Usage(_) => 2,
        }
    }
}

/// One after the other, each with its place in `path`.
fn problems_text(path: &str, problems: &[Problem]) -> String {
    let place = |problem: &Problem| match problem.line {
        0 => path.to_owned(),
        line => format!("{path}:{line}:{}", problem.column),
    };
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{}: {problem}", place(problem))).collect();
    match lines.as_slice() {
        [only] => only.clone(),
        all => format!("{path}: {} problems\n\n{}", all.len(), all.join("\n\n")),
    }
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Error>;
