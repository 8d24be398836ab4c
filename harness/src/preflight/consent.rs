//! Whether packages may be installed: decided from facts, asked only at a terminal.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};

/// What the decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// `--yes` was given.
    pub yes: bool,
    /// Somebody can be asked: both standard input and standard error are a terminal.
    pub terminal: bool,
    /// We are root.
    pub root: bool,
}

/// Whether to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Go ahead.
    Given,
    /// Ask first.
    Ask,
    /// Say what would be run, and stop.
    Withheld,
}

impl Situation {
    /// This process, with or without `--yes`.
    pub fn of_this_process(yes: bool) -> Self {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        Self { yes, terminal, root: rustix::process::geteuid().is_root() }
    }

    /// `--yes` is an answer; where somebody can be asked, they are; root without a terminal is a container or CI, where
    /// going ahead is what it was started for.
    pub const fn consent(self) -> Consent {
        match self {
            Self { yes: true, .. } => Consent::Given,
            Self { terminal: true, .. } => Consent::Ask,
            Self { root: true, .. } => Consent::Given,
            _ => Consent::Withheld,
        }
    }
}

/// Only a clear yes is one; an empty line is no.
pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Says on standard error what will be run, and reads the answer. Blocks until there is one; the end of the input is
/// no.
pub fn ask_at_terminal(plan: &impl fmt::Display) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "this will run:\n  {plan}\ncontinue? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked() {
        let consent = |yes, terminal, root| Situation { yes, terminal, root }.consent();
        for root in [false, true] {
            for terminal in [false, true] {
                assert_eq!(consent(true, terminal, root), Consent::Given);
            }
            assert_eq!(consent(false, true, root), Consent::Ask);
        }
        assert_eq!(consent(false, false, true), Consent::Given);
        assert_eq!(consent(false, false, false), Consent::Withheld);
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yup\n", "no\n", "y y\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
