//! What the harness needs of a kernel's configuration, and what of it a file lacks.

use crate::kernel::{Lacking, Required};
use crate::text::plural;

/// The most characters of a comment's line.
const WIDTH: usize = 100;

/// The fragment with all that is needed: above each group of options why.
pub fn required_text(all: &[Required]) -> String {
    let same = |one: &Required, other: &Required| one.reason == other.reason && one.kernels() == other.kernels();
    let group = |group: &[Required]| {
        let options: String = group.iter().map(Required::line).collect();
        group.first().map_or_else(String::new, |first| format!("{}{options}", comment(&why(first))))
    };
    all.chunk_by(same).map(group).collect::<Vec<_>>().join("\n")
}

/// What a file lacks, each with what it has instead, and why it is needed.
pub fn lacking_text(file: &str, lacking: &[Lacking]) -> String {
    if lacking.is_empty() {
        return format!("{file} has all that the harness needs\n");
    }
    let line = |Lacking { required, got }: &Lacking| {
        format!("  {}: needed {}, is {got}\n    {}\n", required.option, required.value, why(required))
    };
    let lines: String = lacking.iter().map(line).collect();
    format!("{file} lacks {}, which --kconfig puts over it:\n{lines}", plural(lacking.len(), "option"))
}

fn why(required: &Required) -> String {
    let kernels = required.kernels();
    if kernels.is_empty() { required.reason.clone() } else { format!("{kernels}: {}", required.reason) }
}

/// The text as comments.
fn comment(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn required(option: &str, value: &str, reason: &str, until: Option<&str>) -> Required {
        let until = until.map(str::to_owned);
        Required { option: option.to_owned(), value: value.to_owned(), reason: reason.to_owned(), since: None, until }
    }

    #[test]
    fn what_is_needed_is_a_fragment() {
        let log = "The log is the evidence: its lines are recognised by their time and their writer, and that is a long reason.";
        let all = [
            required("CONFIG_PRINTK", "y", log, None),
            required("CONFIG_PRINTK_TIME", "y", log, None),
            required("CONFIG_MODULE_SIG_FORCE", "n", "crashlab is not signed.", None),
            required("CONFIG_CRYPTO", "y", "Checksums.", Some("6.5")),
        ];
        assert_snapshot!(required_text(&all), @"
        # The log is the evidence: its lines are recognised by their time and their writer, and that is a
        # long reason.
        CONFIG_PRINTK=y
        CONFIG_PRINTK_TIME=y

        # crashlab is not signed.
        # CONFIG_MODULE_SIG_FORCE is not set

        # Linux 6.5 and older: Checksums.
        CONFIG_CRYPTO=y
        ");
    }

    #[test]
    fn what_a_file_lacks_is_told_with_the_reason() {
        let lacking = [
            Lacking { required: required("CONFIG_FW_CFG_SYSFS", "y", "The agent.", None), got: "m".to_owned() },
            Lacking { required: required("CONFIG_CRYPTO", "y", "Checksums.", Some("6.5")), got: "n".to_owned() },
        ];
        assert_snapshot!(lacking_text("their.config", &lacking), @"
        their.config lacks 2 options, which --kconfig puts over it:
          CONFIG_FW_CFG_SYSFS: needed y, is m
            The agent.
          CONFIG_CRYPTO: needed y, is n
            Linux 6.5 and older: Checksums.
        ");
        assert_snapshot!(lacking_text("their.config", &[]), @"their.config has all that the harness needs");
    }
}
