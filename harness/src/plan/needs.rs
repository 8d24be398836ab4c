//! Whether a kernel has what a scenario needs at a point.

use crate::kernel::KernelFacts;
use crate::scenario::{Lock, Needs};

/// What a kernel lacks of what is needed, all of it, in words: the reason why nothing is run. `None` if it has
/// everything.
pub fn missing_requirement(needs: &Needs, kernel: &KernelFacts) -> Option<String> {
    let version = kernel.version();
    // As many numbers as are written decide: 6.12.117 is none too new for 6.12.
    let order = |release: &str| {
        let release = numbers(release);
        let mut of_kernel = numbers(&version.full);
        of_kernel.resize(release.len(), 0);
        of_kernel.cmp(&release)
    };
    let mut lacking = Vec::new();
    if let Some(since) = needs.since.as_ref().filter(|since| order(since).is_lt()) {
        lacking.push(format!("needs Linux {since} or newer, this is {version}"));
    }
    if let Some(until) = needs.until.as_ref().filter(|until| order(until).is_gt()) {
        lacking.push(format!("needs Linux {until} or older, this is {version}"));
    }
    let named = |kind: &str, names: &[String], has: &dyn Fn(&str) -> bool| {
        let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !has(name)).collect();
        let why =
            if kernel.knows_symbols() { "the kernel has no" } else { "it is not known whether the kernel has the" };
        (!missing.is_empty()).then(|| format!("{why} {kind} {}", missing.join(", ")))
    };
    lacking.extend(named("function", &needs.functions, &|name| kernel.has_function(name)));
    lacking.extend(named("symbol", &needs.symbols, &|name| kernel.has_symbol(name)));
    lacking.extend(needs.config.iter().filter(|option| !kernel.is_set(option)).map(|option| {
        let what = if kernel.is_module(option) { "a module, which guests do not load" } else { "not set" };
        format!("{option} is {what}")
    }));
    if kernel.is_set("CONFIG_PREEMPT_RT") {
        let slept = |lock: &Lock| {
            format!("the lock {} is slept for (CONFIG_PREEMPT_RT), and no CPU can be kept by it", lock.word())
        };
        lacking.extend(needs.spinning.iter().map(slept));
    }
    (!lacking.is_empty()).then(|| lacking.join("; "))
}

