//! Attaching to static probes in binaries (USDT).

use std::path::Path;

use bpfld_features::{Feature, Probes};
use bpfld_object::{Executable, UsdtProbe};
use bpfld_sys::AttachType;

use super::{
    Program, ProgramKind, UprobeOptions, UprobePoint, Usdt, uprobe,
    uprobe_multi::{self, Places},
    usdt_table::{UsdtRecords, UsdtTable},
};
use crate::{Error, Link, Result};

/// How a program is attached to a static probe, beside where.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsdtOptions {
    cookie: u64,
    process: Option<u32>,
}

impl UsdtOptions {
    /// In all processes, without a cookie.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a number that the program gets from `bpf_usdt_cookie`; without the table of static probes, from
    /// `bpf_get_attach_cookie` (5.15).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    /// Only in one process.
    #[must_use]
    pub fn process(mut self, id: u32) -> Self {
        self.process = Some(id);
        self
    }
}

impl Usdt {
    /// Attaches to a static probe of a binary by the names of its provider and its own, in all processes. A probe that
    /// is in several places of the binary is traced in all of them.
    ///
    /// The binary is found as by [`Uprobe::attach`](super::Uprobe::attach). The probe's semaphore, if it has one, is raised
    /// meanwhile (4.20).
    ///
    /// How a program gets the arguments is the contract of libbpf's `usdt.bpf.h`: its object has the map
    /// `__bpf_usdt_specs`, which is filled here, and asks it by the number that `bpf_get_attach_cookie` returns.
    /// Before 5.15, by the address of the probe in the map `__bpf_usdt_ip_to_spec_id`; then a shared library or
    /// position-independent program can be traced in a single process only.
    ///
    /// ```no_run
    /// # fn example(count: bpfld::Usdt) -> Result<(), bpfld::Error> {
    /// let link = count.attach("libc.so.6", "libc", "memory_sbrk_more")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such file or probe in it, an argument is of a form that programs cannot get (such as floating-point
    /// numbers), the table is full, or the kernel refuses.
    pub fn attach(&self, binary: impl AsRef<Path>, provider: &str, name: &str) -> Result<Link> {
        self.attach_with(binary, provider, name, UsdtOptions::new())
    }

    /// Attaches to a static probe as options say.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_with(
        &self,
        binary: impl AsRef<Path>,
        provider: &str,
        name: &str,
        options: UsdtOptions,
    ) -> Result<Link> {
        let program = self.program();
        let path = uprobe::find(program, binary.as_ref(), options.process)?;
        let bytes = uprobe::read(program, &path)?;
        let executable = uprobe::parse(program, &path, &bytes)?;
        let probes = find(program, &executable, &path, provider, name)?;
        let (records, cookies) = match program.usdt_table() {
            Some(table) => {
                let recorder = Recorder {
                    program,
                    table,
                    executable: &executable,
                    path: &path,
                    options,
                };
                let (records, cookies) = recorder.record(&probes)?;
                (Some(records), cookies)
            }
            None => (None, vec![options.cookie; probes.len()]),
        };
        let target = format!("static probe {provider}:{name} of {}", path.display());
        let mut link = attach(program, &path, &probes, &cookies, options, target)?;
        link.keep(records);
        Ok(link)
    }
}

fn find<'d>(
    program: &Program,
    executable: &Executable<'d>,
    path: &Path,
    provider: &str,
    name: &str,
) -> Result<Vec<UsdtProbe<'d>>> {
    let all = executable.usdt_probes().map_err(|error| {
        let message = format!("cannot attach to {}: {error}", path.display());
        Error::invalid(program.subject(), message)
    })?;
    let wanted = |probe: &&UsdtProbe<'_>| probe.provider == provider && probe.name == name;
    let found: Vec<_> = all.iter().filter(wanted).copied().collect();
    if found.is_empty() {
        let what = format!("static probe {provider}:{name} in {}", path.display());
        let hint = match all.len() {
            0 => String::from("the file has no static probes at all"),
            count => format!("the file has {count} others"),
        };
        return Err(Error::not_found(program.subject(), what).with_hint(hint));
    }
    Ok(found)
}

