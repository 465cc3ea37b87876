//! A network of a thread's own.

use std::io;

/// Moves the calling thread into a new network namespace, empty but for `lo`. The rest of the process stays where it
/// is; threads that this one starts are in the new network, too. It is gone when its last thread, socket and
/// interface are.
///
/// # Errors
/// The kernel's own, `PermissionDenied` without `CAP_SYS_ADMIN`.
pub fn leave_the_network() -> io::Result<()> {
    // SAFETY: no pointers, and the memory of the process stays shared as it is.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
