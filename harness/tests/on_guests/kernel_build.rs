//! The kernel stage on the real kernel, where a kernel of three files cannot say it all.

use crate::common::{Project, text};

fn variant(project: &Project, name: &str, rest: &str) {
    let yaml = format!("name: {name}\ntitle: a test\nclaim: none\nsource: this test\n{rest}");
    project.write(&format!("guest-kernel/variants/{name}/variant.yaml"), &yaml);
}

/// What `build` says of a variant that it cannot build: that is the variant's fault, so the exit code is 2.
fn refused(project: &Project, name: &str) -> String {
    let output = project.run(&["build", name]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn what_cannot_be_built_is_told_by_its_cause() {
    let project = Project::new();

    // A patch whose context is not there.
    let patch = "--- a/kernel/panic.c\n+++ b/kernel/panic.c\n@@ -425,3 +425,4 @@\n \tif (this_is_not_there)\n+\t\treturn;\n \
                 \t\tnothing();\n \n";
    variant(&project, "misfit", "series: [ { patches: [misfit.patch] } ]\n");
    project.write("guest-kernel/variants/misfit/misfit.patch", patch);
    let said = refused(&project, "misfit");
    assert!(said.contains("misfit.patch") && said.contains("kernel/panic.c") && said.contains("425"), "{said}");

    // An option that this kernel cannot have.
    variant(&project, "greedy", "config: [greedy.config]\n");
    project.write("guest-kernel/configs/greedy.config", "CONFIG_XEN=y\n");
    let said = refused(&project, "greedy");
    assert!(said.contains("CONFIG_XEN") && said.contains("greedy.config:1"), "{said}");

    // A patch that applies and does not compile.
    let patch = std::fs::read_dir(project.path().join("guest-kernel/variants/kmsg-dump-before-stop"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "patch"))
        .unwrap();
    let patch = std::fs::read_to_string(patch).unwrap();
    let broken = patch.replace("+	kmsg_dump_desc(KMSG_DUMP_PANIC, buf);", "+	kmsg_dump_desc(KMSG_DUMP_PANIC, buffer);");
    assert_ne!(patch, broken);
    variant(&project, "broken", "series: [ { patches: [broken.patch] } ]\n");
    project.write("guest-kernel/variants/broken/broken.patch", &broken);
    let said = refused(&project, "broken");
    assert!(said.contains("kernel/panic.c") && said.contains("'buffer' undeclared"), "{said}");

    // And none of it has spoilt the workbench, or what is in the cache.
    assert!(project.run(&["build", "stock"]).status.success());
}
