//! The tables: what there is, what it is called, and since when. Each file tells its own form at its head.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

const VOCABULARIES: &str = include_str!("vocabularies.txt");
const FLAGS: &str = include_str!("flags.txt");
const STRUCTS: &str = include_str!("structs.txt");

/// A kernel release: two numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub(super) u8, pub(super) u8);

impl Release {
    fn parse(text: &str) -> Result<Self> {
        let (major, minor) = text
            .split_once('.')
            .with_context(|| format!("`{text}` is no release"))?;
        Ok(Self(major.parse()?, minor.parse()?))
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// An enumeration that becomes an open newtype.
pub(super) struct Vocabulary {
    pub(super) name: &'static str,
    pub(super) enumeration: &'static str,
    pub(super) prefix: &'static str,
    pub(super) doc: &'static str,
    pub(super) ignored: Vec<&'static str>,
    pub(super) members: BTreeMap<&'static str, VocabularyMember>,
}

pub(super) struct VocabularyMember {
    /// Nothing: not a usable value.
    pub(super) since: Option<Release>,
    pub(super) doc: &'static str,
    /// The member that this one is another spelling of.
    pub(super) same_as: Option<&'static str>,
}

/// A set of flags.
pub(super) struct FlagSet {
    pub(super) name: &'static str,
    pub(super) int: &'static str,
    pub(super) prefix: &'static str,
    pub(super) source: FlagSource,
    pub(super) doc: &'static str,
    pub(super) ignored: Vec<&'static str>,
    pub(super) members: Vec<FlagMember>,
}

/// Where the values of flags come from.
pub(super) enum FlagSource {
    /// An enumeration, found by its first member.
    Enumeration,
    /// The table itself: the kernel has macros only.
    Macro,
    /// The bit fields of a structure.
    Bits(&'static str),
}

pub(super) struct FlagMember {
    pub(super) since: Release,
    pub(super) name: &'static str,
    /// The value, for macros.
    pub(super) value: Option<u64>,
    pub(super) doc: &'static str,
}

/// A source file of structures.
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) structures: Vec<Structure>,
}

/// A structure: which part of which kernel structure.
pub(super) struct Structure {
    pub(super) name: &'static str,
    pub(super) since: Release,
    pub(super) root: &'static str,
    pub(super) path: Vec<&'static str>,
    pub(super) pick: Vec<&'static str>,
    pub(super) until: Option<&'static str>,
    pub(super) alias: Option<&'static str>,
    pub(super) doc: &'static str,
    fields: BTreeMap<&'static str, Field>,
}

/// What the tables say of a field.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) since: Release,
    pub(super) name: &'static str,
    pub(super) ty: &'static str,
    pub(super) doc: &'static str,
}

impl Structure {
    /// What is said of the field `name` of the nested structure `parent`.
    pub(super) fn field(&self, parent: &str, name: &str) -> Option<Field> {
        self.fields
            .get(format!("{parent}.{name}").as_str())
            .or_else(|| self.fields.get(name))
            .copied()
    }
}

pub(super) struct Tables {
    pub(super) vocabularies: Vec<Vocabulary>,
    pub(super) flags: Vec<FlagSet>,
    pub(super) modules: Vec<Module>,
    /// What is said of fields by name, wherever they are.
    pub(super) fields: BTreeMap<&'static str, Field>,
}

impl Tables {
    pub(super) fn read() -> Result<Self> {
        let mut tables = Self {
            vocabularies: vocabularies()?,
            flags: flags()?,
            modules: Vec::new(),
            fields: BTreeMap::new(),
        };
        tables.structs()?;
        Ok(tables)
    }

    /// The integer that a newtype of ours holds.
    pub(super) fn newtype(&self, name: &str) -> Option<&'static str> {
        let is_vocabulary = self.vocabularies.iter().any(|vocabulary| vocabulary.name == name);
        if is_vocabulary {
            return Some("u32");
        }
        self.flags
            .iter()
            .find(|flags| flags.name == name)
            .map(|flags| flags.int)
    }

    fn structs(&mut self) -> Result<()> {
        let mut common = false;
        for (number, line) in lines(STRUCTS) {
            let result = if line == "fields" {
                common = true;
                Ok(())
            } else if common {
                field(line).and_then(|(name, field)| {
                    ensure!(
                        self.fields.insert(name, field).is_none(),
                        "`{name}` stands there twice"
                    );
                    Ok(())
                })
            } else {
                self.structs_line(line)
            };
            result.with_context(|| format!("structs.txt line {number}: {line}"))?;
        }
        Ok(())
    }

    fn structs_line(&mut self, line: &'static str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("module ") {
            let (name, doc) = rest.split_once(": ").context("no sentence")?;
            self.modules.push(Module {
                name,
                doc,
                structures: Vec::new(),
            });
            return Ok(());
        }
        let module = self.modules.last_mut().context("outside of a module")?;
        if let Some(rest) = line.strip_prefix("struct ") {
            module.structures.push(structure(rest)?);
            return Ok(());
        }
        let structure = module.structures.last_mut().context("outside of a structure")?;
        let (name, field) = field(line.trim_start())?;
        ensure!(
            structure.fields.insert(name, field).is_none(),
            "`{name}` stands there twice"
        );
        Ok(())
    }
}

