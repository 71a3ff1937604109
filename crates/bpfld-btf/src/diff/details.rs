//! How two types of one name differ, and that in words.

use alloc::{borrow::ToOwned, vec::Vec};
use core::fmt;

use hashbrown::HashMap;

use super::{Change, Described, Detail, Place};

pub(super) fn details(old: &Described, new: &Described) -> Vec<Detail> {
    let mut details = Vec::new();
    if let (Some(old), Some(new)) = (old.size, new.size)
        && old != new
    {
        details.push(Detail::Size { old, new });
    }
    if let (Some(old), Some(new)) = (&old.type_name, &new.type_name)
        && old != new
    {
        details.push(Detail::Type {
            old: old.clone(),
            new: new.clone(),
        });
    }
    if old.signed != new.signed {
        details.push(Detail::Sign { signed: new.signed });
    }
    pair(
        &old.members,
        &new.members,
        |place| &place.name,
        |pair| {
            details.push(match pair {
                Pair::Both(old, new) => Detail::MemberChanged {
                    old: old.clone(),
                    new: new.clone(),
                },
                Pair::Old(old) => Detail::MemberRemoved(old.clone()),
                Pair::New(new) => Detail::MemberAdded(new.clone()),
            });
        },
    );
    pair(
        &old.values,
        &new.values,
        |(name, _)| name,
        |pair| {
            details.push(match pair {
                Pair::Both((name, old), (_, new)) => Detail::ValueChanged {
                    name: name.to_owned(),
                    old: *old,
                    new: *new,
                },
                Pair::Old((name, value)) => Detail::ValueRemoved {
                    name: name.to_owned(),
                    value: *value,
                },
                Pair::New((name, value)) => Detail::ValueAdded {
                    name: name.to_owned(),
                    value: *value,
                },
            });
        },
    );
    details
}

/// What bears one name, before and after.
enum Pair<'a, T> {
    Both(&'a T, &'a T),
    Old(&'a T),
    New(&'a T),
}

/// Pairs parts by name and order, and reports those that differ: first what was, then what is new.
fn pair<'a, T: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    name: impl Fn(&'a T) -> &'a str,
    mut report: impl FnMut(Pair<'a, T>),
) {
    let mut others: HashMap<&str, Vec<&T>> = HashMap::new();
    for part in new.iter().rev() {
        others.entry(name(part)).or_default().push(part);
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for part in old {
        *counts.entry(name(part)).or_default() += 1;
        match others.get_mut(name(part)).and_then(Vec::pop) {
            Some(other) if other == part => {}
            Some(other) => report(Pair::Both(part, other)),
            None => report(Pair::Old(part)),
        }
    }
    for part in new {
        // As many of a name as there were before have found their partners.
        match counts.get_mut(name(part)).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => report(Pair::New(part)),
        }
    }
}

/// A place in bytes, and bits if it is not at a byte.
struct At(u64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 8 {
            0 => write!(f, "byte {}", self.0 / 8),
            bit => write!(f, "byte {} bit {bit}", self.0 / 8),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            bit_offset,
            bits,
            type_name,
        } = self;
        let name = if name.is_empty() { "(unnamed)" } else { name };
        write!(f, "{name}: {type_name}")?;
        if *bits != 0 {
            write!(f, " of {bits} bits")?;
        }
        write!(f, " at {}", At(*bit_offset))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { old, new } => write!(f, "size from {old} to {new} bytes"),
            Self::Type { old, new } => write!(f, "was {old}, is {new}"),
            Self::Sign { signed: true } => write!(f, "is signed now"),
            Self::Sign { signed: false } => write!(f, "is no longer signed"),
            Self::MemberAdded(place) => write!(f, "member added: {place}"),
            Self::MemberRemoved(place) => write!(f, "member removed: {place}"),
            Self::MemberChanged { old, new } => {
                let name = if old.name.is_empty() {
                    "(unnamed)"
                } else {
                    &old.name
                };
                write!(f, "member {name}")?;
                let mut word = " ";
                if old.bit_offset != new.bit_offset {
                    write!(f, " moved from {} to {}", At(old.bit_offset), At(new.bit_offset))?;
                    word = ", ";
                }
                if old.bits != new.bits {
                    write!(f, "{word}width from {} to {} bits", old.bits, new.bits)?;
                    word = ", ";
                }
                if old.type_name != new.type_name {
                    write!(f, "{word}was {}, is {}", old.type_name, new.type_name)?;
                }
                Ok(())
            }
            Self::ValueAdded { name, value } => write!(f, "value added: {name} = {value}"),
            Self::ValueRemoved { name, value } => write!(f, "value removed: {name} = {value}"),
            Self::ValueChanged { name, old, new } => write!(f, "value {name} from {old} to {new}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name().unwrap_or("type");
        kind.chars()
            .try_for_each(|c| fmt::Write::write_char(f, c.to_ascii_lowercase()))?;
        let what = match (self.old, self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        write!(f, " {} {what}", self.name)?;
        self.details
            .iter()
            .try_for_each(|detail| write!(f, "\n  {detail}"))
    }
}
