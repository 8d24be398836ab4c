use insta::assert_snapshot;

use super::*;

fn fragments(texts: &[&str]) -> Result<Fragments, KernelError> {
    let mut merged = Fragments::default();
    for (number, text) in texts.iter().enumerate() {
        merged = merged.under(&Fragments::parse(Path::new(&format!("{number}.config")), text)?);
    }
    Ok(merged)
}

#[test]
fn later_fragments_win_and_come_last() {
    let merged = fragments(&[
        "# a comment\nCONFIG_A=y\nCONFIG_B=n\n\nCONFIG_NR=8\n",
        "# CONFIG_A is not set\nCONFIG_S=\"text # with = signs\"\nCONFIG_X=0x1F\nCONFIG_I=-1\n",
    ]);
    assert_snapshot!(merged.unwrap().text(), @r#"
    # CONFIG_B is not set
    CONFIG_NR=8
    # CONFIG_A is not set
    CONFIG_S="text # with = signs"
    CONFIG_X=0x1F
    CONFIG_I=-1
    "#);
}

#[test]
fn lines_that_mean_nothing_are_refused() {
    let error = |text: &str| fragments(&[text]).unwrap_err().to_string();
    assert_snapshot!(error("CONFIG_A=y\nCONFIG_B = y\n"), @"
    reading 0.config: line 2 is not an option: CONFIG_B = y

    hint: write `CONFIG_NAME=y`, `CONFIG_NAME=n` or `# CONFIG_NAME is not set`
    ");
    for text in ["PSTORE=y", "CONFIG_A", "CONFIG_A=yes", "CONFIG_=y", "CONFIG_A B=y", "CONFIG_A=", "CONFIG_A=0x"] {
        assert!(fragments(&[text]).is_err(), "{text}");
    }
}

#[test]
fn off_and_not_mentioned_are_the_same_and_all_else_must_be_equal() {
    let asked = fragments(&["CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=8\nCONFIG_E=y\nCONFIG_F=n\nCONFIG_G=y\n"]);
    let config = Config::parse("# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_D=64\nCONFIG_E=m\nCONFIG_F=y\n");
    let unmet = asked.unwrap().unmet(&config);
    let lines: Vec<String> = unmet.iter().map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"), @"
    CONFIG_D: asked 8, got 64 (0.config:4)
    CONFIG_E: asked y, got m (0.config:5)
    CONFIG_F: asked n, got y (0.config:6)
    CONFIG_G: asked y, got n (0.config:7)
    ");
}

/// The project's configs, each option called after its file.
fn configs() -> tempfile::TempDir {
    let configs = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("guest.config", "CONFIG_GUEST=y\nCONFIG_KERNEL_XZ=n\nCONFIG_RANDOMIZE_BASE=n\n"),
        ("required.config", "CONFIG_REQUIRED=y\nCONFIG_PSTORE=y\n"),
        ("required.until-6.5.config", "CONFIG_CRYPTO=y\n"),
        ("whole.config", "CONFIG_SYSTEM_TRUSTED_KEYS=\"\"\n"),
        ("variant.config", "CONFIG_VARIANT=y\nCONFIG_PSTORE=n\n"),
    ] {
        fs::write(configs.path().join(name), text).unwrap();
    }
    configs
}

/// What a 6.12 kernel is configured by, of what a user gives.
fn wanted(given: Option<(&str, bool)>) -> (String, &'static str) {
    let (configs, tree) = (configs(), tempfile::tempdir().unwrap());
    fs::create_dir_all(tree.path().join("kernel/configs")).unwrap();
    fs::write(tree.path().join("kernel/configs/tiny-base.config"), "CONFIG_EXPERT=y\n").unwrap();
    fs::write(tree.path().join("kernel/configs/tiny.config"), "CONFIG_SLUB=y\nCONFIG_KERNEL_XZ=y\n").unwrap();
    let given = given
        .map(|(text, whole)| Kconfig { whole, options: Fragments::parse(Path::new("given.config"), text).unwrap() });
    let variant = [configs.path().join("variant.config")];
    let wanted = Wanted::of(configs.path(), &"6.12.1".parse().unwrap(), given.as_ref(), &variant).unwrap();
    (wanted.allconfig(tree.path(), harness_model::Arch::default()).unwrap(), wanted.target())
}

#[test]
fn the_fragments_go_over_the_trees_own_tinyconfig() {
    let (text, target) = wanted(None);
    assert_eq!(target, "allnoconfig");
    assert_snapshot!(text, @"
    CONFIG_EXPERT=y
    CONFIG_SLUB=y
    CONFIG_GUEST=y
    # CONFIG_KERNEL_XZ is not set
    # CONFIG_RANDOMIZE_BASE is not set
    CONFIG_REQUIRED=y
    CONFIG_VARIANT=y
    # CONFIG_PSTORE is not set
    ");
}

#[test]
fn what_the_harness_needs_goes_over_a_users_fragment() {
    let (text, target) = wanted(Some(("CONFIG_RANDOMIZE_BASE=y\nCONFIG_REQUIRED=n\nCONFIG_KASAN=y\n", false)));
    assert_eq!(target, "allnoconfig");
    assert_snapshot!(text, @"
    CONFIG_EXPERT=y
    CONFIG_SLUB=y
    CONFIG_GUEST=y
    # CONFIG_KERNEL_XZ is not set
    CONFIG_RANDOMIZE_BASE=y
    CONFIG_KASAN=y
    CONFIG_REQUIRED=y
    CONFIG_VARIANT=y
    # CONFIG_PSTORE is not set
    ");
}

#[test]
fn a_whole_config_takes_the_laboratorys_place() {
    let given = "CONFIG_RANDOMIZE_BASE=y\nCONFIG_SYSTEM_TRUSTED_KEYS=\"debian/certs/x.pem\"\nCONFIG_PSTORE=m\n";
    let (text, target) = wanted(Some((given, true)));
    assert_eq!(target, "alldefconfig");
    assert_snapshot!(text, @r#"
    CONFIG_RANDOMIZE_BASE=y
    CONFIG_SYSTEM_TRUSTED_KEYS=""
    CONFIG_REQUIRED=y
    CONFIG_VARIANT=y
    # CONFIG_PSTORE is not set
    "#);
}

#[test]
fn some_fragments_are_for_some_versions() {
    let configs = tempfile::tempdir().unwrap();
    for name in
        ["guest.config", "guest.since-6.5.config", "guest.until-6.5.config", "guest.until-6.1.config", "more.config"]
    {
        fs::write(configs.path().join(name), "").unwrap();
    }
    let names = |version: &str| -> Vec<String> {
        let fragments = for_version(configs.path(), GUEST, &version.parse().unwrap()).unwrap();
        fragments.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("5.10.223"), ["guest.config", "guest.until-6.1.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.1.192"), ["guest.config", "guest.until-6.1.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.5.3"), ["guest.config", "guest.since-6.5.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.12.117"), ["guest.config", "guest.since-6.5.config"]);
    fs::write(configs.path().join("guest.sicne-7.0.config"), "").unwrap();
    let error = for_version(configs.path(), GUEST, &"7.2".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("guest.sicne-7.0.config"), "{error}");
}
