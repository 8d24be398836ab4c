//! A program of the user's, run in guests: its end, its output, and the commit since which it kills the kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::{Project, text};
use crate::history::{git, tree};

/// Does what its argument says. The memory of a guest is all that it takes to have its kernel panic.
const PROGRAM: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long long seed = strtoull(getenv("HARNESS_SEED"), NULL, 10);
	const char *what = argc > 1 ? argv[1] : "";

	printf("%s of %d\n", what, argc);
	fflush(stdout);
	if (!strcmp(what, "spins"))
		for (;;)
			;
	if (!strcmp(what, "crashes"))
		raise(SIGSEGV);
	if (!strcmp(what, "resets"))
		reboot(RB_AUTOBOOT);
	if (!strcmp(what, "eats")) {
		int fd = open("/proc/sys/vm/panic_on_oom", O_WRONLY);

		if (fd < 0 || write(fd, "2", 1) != 1)
			return 9;
		for (;;) {
			char *piece = malloc(1 << 20);

			if (piece)
				memset(piece, 1, 1 << 20);
		}
	}
	if (!strcmp(what, "shouts"))
		for (int i = 0; i < 100000; i++)
			puts("a line that is one of many");
	if (!strcmp(what, "seldom"))
		umask(seed % 25 ? 022 : 0x5a5a);
	return 3;
}
"#;

/// Builds the program, below the project's scenarios.
fn build(project: &Project, name: &str, options: &[&str]) {
    let source = project.path().join("repro.c");
    fs::write(&source, PROGRAM).unwrap();
    let to = project.path().join("scenarios").join(name);
    let built = Command::new("cc").args(options).arg("-o").arg(&to).arg(&source).status().unwrap();
    assert!(built.success());
}

fn scenario(name: &str, workload: &str) -> String {
    format!(
        "name: {name}\ntitle: a program\nwhy: it may kill the kernel\nsource: a test\n\
         deadline: 300s\nparams: {{ what: [lives, crashes, shouts, resets, eats] }}\nworkload: {workload}\nexpect: []\n"
    )
}

#[test]
fn a_program_ends_or_its_kernel_does_and_each_counts() {
    let project = Project::new();
    build(&project, "repro", &["-static", "-O1"]);
    let program = "program: ./repro, args: [$what, two], cpus: [1, 2]";
    project.write("scenarios/program.yaml", &scenario("program", &format!("{{ {program}, for: 250s }}")));
    let spins = scenario("spins", &format!("{{ {program}, for: 1s }}"));
    project.write("scenarios/spins.yaml", &spins.replace("[lives, crashes, shouts, resets, eats]", "[spins]"));
    let run = ["run", "--seed", "7", "--trials", "1", "--format", "json", "--variant", "stock"];
    let summary = project.json(&[&run[..], &["--scenario", "program", "--scenario", "spins"]].concat(), 0);
    for cell in summary["cells"].as_array().unwrap() {
        assert_eq!(
            (&cell["missed"], &cell["infra_errors"], &cell["hung"]),
            (&0.into(), &0.into(), &0.into()),
            "{cell}"
        );
    }
    for record in project.records() {
        let what = record["params"]["what"].as_str().unwrap();
        let exit = record["workload"]["exit"].as_str();
        let survived = record["survived"].as_bool().unwrap_or(false);
        let panic = record["panic"].as_str().unwrap_or_default();
        let want = match what {
            "lives" | "shouts" => (Some("code 3"), true, ""),
            "crashes" => (Some("signal 11"), true, ""),
            "spins" => (Some("stopped"), true, ""),
            "resets" => (None, false, ""),
            _ => (None, false, "Out of memory"),
        };
        assert_eq!((exit, survived), (want.0, want.1), "{record}");
        assert!(panic.starts_with(want.2) && panic.is_empty() == want.2.is_empty(), "{record}");
        assert_eq!(record["channels"].as_object().is_none_or(serde_json::Map::is_empty), survived, "{record}");
        let folder = project.results().join(format!("latest/artifacts/{:05}", record["index"].as_u64().unwrap()));
        let output = fs::read_to_string(folder.join("workload.txt")).unwrap_or_default();
        assert!(output.starts_with(&format!("{what} of 3\n")), "{what}: {output:?}");
        assert!(output.len() <= 16 << 10 && (what != "shouts" || output.len() == 16 << 10), "{what}: {}", output.len());
        if what == "eats" {
            assert_eq!(record["channels"]["console"]["outcome"], "saved", "{record}");
        }
    }
}

