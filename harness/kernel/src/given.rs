//! A kernel configuration of the user's: a whole `.config` or a fragment, for x86-64.

use std::path::Path;

use super::config::Fragments;
use super::{KernelError, Version};

/// What a user gave to configure kernels by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kconfig {
    /// Whether it is a whole configuration, as in a tree's `.config`, and no fragment.
    pub whole: bool,
    /// Its options, but for those that describe the build that it was made by.
    pub options: Fragments,
}

/// What an architecture calls itself in every whole configuration. A user cannot set these, so no fragment and no
/// `defconfig` has one.
const ARCHITECTURES: [(&str, &str); 20] = [
    ("CONFIG_X86", "x86"),
    ("CONFIG_ALPHA", "alpha"),
    ("CONFIG_ARC", "arc"),
    ("CONFIG_ARM", "arm"),
    ("CONFIG_ARM64", "arm64"),
    ("CONFIG_CSKY", "csky"),
    ("CONFIG_HEXAGON", "hexagon"),
    ("CONFIG_LOONGARCH", "loongarch"),
    ("CONFIG_M68K", "m68k"),
    ("CONFIG_MICROBLAZE", "microblaze"),
    ("CONFIG_MIPS", "mips"),
    ("CONFIG_NIOS2", "nios2"),
    ("CONFIG_OPENRISC", "openrisc"),
    ("CONFIG_PARISC", "parisc"),
    ("CONFIG_PPC", "powerpc"),
    ("CONFIG_RISCV", "riscv"),
    ("CONFIG_S390", "s390"),
    ("CONFIG_SPARC", "sparc"),
    ("CONFIG_SUPERH", "sh"),
    ("CONFIG_UML", "um"),
];

/// What Kconfig finds out about the compiler and its like, by the beginnings of the names. Nobody can ask for them.
const OF_THE_BUILD: [&str; 18] = [
    "AS_",
    "BINDGEN_VERSION",
    "CC_CAN_",
    "CC_HAS_",
    "CC_IMPLICIT_",
    "CC_IS_",
    "CC_NO_",
    "CC_VERSION",
    "CLANG_VERSION",
    "GCC_ASM_",
    "GCC_VERSION",
    "LD_CAN_",
    "LD_IS_",
    "LD_VERSION",
    "LLD_VERSION",
    "PAHOLE_",
    "RUSTC_",
    "TOOLS_SUPPORT_",
];

/// Whether an option says by what a kernel was built, and nothing about the kernel.
pub(super) fn describes_the_build(option: &str) -> bool {
    let name = option.trim_start_matches("CONFIG_");
    name == "RUST_IS_AVAILABLE" || OF_THE_BUILD.iter().any(|beginning| name.starts_with(beginning))
}

impl Kconfig {
    /// Reads the text of the file at `path`, unless it is for another architecture.
    pub fn parse(path: &Path, text: &str) -> Result<Self, KernelError> {
        let options = Fragments::parse(path, text)?;
        let value = |wanted: &str| options.options().find(|(option, _)| *option == wanted).map(|(_, value)| value);
        let architecture = ARCHITECTURES.iter().find(|(option, _)| value(option) == Some("y"));
        let of_32_bits = value("CONFIG_X86_32") == Some("y") || value("CONFIG_64BIT") == Some("n");
        let other = match architecture {
            Some((_, "x86")) | None if of_32_bits => Some("32-bit x86"),
            Some((_, "x86")) | None => None,
            Some((_, other)) => Some(*other),
        };
        if let Some(architecture) = other {
            return Err(KernelError::Architecture { path: path.to_owned(), architecture });
        }
        Ok(Self { whole: architecture.is_some(), options: options.without(describes_the_build) })
    }
}

/// The kernel that a whole configuration says it is for: `# Linux/x86 6.12.48 Kernel Configuration`.
pub(super) fn version_of(text: &str) -> Option<Version> {
    let head = text.lines().take(10).find_map(|line| line.strip_prefix("# Linux/"))?;
    head.split_once(' ')?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn parse(text: &str) -> Result<Kconfig, KernelError> {
        Kconfig::parse(Path::new("their.config"), text)
    }

    #[test]
    fn a_whole_configuration_is_told_from_a_fragment() {
        assert!(parse("CONFIG_X86_64=y\nCONFIG_X86=y\nCONFIG_64BIT=y\n").unwrap().whole);
        // As `make savedefconfig` writes it: what differs from the kernel's defaults, and no architecture.
        for fragment in ["CONFIG_KASAN=y\n", "CONFIG_64BIT=y\nCONFIG_SMP=y\n", ""] {
            assert!(!parse(fragment).unwrap().whole, "{fragment}");
        }
    }

    #[test]
    fn what_describes_the_build_is_left_out() {
        let given = "CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14) 12.2.0\"\nCONFIG_GCC_VERSION=120200\n\
                     CONFIG_RUSTC_VERSION=0\nCONFIG_PAHOLE_VERSION=124\nCONFIG_AS_AVX512=y\n\
                     CONFIG_CC_OPTIMIZE_FOR_SIZE=y\nCONFIG_RUST=y\nCONFIG_ASYNC_CORE=m\nCONFIG_GCC_PLUGINS=y\n";
        assert_snapshot!(parse(given).unwrap().options.text(), @"
        CONFIG_CC_OPTIMIZE_FOR_SIZE=y
        CONFIG_RUST=y
        CONFIG_ASYNC_CORE=m
        CONFIG_GCC_PLUGINS=y
        ");
    }

    #[test]
    fn another_architecture_is_refused() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert_snapshot!(error("CONFIG_64BIT=y\nCONFIG_ARM64=y\n"), @"
        their.config is for arm64, and guests are x86-64 machines

        hint: give a configuration that was made with ARCH=x86_64
        ");
        assert!(error("CONFIG_X86=y\nCONFIG_X86_32=y\n").contains("is for 32-bit x86"));
        assert!(error("# CONFIG_64BIT is not set\n").contains("is for 32-bit x86"));
    }

    #[test]
    fn the_kernel_that_it_was_made_for_stands_in_its_head() {
        let head = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.117 Kernel Configuration\n#\n";
        assert_eq!(version_of(head).unwrap().full, "6.12.117");
        assert_eq!(version_of("CONFIG_A=y\n"), None);
        assert_eq!(version_of("# Linux/x86\n"), None);
    }
}
