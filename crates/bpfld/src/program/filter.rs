//! Attaching as a filter of traffic control, with a priority, as kernels before 6.6 want it.

use super::{ProgramKind, SchedAct, SchedCls, TcxDirection, interface::ToInterface};
use crate::{
    Link, Program, Result,
    link::{
        create::by_netlink,
        filter::{FilterHold, IfTaken, Place},
        handle::Hold,
    },
};

/// Where among the filters of an interface a program goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterOptions {
    place: Place,
    if_taken: IfTaken,
}

impl FilterOptions {
    /// At a priority before those that are there, and a handle, both chosen by the kernel.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At a priority; lower ones run first. 0 leaves it to the kernel.
    #[must_use]
    pub fn priority(mut self, priority: u16) -> Self {
        self.place.priority = priority;
        self
    }

    /// With a number of its own among the filters of the priority. 0 leaves it to the kernel.
    #[must_use]
    pub fn handle(mut self, handle: u32) -> Self {
        self.place.handle = handle;
        self
    }

    /// In the place of the filter that has priority and handle, if there is one; else it fails then.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.if_taken = IfTaken::Replace;
        self
    }
}

impl SchedCls {
    /// Attaches to an interface, given by name or index: by [`attach_tcx`](Self::attach_tcx) where the kernel has that
    /// (6.6), else by [`attach_filter`](Self::attach_filter).
    ///
    /// # Errors
    ///
    /// As those two.
    pub fn attach(&self, interface: impl ToInterface, direction: TcxDirection) -> Result<Link> {
        let interface = interface.interface()?;
        match self.attach_tcx(&interface, direction) {
            // What kernels say that do not know such links.
            Err(error) if error.errno() == Some(bpfld_sys::Errno::EINVAL) => self
                .attach_filter(interface, direction, FilterOptions::new())
                .map_err(|_| error),
            attached => attached,
        }
    }

    /// Attaches to an interface, given by name or index, as a filter of traffic control in direct-action mode (4.5): what
    /// it returns is what becomes of the packet.
    ///
    /// The interface gets the queueing discipline `clsact` if it has none. Dropping the link removes the filter, unless
    /// others have replaced it, and the queueing discipline if it was made for it and has no other filters.
    /// [`Link::filter_place`] tells priority and handle.
    ///
    /// ```no_run
    /// use bpfld::{FilterOptions, SchedCls, TcxDirection};
    ///
    /// # fn example(count: SchedCls) -> Result<(), bpfld::Error> {
    /// let link = count.attach_filter("eth0", TcxDirection::Egress, FilterOptions::new().priority(10))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace; EEXIST when there is a filter of the priority and handle;
    /// EPERM without CAP_NET_ADMIN.
    pub fn attach_filter(
        &self,
        interface: impl ToInterface,
        direction: TcxDirection,
        options: FilterOptions,
    ) -> Result<Link> {
        attach_filter(self.program(), interface, direction, options)
    }
}

impl SchedAct {
    /// Attaches to an interface, given by name or index, as the action of a filter of traffic control that takes every packet (4.1):
    /// what it returns is what becomes of the packet; with `TC_ACT_UNSPEC` (-1) the next filter decides.
    ///
    /// There is as much of it as of [`SchedCls::attach_filter`], and it goes like that. What a `SchedAct` does a [`SchedCls`] can do with less;
    /// this is for programs that others have written.
    ///
    /// ```no_run
    /// use bpfld::{FilterOptions, SchedAct, TcxDirection};
    ///
    /// # fn example(mark: SchedAct) -> Result<(), bpfld::Error> {
    /// let link = mark.attach("eth0", TcxDirection::Ingress, FilterOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`SchedCls::attach_filter`]; ENOENT on a kernel that is built without `CONFIG_NET_ACT_BPF`.
    pub fn attach(
        &self,
        interface: impl ToInterface,
        direction: TcxDirection,
        options: FilterOptions,
    ) -> Result<Link> {
        attach_filter(self.program(), interface, direction, options)
    }
}

fn attach_filter(
    program: &Program,
    interface: impl ToInterface,
    direction: TcxDirection,
    options: FilterOptions,
) -> Result<Link> {
    let interface = interface.interface()?;
    let FilterOptions { place, if_taken } = options;
    by_netlink(program, format!("{direction} filters of {interface}"), || {
        FilterHold::attach(program, interface.index(), direction, place, if_taken).map(Hold::Filter)
    })
}
