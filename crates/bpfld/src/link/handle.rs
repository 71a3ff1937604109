//! The handle of a link, and the kinds of attachment that it hides.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use bpfld_sys::{self as sys, Errno, socket::SocketProgram};

use super::{LinkInfo, command::CommandHold, filter::FilterHold, tunnel::TunnelHold, xdp::XdpHold};
use crate::adaptation::{Adaptation, Measure};
use crate::{
    Error, Map, Program, Result, Subject,
    info::{Kind, check_kind},
    program::{TracefsEvent, UsdtRecords},
};

/// A program attached to something.
///
/// Dropping a link detaches the program, unless the link was [pinned](Link::pin) or [kept](Link::forget) on purpose.
/// Attachments that are no links to the kernel (socket filters; filters of traffic control; routes; perf events before 5.15; XDP before 5.9;
/// cgroups before 5.7) are the same type; what they cannot do says so.
///
/// ```no_run
/// # fn example(link: bpfld::Link) -> Result<(), bpfld::Error> {
/// println!("{link} has id {}", link.info()?.id());
/// let mut link = link;
/// link.pin("/sys/fs/bpf/fw/count")?;
/// drop(link); // still attached
/// bpfld::Link::open_pinned("/sys/fs/bpf/fw/count")?.detach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a link detaches the program"]
pub struct Link {
    pub(super) hold: Hold,
    target: String,
    pins: Vec<PathBuf>,
    /// What the program needs for as long as it is attached; given back when it is not.
    needs: Needs,
    adaptations: Vec<Adaptation>,
}

/// What goes after the program is detached.
#[derive(Debug, Default)]
struct Needs {
    records: Option<UsdtRecords>,
    event: Option<TracefsEvent>,
}

/// What keeps the program attached.
#[derive(Debug)]
pub(crate) enum Hold {
    /// A link in the kernel: detached when the last descriptor and pin are gone.
    Link(OwnedFd),
    /// A perf event with a program set by ioctl: detached when the event is closed.
    PerfEvent(OwnedFd, Program),
    /// A program attached to a cgroup, socket map or device by command: detached by command.
    Command(CommandHold),
    /// XDP put on an interface by netlink.
    Xdp(XdpHold),
    /// A filter of traffic control.
    Filter(FilterHold),
    /// A route with the program on it.
    Tunnel(TunnelHold),
    /// A filter on a socket: taken off by a socket option.
    Socket {
        socket: OwnedFd,
        what: SocketProgram,
        program: Program,
    },
    /// A table of functions that the kernel uses as long as its map has it.
    StructOps(Map),
    /// Several that belong together.
    Many(Vec<Link>),
    /// Nothing any more, or nothing that this handle ends.
    Released,
}

impl Link {
    pub(crate) fn new(hold: Hold, target: impl Into<String>) -> Link {
        Link {
            hold,
            target: target.into(),
            pins: Vec::new(),
            needs: Needs::default(),
            adaptations: Vec::new(),
        }
    }

    /// Puts down what was done because the kernel lacks something.
    pub(crate) fn adapted(mut self, program: &Program, measure: Measure) -> Link {
        self.adaptations.push(Adaptation {
            subject: program.subject(),
            measure,
        });
        self
    }

    /// What was done to attach because this kernel lacks something; empty on a kernel that has what was wanted.
    #[must_use]
    pub fn adaptations(&self) -> Vec<Adaptation> {
        let mut all = self.adaptations.clone();
        if let Hold::Many(links) = &self.hold {
            all.extend(links.iter().flat_map(Link::adaptations));
        }
        all.dedup();
        all
    }

    /// Several that are one for the user. A single one stays what it is for the kernel.
    pub(crate) fn of_many(mut links: Vec<Link>, target: String) -> Link {
        match links.pop() {
            Some(mut only) if links.is_empty() => {
                only.target = target;
                only
            }
            last => {
                links.extend(last);
                Link::new(Hold::Many(links), target)
            }
        }
    }

    /// Keeps records for as long as the program is attached.
    pub(crate) fn keep(&mut self, records: Option<UsdtRecords>) {
        self.needs.records = records;
    }

    /// Keeps the event in tracefs for as long as the program is attached.
    pub(crate) fn keep_event(&mut self, event: TracefsEvent) {
        self.needs.event = Some(event);
    }