/// With one link where the program was loaded for that, else place by place.
fn attach(
    program: &Program,
    path: &Path,
    probes: &[UsdtProbe<'_>],
    cookies: &[u64],
    options: UsdtOptions,
    target: String,
) -> Result<Link> {
    if program.attach_type() == Some(AttachType::TRACE_UPROBE_MULTI) {
        let offsets: Vec<u64> = probes.iter().map(|probe| probe.file_offset).collect();
        let mut counters: Vec<u64> = probes.iter().map(|probe| probe.semaphore.unwrap_or(0)).collect();
        if counters.iter().all(|counter| *counter == 0) {
            counters.clear();
        }
        let places = Places {
            offsets: &offsets,
            counters: &counters,
            cookies,
            at_return: false,
            process: options.process,
        };
        return uprobe_multi::attach(program, path, places, target);
    }
    let has_cookies = cookies_are_known();
    let one = |(probe, cookie): (&UsdtProbe<'_>, &u64)| {
        let mut place = UprobeOptions::new()
            .counter(probe.semaphore.unwrap_or(0))
            .cookie(if has_cookies { *cookie } else { 0 });
        place.process = options.process;
        uprobe::attach(program, path, &UprobePoint::FileOffset(probe.file_offset), place)
    };
    let links = probes.iter().zip(cookies).map(one).collect::<Result<Vec<_>>>()?;
    Ok(Link::of_many(links, target))
}

fn cookies_are_known() -> bool {
    Probes::live().has(Feature::AttachCookie)
}

/// Writes down for the program where the arguments of probes are.
struct Recorder<'a> {
    program: &'a Program,
    table: &'a UsdtTable,
    executable: &'a Executable<'a>,
    path: &'a Path,
    options: UsdtOptions,
}

impl Recorder<'_> {
    /// Makes records, one for all probes with the same arguments. The second part is the number of each probe's record.
    fn record(&self, probes: &[UsdtProbe<'_>]) -> Result<(UsdtRecords, Vec<u64>)> {
        if self.executable.is_64_bit() != cfg!(target_pointer_width = "64") {
            let message = format!("{} is for machines of another word size", self.path.display());
            return Err(Error::invalid(self.program.subject(), message));
        }
        let by_address = !cookies_are_known();
        let mut records = UsdtRecords::new(self.table);
        let mut known: Vec<(&str, u32)> = Vec::new();
        let mut cookies = Vec::with_capacity(probes.len());
        for probe in probes {
            let id = match known.iter().find(|(text, _)| *text == probe.arguments) {
                Some((_, id)) => *id,
                None => {
                    let arguments = probe
                        .parse_arguments()
                        .map_err(|error| self.unusable(probe, &error))?;
                    let id = records.add(&arguments, self.options.cookie)?;
                    known.push((probe.arguments, id));
                    id
                }
            };
            if by_address {
                records.add_address(self.address(probe)?, id)?;
            }
            cookies.push(id.into());
        }
        Ok((records, cookies))
    }

    fn unusable(&self, probe: &UsdtProbe<'_>, error: &bpfld_object::Error) -> Error {
        let UsdtProbe { provider, name, .. } = probe;
        let message = format!(
            "static probe {provider}:{name} of {}: {error}",
            self.path.display()
        );
        Error::invalid(self.program.subject(), message)
    }

    /// Where the probe is when the program runs.
    fn address(&self, probe: &UsdtProbe<'_>) -> Result<u64> {
        if !self.executable.is_position_independent() {
            return Ok(probe.address);
        }
        let Some(process) = self.options.process else {
            let feature = "static probes of shared libraries in all processes";
            return Err(
                Error::unsupported(self.program.subject(), feature, Some("5.15"), None)
                    .with_hint("name a process"),
            );
        };
        super::mapping::address_of(process, self.path, probe.file_offset).map_err(|source| {
            let doing = format!("find {} in process {process}", self.path.display());
            Error::io(self.program.subject(), doing, source)
        })
    }
}
