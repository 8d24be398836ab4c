//! Kernels that are configured in other ways than the laboratory's, in virtual time. What comes of all of them is in the
//! suite `configs`.

use crate::common::Project;
use serde_json::Value;

fn trial(project: &Project, variant: &str, arguments: &[&str]) -> Value {
    let how = ["--variant", variant, "--time", "virtual", "--seed", "1", "--format", "json"];
    let record = project.json(&[&["trial"], arguments, &how].concat(), 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    record
}

/// Where each CPU stood at the last look.
fn stood(cpus: &Value) -> Vec<String> {
    let last = |cpu: &Value| match &cpu["at"] {
        Value::Array(looks) => looks.last().unwrap().as_str().unwrap().to_owned(),
        at => at.as_str().unwrap().to_owned(),
    };
    cpus.as_array().unwrap().iter().map(last).collect()
}

/// Nothing of it lies at the addresses of `System.map`, unless chance will have it.
#[test]
fn a_kernel_that_runs_anywhere_is_read_like_one_that_does_not() {
    let project = Project::new();
    let dumped = ["kdump-panic", "--param", "image=loaded", "--param", "post_notifiers=1"];
    for boot in [&[][..], &["--cold"], &["--cold", "--trace", "off"]] {
        let record = trial(&project, "kaslr", &[&dumped[..], boot].concat());
        assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{boot:?}: {record:#}");
        if !boot.contains(&"--trace") {
            assert_eq!(record["channels"]["order"]["outcome"], "kept", "{boot:?}: {record:#}");
        }
        let stood = stood(&record["dump"]["cpus"]);
        assert!(stood[0].contains(" < panic+") && stood[0].contains("[crashlab] < "), "{boot:?}: {record:#}");
        assert!(stood[1..].iter().all(|at| at.contains("default_idle")), "{boot:?}: {record:#}");

        let record = trial(&project, "kaslr", &[&["notifier-hangs"], boot].concat());
        assert_eq!(record["hung"], true, "{boot:?}: {record:#}");
        assert!(record["hung_by"].as_str().unwrap().starts_with("quiet "), "{boot:?}: {record:#}");
        let stood = self::stood(&record["hung_at"]);
        assert!(stood[0].contains("[crashlab] < ") && stood[0].contains(" < panic+"), "{boot:?}: {record:#}");
        assert!(stood[1..].iter().all(|at| at.starts_with("stop_this_cpu+")), "{boot:?}: {record:#}");
    }
}
