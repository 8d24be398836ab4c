//! What is known before anything is tried: by what a change touches.

/// A change to one of these is likelier than others to be what lost a log: the path of a dying kernel, from `panic()` to
/// the back ends and the console's drivers.
const LIKELY: [&str; 22] = [
    "kernel/panic.c",
    "kernel/printk/",
    "kernel/kexec",
    "kernel/crash",
    "kernel/notifier.c",
    "kernel/panic_notifier",
    "include/linux/panic",
    "include/linux/kmsg_dump.h",
    "kernel/reboot.c",
    "kernel/watchdog",
    "kernel/hung_task.c",
    "kernel/stop_machine.c",
    "kernel/smp.c",
    "lib/nmi_backtrace.c",
    "fs/pstore/",
    "drivers/acpi/apei/",
    "drivers/tty/serial/",
    "arch/x86/kernel/crash",
    "arch/x86/kernel/smp",
    "arch/x86/kernel/reboot",
    "arch/x86/kernel/nmi",
    "arch/x86/kernel/dumpstack",
];
/// Nothing of these is in the guest's kernel.
const NEVER_BUILT: [&str; 4] = ["Documentation/", "tools/", "samples/", "MAINTAINERS"];

/// How likely a change that touches `paths` is what is looked for, beside one that touches only code off the path of a
/// dying kernel: 8 for one on it, twice that if a file of it is called like one of `words` (the channel, the scenario's
/// tags), a fifth if nothing of it is in the kernel. Small beside what a few trials tell: who is unlikely is found too.
pub fn weight(paths: &[String], words: &[&str]) -> f64 {
    let built = paths.iter().filter(|path| {
        let other_arch = path.starts_with("arch/") && !path.starts_with("arch/x86/");
        !other_arch && !NEVER_BUILT.iter().any(|never| path.starts_with(never))
    });
    let weight_of = |path: &String| {
        if !LIKELY.iter().any(|likely| path.starts_with(likely)) {
            return 1.0;
        }
        let named = path.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.contains(&part));
        if named { 16.0 } else { 8.0 }
    };
    // A merge has no paths, and is like any other.
    let nothing = if paths.is_empty() { 1.0 } else { 0.2 };
    built.map(weight_of).reduce(f64::max).unwrap_or(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_dying_kernel_is_likelier_than_the_rest() {
        let weight =
            |paths: &[&str]| weight(&paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>(), &["pstore", "nmi"]);
        assert_eq!(weight(&["mm/slub.c"]).to_bits(), 1.0_f64.to_bits());
        assert_eq!(weight(&["mm/slub.c", "kernel/panic.c"]).to_bits(), 8.0_f64.to_bits());
        assert_eq!(weight(&["fs/pstore/platform.c"]).to_bits(), 16.0_f64.to_bits());
        assert_eq!(weight(&["arch/x86/kernel/nmi.c"]).to_bits(), 16.0_f64.to_bits());
        assert_eq!(weight(&["Documentation/a.rst", "arch/arm64/kernel/smp.c"]).to_bits(), 0.2_f64.to_bits());
        assert_eq!(weight(&[]).to_bits(), 1.0_f64.to_bits());
    }
}
