//! Consoles beside the serial one: each has to show what the kernel has logged, from guests that are restored and from
//! guests that are booted, and only that.

use serde_json::Value;

use crate::common::{Project, text};

const ACTORS: &str = "actors:\n  - panic: { name: panic, cpu: 0, at: 100ms }\n";

fn scenario(name: &str, consoles: &str, rest: &str) -> String {
    format!(
        "name: {name}\ntitle: a test\nwhy: a test\nsource: this test\nguest: {{ consoles: [{consoles}] }}\n{rest}{ACTORS}\
         expect:\n  - {{ channel: console, outcome: saved }}\n"
    )
}

/// One trial, in virtual time.
fn trial(project: &Project, scenario: &str, how: &[&str]) -> Value {
    let common = ["trial", scenario, "--time", "virtual", "--seed", "1", "--format", "json"];
    project.json(&[&common[..], how].concat(), 0)
}

fn artifact(project: &Project, name: &str) -> Vec<u8> {
    std::fs::read(project.results().join("latest/artifacts/00000").join(name)).unwrap()
}

/// The lines from the first witness on, each as the kernel has it.
fn tail(console: &[u8]) -> Vec<String> {
    let console = text(console);
    let lines = console.lines().map(|line| line.trim_end_matches('\r').to_owned());
    lines.skip_while(|line| !line.contains("witness ")).collect()
}

#[test]
fn a_boot_console_that_is_kept_shows_the_log_on_a_second_line() {
    let project = Project::new();
    project.write("scenarios/two-lines.yaml", &scenario("two-lines", "earlycon", ""));
    for how in [&[][..], &["--cold"]] {
        let record = trial(&project, "two-lines", how);
        assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
        for channel in ["console", "earlycon"] {
            assert_eq!(record["channels"][channel]["outcome"], "saved", "{channel} {how:?}: {record:#}");
        }
        let shown = tail(&artifact(&project, "earlycon.log"));
        assert!(shown.len() > 40 && shown == tail(&artifact(&project, "console.log")), "{how:?}: {shown:#?}");
    }
}

#[test]
fn netconsole_sends_the_log_to_the_harness_and_nobody_else() {
    let project = Project::new();
    project.write("scenarios/sent.yaml", &scenario("sent", "netconsole", ""));
    for how in [&["--variant", "netconsole"][..], &["--variant", "netconsole", "--cold"]] {
        let record = trial(&project, "sent", how);
        assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &false.into()), "{record:#}");
        for channel in ["console", "netconsole"] {
            assert_eq!(record["channels"][channel]["outcome"], "saved", "{channel} {how:?}: {record:#}");
        }
        let sent = tail(&artifact(&project, "netconsole.log"));
        assert!(sent.len() > 40 && sent == tail(&artifact(&project, "console.log")), "{how:?}: {sent:#?}");
        let pcap = artifact(&project, "netconsole.pcap");
        assert_eq!(pcap[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "a pcap file");
        let complaint = text(&artifact(&project, "qemu.stderr"));
        assert!(complaint.trim_end().ends_with("hub 2 is not connected to host network"), "{complaint}");
    }
}

/// A control of the above: a kernel that is told to stop sending is seen not to have sent.
#[test]
fn what_netconsole_does_not_send_is_lost() {
    let project = Project::new();
    // Nothing below the loglevel is shown; the panic itself raises it (console_verbose()).
    let quiet = "knobs:\n  - sysctl: { name: kernel.printk, value: 1 }\n";
    project.write("scenarios/quiet.yaml", &scenario("quiet", "earlycon, netconsole", quiet));
    let record = trial(&project, "quiet", &["--variant", "netconsole"]);
    for channel in ["console", "earlycon", "netconsole"] {
        let verdict = &record["channels"][channel];
        assert_eq!((&verdict["outcome"], &verdict["witnesses"]), (&"truncated".into(), &0.into()), "{record:#}");
    }
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
}

#[test]
fn a_kernel_without_netconsole_is_skipped_before_anything_is_run() {
    let project = Project::new();
    project.write("scenarios/sent.yaml", &scenario("sent", "netconsole", ""));
    let output = project.run(&["run", "--scenario", "sent", "--variant", "stock", "--trials", "1"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("CONFIG_NETCONSOLE is not set"), "{said}");
}