#[test]
fn a_program_that_cannot_be_run_is_refused_before_anything_is_built() {
    let project = Project::new();
    let put = |name: &str, bytes: &[u8], mode: u32| {
        let path = project.path().join("scenarios").join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    build(&project, "dynamic", &[]);
    build(&project, "static", &["-static"]);
    let program = fs::read(project.path().join("scenarios/static")).unwrap();
    put("not-executable", &program, 0o644);
    put("script", b"#!/bin/sh\n", 0o755);
    put("large", &[program.clone(), vec![0; 33 << 20]].concat(), 0o755);
    let mut other = program;
    other[18..20].copy_from_slice(&183u16.to_le_bytes());
    put("other", &other, 0o755);
    for (name, why) in [
        ("dynamic", "it is not static"),
        ("not-executable", "it is not executable"),
        ("script", "it is a script"),
        ("large", "it has 34 MiB, and at most 32 fit"),
        ("other", "it is for another machine (aarch64)"),
        ("nowhere", "No such file"),
    ] {
        let workload = format!("{{ program: ./{name}, args: [$what], for: 1s }}");
        project.write("scenarios/program.yaml", &scenario("program", &workload));
        let refused = project.run(&["run", "--scenario", "program", "--trials", "1"]);
        assert_eq!(refused.status.code(), Some(2), "{name}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(why), "{name}: {}", text(&refused.stderr));
    }
}

/// 32 commits on the good end of the tests' history, none of which touches what it is of: in one of them a system call
/// panics that the program makes in one of 25 trials.
fn history(tree: &Path, culprit: usize) -> String {
    let umask = git(tree, &["show", "good:kernel/sys.c"]) + "\n";
    let before = "\tmask = xchg(&current->fs->umask, mask & S_IRWXUGO);\n";
    assert_eq!(umask.matches(before).count(), 1);
    let mut found = String::new();
    git(tree, &["read-tree", "good"]);
    git(tree, &["update-ref", "refs/heads/kills", "good"]);
    for number in 1..=32 {
        let (file, text, message) = if number == culprit {
            let panics = format!("\tif (mask == 0x5a5a)\n\t\tpanic(\"demo: no mask %#x\", mask);\n{before}");
            ("kernel/sys.c", umask.replace(before, &panics), "kernel/sys.c: refuse a mask".to_owned())
        } else {
            let file = ["lib/string.c", "kernel/utsname.c", "lib/kstrtox.c", "kernel/params.c"][number % 4];
            let text = git(tree, &["show", &format!("kills:{file}")]);
            let more = format!("\nstatic int __used harness_demo_{number}(void)\n{{\n\treturn {number};\n}}\n");
            (file, text + "\n" + &more, format!("{file}: add harness_demo_{number}()"))
        };
        let blob = tree.join(".git/blob");
        fs::write(&blob, text).unwrap();
        let blob = git(tree, &["hash-object", "-w", blob.to_str().unwrap()]);
        git(tree, &["update-index", "--cacheinfo", &format!("100644,{blob},{file}")]);
        let written = git(tree, &["write-tree"]);
        let commit = git(tree, &["commit-tree", &written, "-p", "kills", "-m", &message]);
        git(tree, &["update-ref", "refs/heads/kills", &commit]);
        if number == culprit {
            found = commit;
        }
    }
    found
}

/// By default's confidence; the seed is fixed, so that nothing here is left to luck.
#[test]
fn the_commit_since_which_a_program_kills_the_kernel_now_and_then_is_found() {
    let project = Project::new();
    build(&project, "repro", &["-static", "-O1"]);
    let seldom = scenario("program", "{ program: ./repro, args: [$what], for: 5s }");
    project.write("scenarios/program.yaml", &seldom.replace("[lives, crashes, shouts, resets, eats]", "[seldom]"));
    let copied = project.path().join("tree");
    let from = tree().path;
    git(project.path(), &["clone", "--quiet", "--shared", "--no-checkout", from.to_str().unwrap(), "tree"]);
    let culprit = history(&copied, 21);
    let bisect = [
        "bisect",
        "--tree",
        "tree",
        "--good",
        "good",
        "--bad",
        "kills",
        "--scenario",
        "program",
        "--panic",
        "demo: no mask",
    ];
    let found = project.json(&[&bisect[..], &["--seed", "2012", "--format", "json"]].concat(), 0);
    assert_eq!(found["conclusion"]["kind"], "found", "{found}");
    assert_eq!(found["conclusion"]["commit"]["id"], culprit.as_str(), "{found}");
    assert_eq!(found["conclusion"]["before"]["events"], 0, "{found}");
    let records = project.records();
    let died = records.iter().filter(|record| record["panic"] == "demo: no mask 0x5a5a").count();
    assert!(died > 0 && records.iter().all(|record| record["outcome"] == "counted"), "{died} of {}", records.len());
}
