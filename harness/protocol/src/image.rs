//! The files of the guest's initramfs, as the agent finds them.

/// crashlab.
pub const CRASHLAB: &str = "/crashlab.ko";
/// The folder of modules that the kernel has not built in, `00-virtio_ring.ko`, in the order in which they are loaded; not there
/// if there are none.
pub const MODULES: &str = "/modules";
/// A program of the user's.
pub const WORKLOAD: &str = "/workload";
/// The kernel that takes over when the guest's dies.
pub const CRASH_KERNEL: &str = "/crash/kernel";
/// The initramfs that it boots with.
pub const CRASH_INITRAMFS: &str = "/crash/initramfs";
/// The command line that it gets.
pub const CRASH_COMMAND_LINE: &str = "/crash/command-line";

/// The word in a crash kernel's command line which tells its PID 1 that it has to hand over what the dead kernel left.
pub const CAPTURE_WORD: &str = "capture";