    /// Takes over the descriptor of a link, asking the kernel what it is.
    ///
    /// # Errors
    ///
    /// When it is no link, or on kernels before 5.8, which cannot tell.
    pub fn from_fd(fd: OwnedFd) -> Result<Link> {
        Link::identify(fd, || Subject::Link("?".into()))
    }

    /// Opens the link with an id (5.8; needs CAP_SYS_ADMIN).
    ///
    /// # Errors
    ///
    /// When there is no such link, or no right to open it.
    #[doc(alias = "BPF_LINK_GET_FD_BY_ID")]
    pub fn from_id(id: u32) -> Result<Link> {
        let subject = || Subject::Link(format!("id {id}"));
        let fd = sys::link_get_fd_by_id(id);
        Link::identify(fd.map_err(|source| Error::by_id(subject(), source))?, subject)
    }

    /// Opens a link pinned in a BPF file system. While the pin stays, dropping the link does not detach.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path, or something other than a link.
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open_pinned(path: impl AsRef<Path>) -> Result<Link> {
        let path = path.as_ref();
        let mut link = Link::identify(crate::pin::open(path)?, || Subject::File(path.to_owned()))?;
        link.pins.push(path.to_owned());
        Ok(link)
    }

    /// Pins the link: the program stays attached until the file is removed, also when this process ends.
    ///
    /// Directories on the way are made. The path must lie in a BPF file system, usually below `/sys/fs/bpf`.
    ///
    /// # Errors
    ///
    /// When something is at the path already, it lies in no BPF file system, or the attachment is no link to the kernel.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        crate::pin::pin(self.fd("pinned")?, path, self.subject())?;
        self.pins.push(path.to_owned());
        Ok(())
    }

    /// Removes the pins that this handle made or was opened from. The program stays attached until the handle is dropped.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed; one that is gone already is no error.
    pub fn unpin(&mut self) -> Result<()> {
        while let Some(path) = self.pins.last() {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io(
                        self.subject(),
                        format!("remove pin {}", path.display()),
                        error,
                    ));
                }
                _ => self.pins.pop(),
            };
        }
        Ok(())
    }

    /// Puts another program in the place of the attached one, without a gap in between (5.7).
    ///
    /// # Errors
    ///
    /// When the kind of link does not do that (tracing and perf links do not), or the program is of another kind.
    #[doc(alias = "BPF_LINK_UPDATE")]
    pub fn update(&self, program: &impl AsRef<Program>) -> Result<()> {
        self.replace(None, program.as_ref())
    }

    /// Puts another program in the place of `old`, and fails with EPERM if `old` is not the attached one (5.7).
    ///
    /// # Errors
    ///
    /// As [`update`](Link::update).
    pub fn update_if(&self, old: &impl AsRef<Program>, new: &impl AsRef<Program>) -> Result<()> {
        self.replace(Some(old.as_ref()), new.as_ref())
    }

    fn replace(&self, old: Option<&Program>, new: &Program) -> Result<()> {
        let change = |update: &dyn Fn() -> io::Result<()>, attached: Program| {
            let result = match old {
                Some(old) if old.info()?.id() != attached.info()?.id() => {
                    Err(io::Error::from_raw_os_error(Errno::EPERM.0))
                }
                _ => update(),
            };
            result.map_err(|source| {
                Error::io(
                    self.subject(),
                    format!("change to program '{}'", new.name()),
                    source,
                )
            })
        };
        match &self.hold {
            Hold::Command(hold) => change(&|| hold.update(new), hold.program()),
            Hold::Xdp(hold) => change(&|| hold.update(new), hold.program()),
            Hold::Filter(hold) => change(&|| hold.update(new), hold.program()),
            _ => {
                let mut update = sys::LinkUpdate::new(new.as_fd());
                update.old = old.map(AsFd::as_fd);
                sys::link_update(self.fd("updated")?, &update)
                    .map_err(|source| self.failed(format!("change to program '{}'", new.name()), source))
            }
        }
    }

    /// Detaches now, for all holders of the link, and tells whether it worked.
    ///
    /// Kinds of link that the kernel cannot detach on demand (tracing and perf links, or any before 5.9) are
    /// unpinned and closed; then they stay attached only if others hold them.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or a pin cannot be removed.
    #[doc(alias = "BPF_LINK_DETACH")]
    pub fn detach(mut self) -> Result<()> {
        if let Hold::Link(fd) = &self.hold {
            match sys::link_detach(fd.as_fd()) {
                Err(error) if !matches!(error.errno(), Errno::EOPNOTSUPP | Errno::EINVAL) => {
                    return Err(self.failed("detach", error));
                }
                _ => {}
            }
        }
        self.unpin()?;
        let subject = self.subject();
        self.release()
            .map_err(|source| Error::io(subject, "detach", source))
    }

    /// Gives up the handle and leaves the program attached.
    ///
    /// A link that is not pinned stays attached until this process ends; socket filters and programs attached by command
    /// stay for as long as what they are attached to.
    pub fn forget(mut self) {
        match std::mem::replace(&mut self.hold, Hold::Released) {
            Hold::Link(fd) | Hold::PerfEvent(fd, _) => std::mem::forget(fd),
            Hold::StructOps(map) => std::mem::forget(map),
            Hold::Many(links) => links.into_iter().for_each(Link::forget),
            // They stay by themselves.
            Hold::Command(_)
            | Hold::Xdp(_)
            | Hold::Filter(_)
            | Hold::Tunnel(_)
            | Hold::Socket { .. }
            | Hold::Released => {}
        }
        std::mem::forget(std::mem::take(&mut self.needs));
    }

    /// What the program is attached to, in words.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where the link is pinned, as far as this handle knows.
    #[must_use]
    pub fn pins(&self) -> &[PathBuf] {
        &self.pins
    }

    /// Whether the kernel knows the attachment as a link, so that it can be pinned and has an id.
    #[must_use]
    pub fn is_kernel_link(&self) -> bool {
        matches!(self.hold, Hold::Link(_))
    }

    /// The descriptor of the link, if the kernel knows the attachment as one.
    #[must_use]
    pub fn link_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.hold {
            Hold::Link(fd) => Some(fd.as_fd()),
            _ => None,
        }
    }

    pub(crate) fn fd(&self, what: &str) -> Result<BorrowedFd<'_>> {
        self.link_fd().ok_or_else(|| self.no_link(what))
    }

    pub(super) fn no_link(&self, what: &str) -> Error {
        let message = format!("this attachment is no link to the kernel and cannot be {what}");
        Error::invalid(self.subject(), message)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Link(self.target.clone())
    }

    pub(crate) fn failed(
        &self,
        doing: impl Into<std::borrow::Cow<'static, str>>,
        source: sys::Error,
    ) -> Error {
        Error::kernel(self.subject(), doing, source)
    }

    fn identify(fd: OwnedFd, subject: impl Fn() -> Subject) -> Result<Link> {
        check_kind(fd.as_fd(), Kind::Link, subject())?;
        let info = LinkInfo::of(fd.as_fd()).map_err(|source| Error::kernel(subject(), "describe", source))?;
        let target = info.to_string();
        Ok(Link::new(Hold::Link(fd), target))
    }

    /// Lets go of what keeps the program attached.
    fn release(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.hold, Hold::Released) {
            Hold::Link(_) | Hold::PerfEvent(..) | Hold::Released => Ok(()),
            Hold::Command(hold) => hold.detach(),
            Hold::Xdp(hold) => hold.detach(),
            Hold::Filter(hold) => hold.detach(),
            Hold::Tunnel(hold) => hold.detach(),
            Hold::Socket { socket, what, .. } => {
                sys::socket::detach(socket, what).map_err(|errno| io::Error::from_raw_os_error(errno.0))
            }
            Hold::StructOps(map) => Ok(sys::map_delete_elem(map.map_fd(), &0u32.to_ne_bytes())?),
            Hold::Many(links) => {
                // All of them, whatever becomes of one.
                let results: Vec<_> = links.into_iter().map(|mut link| link.release()).collect();
                results.into_iter().collect()
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A drop cannot tell; who wants to know calls `detach`.
        let _ = self.release();
        if !self.pins.is_empty() {
            // Still attached, so they are still needed.
            std::mem::forget(std::mem::take(&mut self.needs));
        }
    }
}

/// Says what the program is attached to.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}
