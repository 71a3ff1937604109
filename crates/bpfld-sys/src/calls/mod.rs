//! One typed function for each command of bpf(2).

#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod attach;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod batch;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod btf;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod element;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod id;
#[expect(unsafe_code, reason = "hands numbers to the kernel")]
mod inquiry;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod iter;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod link_create;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod link_info;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod link_update;
mod log;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod map;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod object_info;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod pin;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod prog_info;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod prog_load;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod prog_misc;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod query;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod raw_tracepoint;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod stats;
mod target;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod test_run;
#[expect(unsafe_code, reason = "hands addresses to the kernel")]
mod token;

pub use attach::{ProgAttach, ProgDetach, prog_attach, prog_detach};
pub use batch::{map_delete_batch, map_lookup_and_delete_batch, map_lookup_batch, map_update_batch};
pub use btf::{BtfLoad, btf_load};
pub use element::{
    map_delete_elem, map_freeze, map_get_next_key, map_lookup_and_delete_elem, map_lookup_elem,
    map_update_elem,
};
pub use id::{
    btf_get_fd_by_id, btf_get_next_id, link_get_fd_by_id, link_get_next_id, map_get_fd_by_id,
    map_get_next_id, prog_get_fd_by_id, prog_get_next_id,
};
pub use inquiry::{inquire_attach, inquire_command, inquire_link, inquire_map, inquire_query};
pub use iter::iter_create;
pub use link_create::{
    CStrAddress, IterTarget, KernelFunctions, LinkCreate, LinkKind, UprobeFile, link_create,
};
pub use link_info::{LinkBuffers, LinkDetails, LinkInfo, link_info, link_info_with};
pub use link_update::{LinkUpdate, link_detach, link_update};
pub use log::Log;
pub use map::{MapCreate, MapFd, map_create, map_create_with_log};
pub use object_info::{BTF_NAME_ROOM, btf_data, btf_info, btf_name, map_hash, map_info, token_info};
pub use pin::{obj_get, obj_get_at, obj_pin, obj_pin_at};
pub use prog_info::{ProgBuffers, prog_info, prog_info_with};
pub use prog_load::{ProgLoad, Records, prog_load};
pub use prog_misc::{TaskFd, prog_assoc_struct_ops, prog_bind_map, prog_stream_read, task_fd_query};
pub use query::{ProgQuery, QueryAnswer, prog_query};
pub use raw_tracepoint::raw_tracepoint_open;
pub use stats::enable_stats;
pub use target::{Relative, Target};
pub use test_run::{TestRun, prog_test_run};
pub use token::token_create;
