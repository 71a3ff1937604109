//! Naming one of the system's maps, programs or links: by id, path of a pin, tag or name.

use std::str::FromStr;

use anyhow::Result;
use bpfld::{Errno, Link, Map, Program};

use crate::exit::Usage;

/// What somebody calls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Digits.
    Id(u32),
    /// Something with a slash.
    Pin(String),
    /// `tag:` and sixteen hexadecimal digits; of programs only.
    Tag(String),
    /// Anything else, and everything behind `name:`.
    Name(String),
}

/// The text of `--help` for it.
pub(crate) const HELP: &str = "An id, the path of a pin, or a name (of programs also tag:DIGITS)";

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("name:") {
            return Ok(Selector::Name(name.to_owned()));
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            return Ok(Selector::Tag(tag.to_ascii_lowercase()));
        }
        Ok(match text.strip_prefix("id:").unwrap_or(text).parse() {
            Ok(id) => Selector::Id(id),
            Err(_) if text.contains('/') => Selector::Pin(text.to_owned()),
            Err(_) => Selector::Name(text.to_owned()),
        })
    }
}

impl Selector {
    pub(crate) fn map(&self) -> Result<Map> {
        match self {
            Selector::Id(id) => by_id("map", *id, Map::from_id(*id)),
            Selector::Pin(path) => Ok(Map::open_pinned(path)?),
            Selector::Tag(_) => Err(Usage("maps have no tags".into()).into()),
            Selector::Name(name) => self.one(
                "map",
                Map::all(),
                |map| Ok(kernel_name(map.name()) == kernel_name(name)),
                |map| Ok(map.info()?.id()),
            ),
        }
    }

    pub(crate) fn program(&self) -> Result<Program> {
        let id = |program: &Program| Ok(program.info()?.id());
        match self {
            Selector::Id(id) => by_id("program", *id, Program::from_id(*id)),
            Selector::Pin(path) => Ok(Program::open_pinned(path)?),
            Selector::Tag(tag) => {
                let matches = |program: &Program| Ok(program.info()?.tag().to_string() == *tag);
                self.one("program", Program::all(), matches, id)
            }
            Selector::Name(name) => {
                let matches =
                    |program: &Program| Ok(kernel_name(&program.info()?.name()) == kernel_name(name));
                self.one("program", Program::all(), matches, id)
            }
        }
    }

    pub(crate) fn link(&self) -> Result<Link> {
        match self {
            Selector::Id(id) => by_id("link", *id, Link::from_id(*id)),
            Selector::Pin(path) => Ok(Link::open_pinned(path)?),
            Selector::Tag(_) | Selector::Name(_) => Err(Usage(
                "links have no names: take the id that `bpfld link list` shows, or a pin".into(),
            )
            .into()),
        }
    }

    /// The only one that matches.
    fn one<T>(
        &self,
        what: &str,
        all: impl Iterator<Item = bpfld::Result<T>>,
        matches: impl Fn(&T) -> bpfld::Result<bool>,
        id: impl Fn(&T) -> bpfld::Result<u32>,
    ) -> Result<T> {
        let mut found = Vec::new();
        for item in all {
            let item = item?;
            if matches(&item)? {
                found.push(item);
            }
        }
        let (Selector::Name(text) | Selector::Tag(text) | Selector::Pin(text)) = self else {
            return Err(Usage(format!("which {what}?")).into());
        };
        match found.len() {
            0 => Err(Usage(format!("there is no {what} '{text}'")).into()),
            1 => Ok(found.remove(0)),
            _ => {
                let ids = found.iter().map(|item| id(item).map(|id| id.to_string()));
                let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
                Err(Usage(format!(
                    "there are several {what}s '{text}'; take an id: {}",
                    ids.join(", ")
                ))
                .into())
            }
        }
    }
}

/// What was opened by its id; one that is not there is a mistake in the command line.
pub(crate) fn by_id<T>(what: &str, id: u32, opened: bpfld::Result<T>) -> Result<T> {
    match opened {
        Err(error) if error.errno() == Some(Errno::ENOENT) => {
            Err(Usage(format!("there is no {what} with id {id}")).into())
        }
        opened => Ok(opened?),
    }
}

/// What a kernel keeps of a name: 15 bytes.
fn kernel_name(name: &str) -> &[u8] {
    name.as_bytes().get(..15).unwrap_or(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects() {
        let parse = |text: &str| text.parse::<Selector>().unwrap();
        assert_eq!(parse("17"), Selector::Id(17));
        assert_eq!(parse("id:17"), Selector::Id(17));
        assert_eq!(parse("/sys/fs/bpf/17"), Selector::Pin("/sys/fs/bpf/17".into()));
        assert_eq!(parse("./17"), Selector::Pin("./17".into()));
        assert_eq!(parse("counts"), Selector::Name("counts".into()));
        assert_eq!(parse("name:17"), Selector::Name("17".into()));
        assert_eq!(parse("tag:ABcd"), Selector::Tag("abcd".into()));
    }
}