/// The lines that are not empty or comments, with their numbers.
fn lines(text: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// `NAME RELEASE SOURCE[/PART...] [pick=a,b] [until=field] [alias=NAME]: sentence`
fn structure(text: &'static str) -> Result<Structure> {
    let (head, doc) = text.split_once(": ").context("no sentence")?;
    let mut words = head.split(' ');
    let mut word = || words.next().context("too short");
    let (name, since, source) = (word()?, Release::parse(word()?)?, word()?);
    let mut parts = source.split('/');
    let root = parts.next().context("no source")?;
    let mut structure = Structure {
        name,
        since,
        root,
        path: parts.collect(),
        pick: Vec::new(),
        until: None,
        alias: None,
        doc,
        fields: BTreeMap::new(),
    };
    for option in words {
        match option.split_once('=') {
            Some(("pick", names)) => structure.pick = names.split(',').collect(),
            Some(("until", name)) => structure.until = Some(name),
            Some(("alias", name)) => structure.alias = Some(name),
            _ => bail!("`{option}` is no option"),
        }
    }
    Ok(structure)
}

/// `RELEASE FIELD[=NAME] TYPE sentence`; an array type has one space in it.
fn field(text: &'static str) -> Result<(&'static str, Field)> {
    let (since, rest) = text.split_once(' ').context("too short")?;
    let (name, rest) = rest.split_once(' ').context("no type")?;
    let end = match rest.strip_prefix('[') {
        Some(_) => rest.find(']').context("no end of the array type")? + 1,
        None => rest.find(' ').context("no sentence")?,
    };
    let (ty, doc) = rest.split_at(end);
    let (name, new_name) = name.split_once('=').unwrap_or((name, name));
    Ok((
        name,
        Field {
            since: Release::parse(since)?,
            name: new_name,
            ty,
            doc: doc.trim_start(),
        },
    ))
}

fn vocabularies() -> Result<Vec<Vocabulary>> {
    let mut all: Vec<Vocabulary> = Vec::new();
    for (number, line) in lines(VOCABULARIES) {
        vocabulary_line(&mut all, line).with_context(|| format!("vocabularies.txt line {number}: {line}"))?;
    }
    Ok(all)
}

fn vocabulary_line(all: &mut Vec<Vocabulary>, line: &'static str) -> Result<()> {
    if let Some(rest) = line.strip_prefix("vocabulary ") {
        let (head, doc) = rest.split_once(": ").context("no sentence")?;
        let [name, enumeration, prefix] = head.split(' ').collect::<Vec<_>>()[..] else {
            bail!("wants three words")
        };
        let (ignored, members) = (Vec::new(), BTreeMap::new());
        all.push(Vocabulary {
            name,
            enumeration,
            prefix,
            doc,
            ignored,
            members,
        });
        return Ok(());
    }
    let vocabulary = all.last_mut().context("outside of a vocabulary")?;
    if let Some(names) = line.strip_prefix("ignore ") {
        vocabulary.ignored.extend(names.split(' '));
        return Ok(());
    }
    let (since, rest) = line.split_once(' ').context("too short")?;
    let (name, doc) = rest.split_once(' ').context("no sentence")?;
    let since = if since == "-" {
        None
    } else {
        Some(Release::parse(since)?)
    };
    let (doc, same_as) = match doc.split_once(" = ") {
        Some((doc, other)) => (doc, Some(other)),
        None => (doc, None),
    };
    let member = VocabularyMember { since, doc, same_as };
    ensure!(
        vocabulary.members.insert(name, member).is_none(),
        "`{name}` stands there twice"
    );
    Ok(())
}

fn flags() -> Result<Vec<FlagSet>> {
    let mut all: Vec<FlagSet> = Vec::new();
    for (number, line) in lines(FLAGS) {
        flags_line(&mut all, line).with_context(|| format!("flags.txt line {number}: {line}"))?;
    }
    Ok(all)
}

fn flags_line(all: &mut Vec<FlagSet>, line: &'static str) -> Result<()> {
    if let Some(rest) = line.strip_prefix("flags ") {
        let (head, doc) = rest.split_once(": ").context("no sentence")?;
        let [name, int, prefix, source] = head.split(' ').collect::<Vec<_>>()[..] else {
            bail!("wants four words")
        };
        let source = match source {
            "enum" => FlagSource::Enumeration,
            "macro" => FlagSource::Macro,
            other => FlagSource::Bits(other.strip_prefix("bits:").context("no known source")?),
        };
        all.push(FlagSet {
            name,
            int,
            prefix,
            source,
            doc,
            ignored: Vec::new(),
            members: Vec::new(),
        });
        return Ok(());
    }
    let set = all.last_mut().context("outside of a set of flags")?;
    if let Some(names) = line.strip_prefix("ignore ") {
        set.ignored.extend(names.split(' '));
        return Ok(());
    }
    let (since, rest) = line.split_once(' ').context("too short")?;
    let (name, doc) = rest.split_once(' ').context("no sentence")?;
    let (value, doc) = match doc.strip_prefix("= 1 << ") {
        Some(rest) => {
            let (bit, doc) = rest.split_once(' ').context("no sentence")?;
            (
                Some(1u64.checked_shl(bit.parse()?).context("bit out of range")?),
                doc,
            )
        }
        None => (None, doc),
    };
    ensure!(
        value.is_some() == matches!(set.source, FlagSource::Macro),
        "a value is for macros, and only for them"
    );
    set.members.push(FlagMember {
        since: Release::parse(since)?,
        name,
        value,
        doc,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tables;

    #[test]
    fn tables_are_in_order() {
        let tables = Tables::read().unwrap();
        for vocabulary in &tables.vocabularies {
            for member in vocabulary.members.values() {
                assert!(member.doc.ends_with('.'), "{}: {}", vocabulary.name, member.doc);
                assert!(
                    member
                        .same_as
                        .is_none_or(|other| vocabulary.members.contains_key(other))
                );
            }
        }
        for field in tables.fields.values() {
            assert!(field.doc.ends_with('.'), "{}", field.doc);
        }
    }
}
