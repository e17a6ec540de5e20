//! The one error of the impure package: what went wrong, where, and the mend, in a sentence for the terminal.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::config::problems::Problem;
use crate::journal::{JournalError, help_of};
use crate::sim::SimError;

/// What errors of standard output call it.
pub const STDOUT: &str = "standard output";

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
            // The work was done, and could not be written down.
            Self::File { path, .. } if path.as_os_str() == STDOUT => 1,
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

impl Error {
    /// Everything about it as one JSON object: the sentence, where, what helps, and the exit code. What is not known apart
    /// from the sentence is null.
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "message": self.to_string(),
            "place": self.place(),
            "help": self.help(),
            "exit": self.exit_code(),
        });
        if let (Self::Problems { path, problems }, Some(fields)) = (self, object.as_object_mut()) {
            if problems.len() > 1 {
                fields.insert("message".to_owned(), json!(format!("{path}: {} problems", problems.len())));
            }
            fields.insert("problems".to_owned(), json!(self.problems()));
        }
        object
    }

    /// Everything that is wrong with a configuration, each by its line and column.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Problems { problems, .. } => problems.clone(),
            Self::Config { line, message, .. } => vec![Problem::at(*line, message.clone())],
            other => vec![Problem::at(None, other.to_string())],
        }
    }

    /// The file, directory, address or flag that it is about.
    fn place(&self) -> Option<Value> {
        match self {
            Self::Config { path, line, .. } => Some(json!({ "file": path, "line": line })),
            Self::Problems { path, problems } => match problems.as_slice() {
                [only] if only.line > 0 => {
                    Some(json!({ "file": path, "line": only.line, "column": only.column }))
                }
                _ => Some(json!({ "file": path })),
            },
            Self::File { path, .. } => Some(json!({ "file": path.display().to_string() })),
            Self::Journal(error) => error.place(),
            Self::Io(error) | Self::Sim(SimError::Io(error)) => Some(error.place()),
            Self::Sim(SimError::Flag { flag, .. }) => Some(json!({ "argument": format!("--{flag}") })),
            Self::Sim(SimError::Write { path, .. }) => Some(json!({ "file": path.display().to_string() })),
            Self::Sim(_) | Self::Usage(_) | Self::Failed(_) | Self::Diverged(_) => None,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::File { mend, .. } => Some((*mend).to_owned()),
            Self::Journal(error) => error.help(),
            Self::Io(error) | Self::Sim(SimError::Io(error)) => Some(error.help().to_owned()),
            Self::Sim(error) => help_of(&error.to_string()),
            Self::Config { message, .. } | Self::Usage(message) | Self::Failed(message) => help_of(message),
            Self::Problems { problems, .. } => match problems.as_slice() {
                [only] => help_of(&only.message),
                // Each has its own.
                _ => None,
            },
            Self::Diverged(_) => None,
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
