//! All maps, programs and links of the system.

use bpfld_sys::{self as sys, Errno};

use crate::{Error, Link, Map, Program, Result, Subject};

macro_rules! all {
    ($($item:ident, $next:ident, $names:literal, $since:literal;)*) => { $(
        impl $item {
            #[doc = concat!("All ", $names, " of the system, by ascending id (", $since, "; needs CAP_SYS_ADMIN).")]
            ///
            /// Those that come and go meanwhile may be there or not.
            ///
            /// # Errors
            ///
            /// When there is no right to look at them, or the kernel is older. After an error there is no more.
            pub fn all() -> impl Iterator<Item = Result<$item>> {
                All { after: Some(0), next: sys::$next, open: $item::from_id, what: $names }
            }
        }
    )* };
}

all! {
    Map, map_get_next_id, "maps", "4.13";
    Program, prog_get_next_id, "programs", "4.13";
    Link, link_get_next_id, "links", "5.8";
}

struct All<T> {
    /// The last id; nothing at the end.
    after: Option<u32>,
    next: fn(u32) -> Result<Option<u32>, sys::Error>,
    open: fn(u32) -> Result<T>,
    what: &'static str,
}

impl<T> Iterator for All<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            let id = match (self.next)(self.after?) {
                Ok(id) => id,
                Err(source) => {
                    self.after = None;
                    let error = Error::kernel(Subject::Kernel, format!("list all {}", self.what), source);
                    return Some(Err(error.with_hint("this needs CAP_SYS_ADMIN")));
                }
            };
            self.after = id;
            match (self.open)(id?) {
                // It went meanwhile, or, of links, is not ready yet.
                Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::EAGAIN)) => {}
                Err(error) => {
                    self.after = None;
                    return Some(Err(error));
                }
                item => return Some(item),
            }
        }
    }
}