/// The numbers of a release, `6.12.117` or `6.13.0-rc1`; what is behind the last one plays no part.
fn numbers(release: &str) -> Vec<u32> {
    let digits = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    release.split('.').map_while(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
0000000000000000 A fixed
ffffffff81000000 T panic
ffffffff81000100 t pstore_dump
ffffffff81000200 W weak_function
ffffffff81000300 t nmi_panic.isra.0
ffffffff82000000 b psinfo_lock
ffffffff82000008 D twice
ffffffff81000400 t twice
not a line
";
    const CONFIG: &str = "# CONFIG_KEXEC is not set\nCONFIG_PSTORE=y\nCONFIG_PSTORE_RAM=m\nCONFIG_HZ=1000\n";

    fn kernel(version: &str) -> KernelFacts {
        KernelFacts::new(version.parse().unwrap(), Some(MAP), CONFIG)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn nothing_is_lacking_where_nothing_is_needed() {
        assert_eq!(missing_requirement(&Needs::default(), &kernel("6.12.117")), None);
    }

    #[test]
    fn versions_are_compared_by_as_many_numbers_as_are_written() {
        let of = |since: Option<&str>, until: Option<&str>, version: &str| {
            let [since, until] = [since, until].map(|release| release.map(str::to_owned));
            missing_requirement(&Needs { since, until, ..Needs::default() }, &kernel(version)).unwrap_or_default()
        };
        for (since, until, version) in [
            (Some("6.12"), Some("6.12"), "6.12.117"),
            (Some("6.12"), None, "6.12.0-rc1"),
            (Some("6.12.117"), Some("6.12.117"), "6.12.117"),
            (Some("5.10"), Some("6.13"), "6.9.1"),
            (Some("6.13.0"), None, "6.13.0-rc3"),
        ] {
            assert_eq!(of(since, until, version), "", "{since:?} {until:?} {version}");
        }
        assert_eq!(of(None, Some("5.10"), "6.12.117"), "needs Linux 5.10 or older, this is 6.12.117");
        assert_eq!(of(None, Some("6.12.116"), "6.12.117"), "needs Linux 6.12.116 or older, this is 6.12.117");
        assert_eq!(of(Some("6.10"), None, "6.9.8"), "needs Linux 6.10 or newer, this is 6.9.8");
        assert_eq!(of(Some("6.12.1"), None, "6.12.0"), "needs Linux 6.12.1 or newer, this is 6.12.0");
    }

    #[test]
    fn functions_are_code_and_symbols_anything() {
        let of = |functions: &[&str], symbols: &[&str]| {
            let needs = Needs { functions: names(functions), symbols: names(symbols), ..Needs::default() };
            missing_requirement(&needs, &kernel("6.12.117"))
        };
        assert_eq!(of(&["panic", "pstore_dump", "weak_function", "twice"], &["psinfo_lock", "panic", "fixed"]), None);
        assert_eq!(of(&["psinfo_lock"], &[]).as_deref(), Some("the kernel has no function psinfo_lock"));
        // No probe can be set by the name that a clone is not called.
        assert_eq!(of(&["nmi_panic"], &[]).as_deref(), Some("the kernel has no function nmi_panic"));
        assert_eq!(of(&[], &["logbuf_lock", "fixed"]).as_deref(), Some("the kernel has no symbol logbuf_lock"));
    }

    #[test]
    fn without_symbols_nothing_that_is_needed_is_known_to_be_there() {
        let kernel = KernelFacts::new("6.12".parse().unwrap(), None, CONFIG);
        let needs = Needs { functions: names(&["panic"]), symbols: names(&["psinfo"]), ..Needs::default() };
        assert_eq!(
            missing_requirement(&needs, &kernel).as_deref(),
            Some(
                "it is not known whether the kernel has the function panic; it is not known whether the kernel has the \
                 symbol psinfo"
            )
        );
        assert_eq!(missing_requirement(&Needs::default(), &kernel), None);
    }

    /// Guests load no modules but those that come with a kernel that is built already.
    #[test]
    fn options_are_built_in() {
        let of = |config: &[&str]| {
            missing_requirement(&Needs { config: names(config), ..Needs::default() }, &kernel("6.12.117"))
                .unwrap_or_default()
        };
        assert_eq!(of(&["CONFIG_PSTORE", "CONFIG_HZ"]), "");
        assert_eq!(of(&["CONFIG_KEXEC", "CONFIG_X"]), "CONFIG_KEXEC is not set; CONFIG_X is not set");
        assert_eq!(of(&["CONFIG_PSTORE_RAM"]), "CONFIG_PSTORE_RAM is a module, which guests do not load");
    }

    #[test]
    fn a_lock_that_is_slept_for_keeps_no_cpu() {
        let needs = Needs { spinning: vec![Lock::UartPort], ..Needs::default() };
        let of =
            |config: &str| missing_requirement(&needs, &KernelFacts::new("6.12".parse().unwrap(), Some(MAP), config));
        assert_eq!(of(CONFIG), None);
        assert_eq!(
            of("CONFIG_PREEMPT_RT=y\n").as_deref(),
            Some("the lock uart-port is slept for (CONFIG_PREEMPT_RT), and no CPU can be kept by it")
        );
    }

    #[test]
    fn everything_that_is_lacking_is_told() {
        let needs = Needs {
            since: Some("7.0".to_owned()),
            functions: names(&["a", "panic", "b"]),
            symbols: names(&["c"]),
            config: names(&["CONFIG_KEXEC"]),
            ..Needs::default()
        };
        assert_eq!(
            missing_requirement(&needs, &kernel("6.12.117")).unwrap(),
            "needs Linux 7.0 or newer, this is 6.12.117; the kernel has no function a, b; the kernel has no symbol c; \
             CONFIG_KEXEC is not set"
        );
    }
}
