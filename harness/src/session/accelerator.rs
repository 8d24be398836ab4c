//! What executes the guests of a session: as it was asked for, if this machine can.

use crate::failure::Failure;
use crate::guest::{Accelerator, Time};
use crate::preflight::Report;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Asked {
    /// TCG, whose guests have timelines; KVM where TCG runs nothing
    #[default]
    Auto,
    /// QEMU's translator: every guest has a timeline
    Tcg,
    /// The host's processor: faster, and guests have no timelines
    Kvm,
}

impl From<Accelerator> for Asked {
    fn from(accelerator: Accelerator) -> Self {
        match accelerator {
            Accelerator::Kvm => Self::Kvm,
            Accelerator::Tcg => Self::Tcg,
        }
    }
}

impl Asked {
    /// The word for it on a command line; none for what is done anyway.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Tcg => Some(Accelerator::Tcg.name()),
            Self::Kvm => Some(Accelerator::Kvm.name()),
        }
    }
}

/// What is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// It.
    pub accelerator: Accelerator,
    /// What the user should know of it.
    pub note: Option<&'static str>,
}

/// What guests run under that are traced, or that cannot be.
const KVM_TOO: &str = "note: guests run under TCG. KVM works here too, and --accel kvm is faster: without timelines, so that \
                       channel order is not seen, and not with --time virtual";
const NO_TIMELINE: &str = "note: guests run under KVM, where QEMU does not see what they execute: there are no timelines, and \
                           channel order is not seen; all other channels are";
const NO_TCG: &str = "note: TCG runs no guest here (harness doctor tells why), so that guests run under KVM: there are no \
                      timelines, and channel order is not seen; all other channels are";

/// What executes the guests on the machine that `report` is of.
pub fn choose(report: &Report, asked: Asked, time: Time) -> Result<Chosen, Failure> {
    let accelerator = match (asked, time) {
        (Asked::Kvm, Time::Virtual) => {
            return Err(Failure::input(
                "--time virtual goes by the instructions that QEMU executes, and under KVM it executes none\n\n\
                 hint: leave out --accel kvm, or --time virtual",
            ));
        }
        (Asked::Kvm, Time::Real) => Accelerator::Kvm,
        (Asked::Tcg, _) | (Asked::Auto, Time::Virtual) => Accelerator::Tcg,
        (Asked::Auto, Time::Real) => report.accelerator.unwrap_or(Accelerator::Tcg),
    };
    // Where nothing runs a guest, all that was found is told.
    if report.accelerator.is_some()
        && let Some(why) = report.fault_of(accelerator)
    {
        let other = match accelerator {
            Accelerator::Kvm => "leave out --accel kvm, and guests run under TCG",
            Accelerator::Tcg => "harness doctor",
        };
        let hint = why.mend.as_deref().unwrap_or(other);
        return Err(Failure::host(format!(
            "guests cannot run under {accelerator} here: {}\n\nhint: {hint}",
            why.detail
        )));
    }
    let note = match (accelerator, asked) {
        (Accelerator::Kvm, Asked::Kvm | Asked::Tcg) => Some(NO_TIMELINE),
        (Accelerator::Kvm, Asked::Auto) => Some(NO_TCG),
        (Accelerator::Tcg, Asked::Auto) if time == Time::Real && report.fault_of(Accelerator::Kvm).is_none() => {
            Some(KVM_TOO)
        }
        (Accelerator::Tcg, _) => None,
    };
    Ok(Chosen { accelerator, note })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::{Finding, Status};

    /// A machine on which these work.
    fn report(works: &[Accelerator]) -> Report {
        let finding = |accelerator: Accelerator| Finding {
            id: Finding::id_of(accelerator),
            title: String::new(),
            status: if works.contains(&accelerator) { Status::Ok } else { Status::Warn },
            detail: "Permission denied".to_owned(),
            mend: (accelerator == Accelerator::Kvm).then(|| "join the group kvm".to_owned()),
            packages: Vec::new(),
        };
        let findings = [Accelerator::Kvm, Accelerator::Tcg].map(finding).into();
        Report { findings, accelerator: works.first().copied(), qemu: None }
    }

    #[test]
    fn what_is_asked_for_is_used_or_refused() {
        use Accelerator::{Kvm, Tcg};
        let used = |works: &[Accelerator], asked, time| match choose(&report(works), asked, time) {
            Ok(Chosen { accelerator, note }) => {
                format!("{accelerator}{}", note.map(|note| format!(", {}", &note[6..40])).unwrap_or_default())
            }
            Err(failure) => failure.to_string(),
        };
        let both = [Tcg, Kvm];
        assert_eq!(used(&both, Asked::Auto, Time::Real), "tcg, guests run under TCG. KVM works he");
        assert_eq!(used(&[Tcg], Asked::Auto, Time::Real), "tcg");
        assert_eq!(used(&[Kvm], Asked::Auto, Time::Real), "kvm, TCG runs no guest here (harness do");
        assert_eq!(used(&both, Asked::Auto, Time::Virtual), "tcg");
        assert_eq!(used(&both, Asked::Tcg, Time::Real), "tcg");
        assert_eq!(used(&both, Asked::Kvm, Time::Real), "kvm, guests run under KVM, where QEMU d");
        insta::assert_snapshot!(used(&[Tcg], Asked::Kvm, Time::Real), @"
        guests cannot run under kvm here: Permission denied

        hint: join the group kvm
        ");
        insta::assert_snapshot!(used(&both, Asked::Kvm, Time::Virtual), @"
        --time virtual goes by the instructions that QEMU executes, and under KVM it executes none

        hint: leave out --accel kvm, or --time virtual
        ");
        insta::assert_snapshot!(used(&[Kvm], Asked::Auto, Time::Virtual), @"
        guests cannot run under tcg here: Permission denied

        hint: harness doctor
        ");
    }
}
