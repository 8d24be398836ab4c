use insta::assert_snapshot;

use super::*;

const KCONFIG: &str = r#"
config PSTORE
	bool "Persistent store support"
	select CRC32
	depends on MISC

if PSTORE
config PSTORE_RAM
	tristate "Log panic/oops to a RAM buffer"
	depends on HAS_IOMEM && \
		(REED || SOLOMON) && !NOMMU
	depends on ARCH = "x86" # a comparison is no reason
endif # PSTORE

config CRC32
	bool

config CHOSEN
	bool "A choice"
	depends on PSTORE

config HELPED
	bool "x"
	depends on A && B || C
	help
	  Any text may stand here, and

	  depends on luck

config AFTER
	bool "y"
	help
	  x
	depends on D
"#;

fn why(option: &str, asked: &str, config: &str) -> String {
    let mut options = Options::default();
    options.parse("fs/Kconfig", &KCONFIG.replace("\\\n", " "));
    let unmet = Unmet {
        option: format!("CONFIG_{option}"),
        asked: asked.into(),
        got: String::new(),
        path: PathBuf::new(),
        line: 1,
        why: String::new(),
    };
    options.why(&unmet, &Config::parse(config))
}

#[test]
fn missing_dependencies_are_named_with_those_of_the_block_around() {
    assert_snapshot!(why("PSTORE_RAM", "y", ""), @"fs/Kconfig:8: it depends on PSTORE and HAS_IOMEM and (REED || SOLOMON)");
    assert_snapshot!(why("PSTORE_RAM", "y", "CONFIG_PSTORE=y\nCONFIG_HAS_IOMEM=y\nCONFIG_NOMMU=y\nCONFIG_REED=y"), @"fs/Kconfig:8: it depends on !NOMMU");
    assert_snapshot!(why("AFTER", "y", ""), @"fs/Kconfig:29: it depends on D");
    assert_snapshot!(why("HELPED", "y", "CONFIG_A=y"), @"fs/Kconfig:21: it depends on A && B || C");
}

#[test]
fn what_has_all_it_needs_is_said_so() {
    assert_snapshot!(why("CHOSEN", "y", "CONFIG_PSTORE=y"), @"fs/Kconfig:17: its dependencies are met; its type or a choice does not allow that value");
    assert_snapshot!(why("HELPED", "y", "CONFIG_C=m"), @"fs/Kconfig:21: its dependencies are met; its type or a choice does not allow that value");
}

#[test]
fn what_cannot_be_set_is_explained() {
    assert_snapshot!(why("CRC32", "y", ""), @"fs/Kconfig:14: it cannot be asked for, only other options select it");
    assert_snapshot!(why("CRC32", "n", "CONFIG_PSTORE=y"), @"fs/Kconfig:14: it is selected by PSTORE");
    assert_snapshot!(why("CHOSEN", "n", "CONFIG_CHOSEN=y"), @"fs/Kconfig:17: it is on by default and cannot be switched off here");
}

#[test]
fn an_option_that_does_not_exist_gets_the_nearest() {
    assert_snapshot!(why("PSTORE_ROM", "y", ""), @"this kernel has no such option; did you mean CONFIG_PSTORE_RAM?");
    assert_snapshot!(why("ZZZZZZZZZZZZZ", "y", ""), @"this kernel has no such option");
}
