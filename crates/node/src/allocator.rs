//! Gives the memory of large bodies back to the system when they are freed (promise P7).
//!
//! glibc raises the size from which it maps blocks separately each time such a block is freed.
//! After the first large body the next ones would come from heaps, one per thread, that keep and
//! fragment them: with 500 clients that do not read, the process then held more than four times
//! the budget. Setting the size switches the raising off.
#![allow(
    unsafe_code,
    reason = "the C library's allocator has no safe interface"
)]

/// Blocks from this size are mapped separately, in bytes: the bodies that the budget calls large.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM_BYTES: libc::c_int = 1 << 20;

/// Settles the allocator; called once, before the process has threads.
pub(crate) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `mallopt` sets one number of the allocator and takes no pointer; no other
        // thread is running yet.
        let settled = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES) };
        if settled != 1 {
            tracing::warn!("the allocator cannot be settled; the process may use more memory");
        }
    }
}
