use insta::assert_snapshot;

use super::*;

/// gcc 12 on 6.12.117 with `kernel/panic.c` broken; `make --output-sync=target`.
const COMPILER: &str = "\
  CC      kernel/cpu.o
kernel/panic.c: In function 'panic':
kernel/panic.c:341:9: error: 'harness_broke_this' undeclared (first use in this function)
  341 |         harness_broke_this = 1;
      |         ^~~~~~~~~~~~~~~~~~
kernel/panic.c:341:9: note: each undeclared identifier is reported only once for each function it appears in
make[3]: *** [scripts/Makefile.build:229: kernel/panic.o] Error 1
make[2]: *** [scripts/Makefile.build:478: kernel] Error 2
make: *** [Makefile:224: __sub-make] Error 2
";

#[test]
fn the_compilers_first_error_comes_with_its_source() {
    assert_snapshot!(first_error(COMPILER), @"
    kernel/panic.c:341:9: error: 'harness_broke_this' undeclared (first use in this function)
        341 |         harness_broke_this = 1;
            |         ^~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn other_tools_errors_are_found_too() {
    let linker = "  LD      .tmp_vmlinux1\nld: kernel/panic.o: in function `panic':\npanic.c:(.text+0x1): undefined \
                  reference to `nowhere'\nmake[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Error 1\n";
    assert_snapshot!(first_error(linker), @"panic.c:(.text+0x1): undefined reference to `nowhere'");
    let modpost = "ERROR: modpost: \"panic_cpu\" [crashlab.ko] undefined!\nmake: *** [Makefile:1] Error 1\n";
    assert_snapshot!(first_error(modpost), @r#"ERROR: modpost: "panic_cpu" [crashlab.ko] undefined!"#);
    let rule = "make[3]: *** No rule to make target 'kernel/gone.o', needed by 'kernel/built-in.a'.  Stop.\n";
    assert_snapshot!(first_error(rule), @"make[3]: *** No rule to make target 'kernel/gone.o', needed by 'kernel/built-in.a'.  Stop.");
    let kconfig =
        "init/Kconfig:12: syntax error\ninit/Kconfig:11: unknown statement \"confg\"\nmake: *** [x] Error 1\n";
    assert_snapshot!(first_error(kconfig), @"init/Kconfig:12: syntax error");
}

#[test]
fn a_missing_package_becomes_the_hint() {
    let flex =
        first_error("  LEX     scripts/kconfig/lexer.lex.c\n/bin/sh: 1: flex: not found\nmake[1]: *** Error 127\n");
    assert_eq!(flex.hint(), "apt install flex; ");
    let elf = first_error("include/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory\n");
    assert_eq!(elf.hint(), "apt install libelf-dev; ");
    assert_eq!(first_error(COMPILER).hint(), "");
}

#[test]
fn a_log_without_an_error_gives_its_last_line() {
    assert_eq!(first_error("  CC      a.o\nKilled\n").error, "Killed");
    assert_eq!(first_error("").error, "it said nothing");
}

#[test]
fn a_full_disk_is_seen() {
    assert!(disk_full("/usr/bin/ld: final link failed: No space left on device\n"));
    assert!(!disk_full(COMPILER));
}
