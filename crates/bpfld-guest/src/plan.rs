//! What the first process of a guest is to do, as a file in the guest: lines of a word and a value.

use std::{path::PathBuf, time::Duration};

use crate::{Error, Result};

/// Where the plan lies in the guest.
pub(crate) const PLAN: &str = "/guest/plan";
/// Where modules lie in the guest.
pub(crate) const MODULES: &str = "/guest/modules";

/// A program to run in a guest, as root.
///
/// ```
/// let program = bpfld_guest::Program::new("/tests/kernel")
///     .arg("--test-threads=2")
///     .env("RUST_BACKTRACE", "1")
///     .limit(std::time::Duration::from_secs(60));
/// # let _ = program;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) limit: Duration,
}

impl Program {
    /// The program at a path of the guest, which must be linked statically or find its libraries there.
    pub fn new(path: impl Into<PathBuf>) -> Program {
        Program {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            files: Vec::new(),
            limit: Duration::from_secs(300),
        }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Program {
        self.arguments.push(argument.into());
        self
    }

    /// Several more arguments.
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Program {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable in its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Program {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The directory it starts in; `/` unless set.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Program {
        self.directory = Some(directory.into());
        self
    }

    /// A file that it may leave, to be brought back: [`ProgramRun::files`](crate::ProgramRun::files).
    pub fn bring_back(mut self, path: impl Into<PathBuf>) -> Program {
        self.files.push(path.into());
        self
    }

    /// How long it may take before it is killed, with all it started; 5 minutes unless set.
    pub fn limit(mut self, limit: Duration) -> Program {
        self.limit = limit;
        self
    }
}

/// All that the first process must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The device for frames.
    pub(crate) results: String,
    pub(crate) programs: Vec<Program>,
    /// A shell at the end, on the console.
    pub(crate) shell: bool,
}

impl Plan {
    /// The text of the file.
    pub(crate) fn text(&self) -> Result<String> {
        let mut lines = vec![("results", self.results.clone())];
        for program in &self.programs {
            let Program {
                path,
                arguments,
                environment,
                directory,
                files,
                limit,
            } = program;
            lines.push(("run", path.display().to_string()));
            lines.extend(arguments.iter().map(|argument| ("arg", argument.clone())));
            lines.extend(
                environment
                    .iter()
                    .map(|(name, value)| ("env", format!("{name}={value}"))),
            );
            lines.extend(
                directory
                    .iter()
                    .map(|directory| ("directory", directory.display().to_string())),
            );
            lines.extend(files.iter().map(|file| ("file", file.display().to_string())));
            lines.push(("limit", limit.as_secs().max(1).to_string()));
        }
        if self.shell {
            lines.push(("shell", String::new()));
        }
        let mut text = String::new();
        for (word, value) in lines {
            if value.contains('\n') {
                return Err(Error::BadPlan(format!(
                    "a guest cannot be told {value:?}: it has more than one line"
                )));
            }
            text += &format!("{word} {value}\n");
        }
        Ok(text)
    }

    /// Reads what [`text`](Self::text) wrote.
    pub(crate) fn parse(text: &str) -> Option<Plan> {
        let mut plan = Plan::default();
        for line in text.lines() {
            let (word, value) = line.split_once(' ')?;
            let value = value.to_owned();
            match (word, plan.programs.last_mut()) {
                ("results", _) => plan.results = value,
                ("shell", _) => plan.shell = true,
                ("run", _) => plan.programs.push(Program::new(value)),
                ("arg", Some(program)) => program.arguments.push(value),
                ("env", Some(program)) => {
                    let (name, value) = value.split_once('=')?;
                    program.environment.push((name.to_owned(), value.to_owned()));
                }
                ("directory", Some(program)) => program.directory = Some(value.into()),
                ("file", Some(program)) => program.files.push(value.into()),
                ("limit", Some(program)) => program.limit = Duration::from_secs(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_arrive_as_they_were_sent() {
        let program = Program::new("/t/a b")
            .args(["", "x=y z", "--flag"])
            .env("A", "b=c")
            .current_dir("/tmp")
            .bring_back("/tmp/account")
            .limit(Duration::from_secs(7));
        let plan = Plan {
            results: "/dev/ttyS1".to_owned(),
            programs: vec![program, Program::new("/t/second")],
            shell: true,
        };
        assert_eq!(Plan::parse(&plan.text().unwrap()), Some(plan));
        assert_eq!(Plan::parse("arg without a program\n"), None);
        let plan = Plan {
            programs: vec![Program::new("/t").arg("two\nlines")],
            ..Plan::default()
        };
        assert!(plan.text().is_err());
    }
}
