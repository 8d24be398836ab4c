//! `cargo xtask kvm`: what the harness does on a host with KVM, tried on one without. A Debian machine that QEMU's
//! translator runs, on a processor with AMD's virtualisation, has a `/dev/kvm` that works.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{cargo, debian, need, step};

/// What is run on both, each by itself: a scenario, and the points of it that are no race. A hold of 100 ms ends now before
/// the NMI and now after it; one of 1.5 s never does.
const RUNS: [(&str, &[&str]); 3] =
    [("panic-alone", &[]), ("panic-during-oops-dump", &["--param", "hold=1500ms"]), ("kdump-panic", &[])];

/// Whether guests are restored or booted.
const WAYS: [(&str, &[&str]); 2] = [("restored", &[]), ("cold", &["--cold"])];

/// Trials of a cell.
const TRIALS: &str = "2";

/// What of them is a finding of the accelerator's: without a timeline no order is seen.
const UNSEEN: &str = "order";

/// The suite that is packed, for its kernels.
const SUITE: &str = "quick";

/// In the machine: the kernel's modules that its disk needs, and no others, in the initramfs.
const HOOKS: [&str; 1] = ["mkdir -p $1/etc/initramfs-tools/conf.d $1/usr/share/initramfs-tools/modules.d; \
                           echo MODULES=list > $1/etc/initramfs-tools/conf.d/harness; \
                           printf 'virtio_pci\\nvirtio_blk\\next4\\n' > $1/usr/share/initramfs-tools/modules.d/harness"];

/// What a line of the machine's console begins with that is meant for us.
const MARK: &str = "HARNESS ";

/// How long the machine may print nothing: a guest in it that boots is slow.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The outcomes that were seen, by cell and channel; how often depends on chance.
type Outcomes = BTreeMap<String, BTreeSet<String>>;

/// Makes the machine, runs in it what is run here too, and compares.
pub fn run() -> Result<()> {
    need(&[("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs")])?;
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix("harness-kvm-").tempdir().context("make a folder for the machine")?;
    step("harness", cargo(&["build", "--release", "--locked", "--package", "harness"]))?;
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/harness");
    let pack = folder.path().join("pack");
    step("pack", Command::new(&harness).args(["pack", SUITE, "--output"]).arg(&pack))?;

    let here = outcomes_here(&harness, &pack, folder.path())?;
    let packages = ["linux-image-amd64", "qemu-system-x86", "kmod"];
    let root = debian::root(folder.path(), &packages, &HOOKS)?;
    std::fs::copy(&harness, root.join("usr/bin/harness")).context("copy the harness")?;
    std::fs::copy(&pack, root.join("pack")).context("copy the pack")?;
    let init = root.join("harness-init");
    std::fs::write(&init, script()).context("write what the machine does")?;
    step("its script", Command::new("chmod").arg("755").arg(&init))?;
    let image = folder.path().join("disk");
    debian::image(&root, &image, "4G")?;

    let booted = Instant::now();
    let there = in_machine(&root.join("boot"), &image)?;
    eprintln!("── the machine took {} s, all of it {} s", booted.elapsed().as_secs(), began.elapsed().as_secs());
    compare(&here, &there)
}

/// As PID 1, whose standard error must be no terminal: doctor, then every run, each told by its name and its exit code, with its summary.
fn script() -> String {
    let begin = "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root HARNESS_PACK=/pack\n\
                      mount -t tmpfs tmp /tmp; mkfifo /tmp/log; cat /tmp/log & exec 2> /tmp/log\n\
                      modprobe kvm_amd; cd /root\nharness doctor\n";
    let mut script = vec![begin.to_owned()];
    for (scenario, points) in RUNS {
        for (way, how) in WAYS {
            let words = [points, how].concat().join(" ");
            script.push(format!(
                "harness run --accel kvm --variant stock --scenario {scenario} --trials {TRIALS} --seed 7 --format json {words} > \
                 /tmp/out\necho \"{MARK}$? {scenario} {way} $(tr -d '\\n' < /tmp/out)\"\n"
            ));
        }
    }
    script.push(format!("echo '{MARK}end'; sync; echo o > /proc/sysrq-trigger; sleep 60\n"));
    script.concat()
}

