//! Where in a row of programs a new one goes.

use crate::{Link, Program};

/// Where among the programs that are attached to the same place a new one goes.
///
/// Interfaces have rows of programs since 6.6 (tcx) and 6.7 (netkit), cgroups since 6.17. By default a program goes to
/// the end.
///
/// ```no_run
/// use bpfld::{Link, Order, SchedCls, TcxDirection};
///
/// # fn example(count: &SchedCls, filter: &Link) -> Result<(), bpfld::Error> {
/// let link = count.attach_tcx_at("eth0", TcxDirection::Ingress, Order::before(filter))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Order<'a> {
    pub(crate) side: Side,
    pub(crate) neighbour: Option<Neighbour<'a>>,
    pub(crate) revision: Option<u64>,
    pub(crate) preorder: bool,
}

/// On which side of its neighbour, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Side {
    #[default]
    Unsaid,
    Before,
    After,
}

/// A program that is attached already, by its handle, its link or an id.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Neighbour<'a> {
    /// The program.
    Program(&'a Program),
    /// The link that holds it.
    Link(&'a Link),
    /// Id of the program.
    ProgramId(u32),
    /// Id of the link that holds it.
    LinkId(u32),
}

impl<'a> Order<'a> {
    /// Before all others.
    #[must_use]
    pub fn first() -> Self {
        Order {
            side: Side::Before,
            ..Order::default()
        }
    }

    /// After all others.
    #[must_use]
    pub fn last() -> Self {
        Order {
            side: Side::After,
            ..Order::default()
        }
    }

    /// Right before a program that is attached already.
    #[must_use]
    pub fn before(neighbour: impl Into<Neighbour<'a>>) -> Self {
        Order {
            side: Side::Before,
            neighbour: Some(neighbour.into()),
            ..Order::default()
        }
    }

    /// Right after a program that is attached already.
    #[must_use]
    pub fn after(neighbour: impl Into<Neighbour<'a>>) -> Self {
        Order {
            side: Side::After,
            neighbour: Some(neighbour.into()),
            ..Order::default()
        }
    }

    /// Only if the row has this revision, that is, nobody changed it since it was looked at (else ESTALE).
    #[must_use]
    pub fn revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// For cgroups: to run before the programs of the cgroups below, where others run after them (6.15).
    #[must_use]
    pub fn preorder(mut self) -> Self {
        self.preorder = true;
        self
    }

    /// Whether anything is said that only newer kernels understand.
    pub(crate) fn is_default(&self) -> bool {
        let Order {
            side,
            neighbour,
            revision,
            preorder,
        } = self;
        *side == Side::Unsaid && neighbour.is_none() && revision.is_none() && !preorder
    }
}

impl<'a> From<&'a Program> for Neighbour<'a> {
    fn from(program: &'a Program) -> Self {
        Neighbour::Program(program)
    }
}

impl<'a> From<&'a Link> for Neighbour<'a> {
    fn from(link: &'a Link) -> Self {
        Neighbour::Link(link)
    }
}
