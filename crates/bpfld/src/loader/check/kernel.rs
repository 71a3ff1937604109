//! A kernel that is not here, as far as it is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfld_btf::Btf;
use bpfld_features::{Config, Kfuncs, Probes, Release};

/// What is known about a kernel that objects are held against.
///
/// ```
/// use bpfld::OtherKernel;
/// use bpfld::features::{Probes, Release};
///
/// let kernel = OtherKernel::new(Probes::as_of(Release::new(5, 4))).release(Release::new(5, 4));
/// # let _ = kernel;
/// ```
#[derive(Clone, Debug)]
pub struct OtherKernel {
    pub(super) probes: Probes,
    pub(super) release: Option<Release>,
    pub(super) config: Option<Config>,
    pub(super) btf: Option<Arc<Btf>>,
    pub(super) modules: BTreeMap<String, Arc<Btf>>,
    pub(super) kfuncs: Option<Kfuncs>,
}

impl OtherKernel {
    /// A kernel with these answers, mostly those of a record.
    #[must_use]
    pub fn new(probes: Probes) -> Self {
        Self {
            probes,
            release: None,
            config: None,
            btf: None,
            modules: BTreeMap::new(),
            kfuncs: None,
        }
    }

    /// Its release, for programs that ask.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.release = Some(release);
        self
    }

    /// Its configuration, or a part of it: options that are not in it are not known.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Its types. Without them nothing can be said about CO-RE relocations, kernel functions, kernel variables and what tracing
    /// programs attach to.
    #[must_use]
    pub fn btf(mut self, btf: Arc<Btf>) -> Self {
        self.btf = Some(btf);
        self
    }

    /// The types of one of its modules, whose base are those of the kernel; they count only beside [`btf`](Self::btf). What no
    /// module given here has counts as missing.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, btf: Arc<Btf>) -> Self {
        self.modules.insert(name.into(), btf);
        self
    }

    /// Its functions and who may call them.
    #[must_use]
    pub fn kfuncs(mut self, kfuncs: Kfuncs) -> Self {
        self.kfuncs = Some(kfuncs);
        self
    }
}