/// What the same runs have here, under TCG.
fn outcomes_here(harness: &Path, pack: &Path, folder: &Path) -> Result<Outcomes> {
    let mut all = Outcomes::new();
    for (scenario, points) in RUNS {
        for (way, how) in WAYS {
            eprintln!("── {scenario}, {way}, under TCG");
            let mut run = Command::new(harness);
            run.args(["run", "--accel", "tcg", "--variant", "stock", "--scenario", scenario, "--trials", TRIALS]);
            run.args(["--seed", "7", "--format", "json", "--results"])
                .arg(folder.join("results"))
                .arg("--pack")
                .arg(pack);
            let output = run.args(points).args(how).stderr(Stdio::inherit()).output().context("run the harness")?;
            add(&mut all, way, &String::from_utf8_lossy(&output.stdout))?;
        }
    }
    Ok(all)
}

/// Boots the machine, shows its console, and collects what it tells.
fn in_machine(boot: &Path, image: &Path) -> Result<Outcomes> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,+svm",
        "-smp",
        "2",
        "-m",
        "5G",
        "-nic",
        "none",
        "-no-reboot",
    ]);
    qemu.args(["-display", "none", "-serial", "stdio", "-monitor", "none"]);
    qemu.arg("-kernel").arg(debian::only(boot, "vmlinuz-")?).arg("-initrd").arg(debian::only(boot, "initrd.img-")?);
    qemu.args(["-append", "root=/dev/vda rw console=ttyS0 loglevel=1 panic=-1 init=/harness-init"]);
    qemu.arg("-drive").arg(format!("file={},if=virtio,format=raw", image.display()));
    eprintln!("── the machine: {qemu:?}");
    let mut machine = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start QEMU")?;
    let console = machine.stdout.take().context("QEMU has no console")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            // Nobody listens any more if the machine was given up.
            let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    });
    let told = listen(&lines);
    // It has powered itself off, or is given up.
    let _ = machine.kill();
    machine.wait().context("wait for QEMU")?;
    told
}

/// Takes the console's lines to the end, for as long as there are any.
fn listen(lines: &mpsc::Receiver<String>) -> Result<Outcomes> {
    let mut all = Outcomes::new();
    loop {
        let line = match lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("the machine has printed nothing for {} s", PATIENCE.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("the machine ended before it had done everything"),
        };
        let Some(told) = line.strip_prefix(MARK) else {
            eprintln!("   {line}");
            continue;
        };
        if told == "end" {
            return Ok(all);
        }
        let mut words = told.splitn(4, ' ');
        let (Some(code), Some(scenario), Some(way), Some(summary)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            bail!("the machine told something else: {told}");
        };
        eprintln!("── {scenario}, {way}, under KVM: exit code {code}");
        // 1 is an expectation that failed, which is compared like all else.
        if !["0", "1"].contains(&code) {
            bail!("{scenario}, {way}: the harness failed in the machine with exit code {code}");
        }
        add(&mut all, way, summary)?;
    }
}

/// Adds the outcomes of a run by its summary.
fn add(all: &mut Outcomes, way: &str, summary: &str) -> Result<()> {
    let summary: Value = serde_json::from_str(summary).with_context(|| format!("read the summary {summary:?}"))?;
    let cells = summary["cells"].as_array().context("the summary has no cells")?;
    for cell in cells {
        let key = format!("{} {} {way}", cell["scenario"], cell["params"]);
        // Whether any trial counted at all, and how the others ended.
        let ends = ["infra_errors", "hung"].into_iter().filter(|name| cell[name].as_u64().is_some_and(|n| n > 0));
        all.insert(key.clone(), ends.map(str::to_owned).collect());
        for (channel, counts) in cell["channels"].as_object().into_iter().flatten().filter(|(name, _)| *name != UNSEEN)
        {
            let seen = counts.as_object().into_iter().flatten().filter(|(_, n)| n.as_u64().is_some_and(|n| n > 0));
            let outcomes = seen.map(|(name, _)| name.clone()).filter(|name| name != "n");
            all.insert(format!("{key} {channel}"), outcomes.collect());
        }
    }
    Ok(())
}

/// That both have the same cells and channels, with the same outcomes.
fn compare(here: &Outcomes, there: &Outcomes) -> Result<()> {
    let mut differ = 0;
    for key in here.keys().chain(there.keys().filter(|key| !here.contains_key(*key))) {
        let (tcg, kvm) = (here.get(key), there.get(key));
        let same = if tcg == kvm { "same  " } else { "DIFFER" };
        differ += usize::from(tcg != kvm);
        println!("{same}  {key}: TCG {tcg:?}, KVM {kvm:?}");
    }
    if differ > 0 {
        bail!("{differ} of {} outcomes under KVM differ from those under TCG", here.len());
    }
    println!("all {} outcomes are the same under KVM", here.len());
    Ok(())
}
