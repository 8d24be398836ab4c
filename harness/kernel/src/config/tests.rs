use insta::assert_snapshot;

use super::*;

fn fragments(texts: &[&str]) -> Result<Fragments, KernelError> {
    let mut merged = Fragments::default();
    for (number, text) in texts.iter().enumerate() {
        merged.merge(Path::new(&format!("{number}.config")), text)?;
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

#[test]
fn the_fragments_go_over_the_trees_own_tinyconfig() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("kernel/configs")).unwrap();
    fs::write(tree.path().join("kernel/configs/tiny-base.config"), "CONFIG_EXPERT=y\n").unwrap();
    fs::write(tree.path().join("kernel/configs/tiny.config"), "CONFIG_SLUB=y\nCONFIG_KERNEL_XZ=y\n").unwrap();
    let asked = fragments(&["CONFIG_KERNEL_XZ=n\nCONFIG_KERNEL_GZIP=y\n"]).unwrap();
    assert_snapshot!(allconfig(tree.path(), &asked).unwrap(), @"
    CONFIG_EXPERT=y
    CONFIG_SLUB=y
    # CONFIG_KERNEL_XZ is not set
    CONFIG_KERNEL_GZIP=y
    ");
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
        let fragments = for_version(configs.path(), &version.parse().unwrap()).unwrap();
        fragments.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("5.10.223"), ["guest.config", "guest.until-6.1.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.1.192"), ["guest.config", "guest.until-6.1.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.5.3"), ["guest.config", "guest.since-6.5.config", "guest.until-6.5.config"]);
    assert_eq!(names("6.12.117"), ["guest.config", "guest.since-6.5.config"]);
    fs::write(configs.path().join("guest.sicne-7.0.config"), "").unwrap();
    let error = for_version(configs.path(), &"7.2".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("guest.sicne-7.0.config"), "{error}");
}
