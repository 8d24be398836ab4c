//! One line of what the host asks for.

use std::time::Duration;

/// A directive; what its words mean stands in the table at the top of the crate.
#[derive(Debug, PartialEq, Eq)]
pub enum Directive<'a> {
    Nonce(&'a str),
    Witnesses(u32),
    Set { path: &'a str, value: &'a str },
    Arm,
    AwaitHost,
    AwaitTracer,
    ReloadCrashKernel(usize),
    RunOn(usize),
    Fire { after: Duration },
    ReadPstore,
}

impl<'a> Directive<'a> {
    pub fn parse(line: &'a str) -> Result<Self, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "nonce" if !rest.is_empty() => Ok(Self::Nonce(rest)),
            "witnesses" => rest.parse().map(Self::Witnesses).map_err(|e| e.to_string()),
            "set" => rest
                .split_once(' ')
                .map(|(path, value)| Self::Set { path, value })
                .ok_or_else(|| "a path and a value are needed".to_owned()),
            "arm" if !rest.is_empty() => Ok(Self::Arm),
            "await-host" if rest.is_empty() => Ok(Self::AwaitHost),
            "await-tracer" if rest.is_empty() => Ok(Self::AwaitTracer),
            "reload-crash-kernel" => rest.parse().map(Self::ReloadCrashKernel).map_err(|e| e.to_string()),
            "run-on" => rest.parse().map(Self::RunOn).map_err(|e| e.to_string()),
            "fire" if rest.is_empty() => Ok(Self::Fire { after: Duration::ZERO }),
            "fire" => rest
                .strip_prefix("after_us=")
                .and_then(|us| us.parse().ok())
                .map(|us| Self::Fire { after: Duration::from_micros(us) })
                .ok_or_else(|| "after_us=N is all that may follow".to_owned()),
            "read-pstore" if rest.is_empty() => Ok(Self::ReadPstore),
            _ => Err("not a directive".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Directive, Duration};

    #[test]
    fn every_directive_is_read() {
        assert_eq!(Directive::parse("nonce 00ff"), Ok(Directive::Nonce("00ff")));
        assert_eq!(Directive::parse("witnesses 32"), Ok(Directive::Witnesses(32)));
        assert_eq!(
            Directive::parse("set /proc/sys/kernel/printk 8 4 1 7"),
            Ok(Directive::Set { path: "/proc/sys/kernel/printk", value: "8 4 1 7" })
        );
        assert_eq!(Directive::parse("arm oops oops cpu=1 at_us=0"), Ok(Directive::Arm));
        assert_eq!(Directive::parse("await-host"), Ok(Directive::AwaitHost));
        assert_eq!(Directive::parse("await-tracer"), Ok(Directive::AwaitTracer));
        assert_eq!(Directive::parse("reload-crash-kernel 1"), Ok(Directive::ReloadCrashKernel(1)));
        assert_eq!(Directive::parse("run-on 3"), Ok(Directive::RunOn(3)));
        assert_eq!(Directive::parse("fire"), Ok(Directive::Fire { after: Duration::ZERO }));
        assert_eq!(Directive::parse("fire after_us=250"), Ok(Directive::Fire { after: Duration::from_micros(250) }));
        assert_eq!(Directive::parse("read-pstore"), Ok(Directive::ReadPstore));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "fire now",
            "fire after_us=soon",
            "run-on",
            "await-tracer please",
            "set /proc",
            "witnesses many",
            "reload-crash-kernel",
            "arm",
            "nonce",
            "reboot",
        ] {
            assert!(Directive::parse(line).is_err(), "{line}");
        }
    }
}
