//! The verifier's log, as data: the line that says most, its statistics, and poisoned instructions named.

use std::fmt;

/// What the kernel's verifier printed while it looked at a program.
///
/// The text is kept whole. [`summary`](Self::summary) picks the line worth showing first and knows both forms: the terse
/// one, and the explained one of Linux 7.3 ("Verification failed: …", "Reason:").
///
/// ```
/// let log = bpfld::VerifierLog::new(
///     "0: R1=ctx() R10=fp0\n; return *p; @ count.bpf.c:7\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000) \
///      max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
/// );
/// assert_eq!(log.summary(), Some("R0 !read_ok"));
/// assert_eq!(log.source_line(), Some("return *p; @ count.bpf.c:7"));
/// assert_eq!(log.stats().unwrap().processed_insns, 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifierLog {
    text: String,
    truncated: bool,
}

/// The numbers at the end of a verifier log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifierStats {
    /// Instructions the verifier walked over, counting each path; limited by the kernel to one million.
    pub processed_insns: u64,
    /// The most states kept for one instruction.
    pub max_states_per_insn: u64,
    /// All states kept.
    pub total_states: u64,
    /// The most states kept at one time.
    pub peak_states: u64,
    /// Length of the longest chain of register reads marked.
    pub mark_read: u64,
    /// Time spent, in microseconds. Zero if the kernel did not say (levels with the bit for statistics only, Linux 5.2).
    pub microseconds: u64,
}

impl VerifierLog {
    /// A log from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            truncated: false,
        }
    }

    /// A log from the buffer that the kernel filled: up to the first NUL byte, with bytes that are no UTF-8 replaced.
    pub(crate) fn from_buffer(buffer: &[u8], truncated: bool) -> Self {
        let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
        let text = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).into_owned();
        Self { text, truncated }
    }

    /// The whole text, lines end with a newline.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the kernel printed nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether the kernel had more to say than the largest buffer could hold.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The lines, without newlines.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.lines()
    }

    /// The last `count` lines before the statistics.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<&str> {
        let mut lines: Vec<&str> = self.telling_lines().take(count).collect();
        lines.reverse();
        lines
    }

    /// The one line that says most: for the explained form the reason, else the last line before the statistics.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.reason()
            .or_else(|| self.telling_lines().next())
            .map(str::trim)
    }

    /// The source line of the last instruction that the verifier looked at: text, file and line as the kernel prints
    /// them. There is none if the object has no line information.
    #[must_use]
    pub fn source_line(&self) -> Option<&str> {
        self.lines()
            .rev()
            .find_map(|line| line.strip_prefix("; "))
            .map(str::trim)
            // Before Linux 6.9 there is nothing but the text, which objects may lack.
            .filter(|line| !line.is_empty())
    }

    /// The statistics at the end of the log, if it was written that far.
    #[must_use]
    pub fn stats(&self) -> Option<VerifierStats> {
        let line = self.lines().rev().find(|line| line.starts_with("processed "))?;
        let after = |text: &str, key: &str| -> u64 {
            let digits = text.split_once(key).map(|(_, rest)| rest).unwrap_or_default();
            digits
                .split(|c: char| !c.is_ascii_digit())
                .next()
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0)
        };
        let time = self
            .lines()
            .rev()
            .find(|line| line.starts_with("verification time "))
            .unwrap_or_default();
        Some(VerifierStats {
            processed_insns: after(line, "processed "),
            max_states_per_insn: after(line, "max_states_per_insn "),
            total_states: after(line, "total_states "),
            peak_states: after(line, "peak_states "),
            mark_read: after(line, "mark_read "),
            microseconds: after(time, "verification time "),
        })
    }

    /// Replaces what the verifier says about calls of unknown helpers by what they stand for. `meaning` gets the
    /// instruction's index and the helper number, and answers for those that the loader planted itself.
    pub(crate) fn explain(&mut self, mut meaning: impl FnMut(usize, u32) -> Option<Poison>) {
        if !self.text.contains("unknown#") {
            return;
        }
        let mut out = String::with_capacity(self.text.len());
        let mut last: Option<(u32, Poison)> = None;
        for line in self.text.lines() {
            if let Some((index, helper)) = poisoned_call(line)
                && let Some(poison) = meaning(index, helper)
            {
                out.push_str(&format!("{index}: <{}>\n", poison.short));
                last = Some((helper, poison));
                continue;
            }
            let number = line
                .strip_prefix("invalid func unknown#")
                .and_then(|number| number.trim().parse().ok());
            match &last {
                Some((helper, poison)) if number == Some(*helper) => out.push_str(&poison.long),
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        self.text = out;
    }

    /// The last line before the explanation, or before the statistics where there is none.
    pub(crate) fn terse_reason(&self) -> Option<&str> {
        let mut lines = self.telling_lines();
        if !self.text.contains("\nVerification failed: ") {
            return lines.next().map(str::trim);
        }
        lines.find(|line| line.starts_with("Verification failed: "))?;
        lines.next().map(str::trim)
    }

    /// The text below "Reason:" of the explained form, with its title where there is no text.
    fn reason(&self) -> Option<&str> {
        let (_, explained) = self.text.rsplit_once("Verification failed: ")?;
        let reason = explained
            .split_once("\nReason:\n")
            .and_then(|(_, rest)| rest.lines().next());
        reason
            .filter(|line| !line.trim().is_empty())
            .or_else(|| explained.lines().next())
    }

    /// Lines from the end, without statistics and empty lines.
    fn telling_lines(&self) -> impl Iterator<Item = &str> {
        const STATISTICS: [&str; 6] = [
            "processed ",
            "verification time ",
            "stack depth ",
            "max_states_per_insn ",
            // behind "infinite loop detected"
            "cur state:",
            "old state:",
        ];
        self.lines().rev().filter(|line| {
            let line = line.trim();
            !line.is_empty() && !STATISTICS.iter().any(|start| line.starts_with(start))
        })
    }
}

impl fmt::Display for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a poisoned instruction stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poison {
    /// In the place of the instruction.
    pub(crate) short: &'static str,
    /// In the place of the error.
    pub(crate) long: String,
}

/// The index and helper number of a line `123: (85) call unknown#195896080`.
fn poisoned_call(line: &str) -> Option<(usize, u32)> {
    let (index, rest) = line.split_once(": (85) call unknown#")?;
    Some((index.trim().parse().ok()?, rest.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_ends_at_its_first_nul() {
        let log = VerifierLog::from_buffer(b"R0 !read_ok\n\xff\0old", false);
        assert_eq!(log.as_str(), "R0 !read_ok\n\u{fffd}");
        assert!(!log.is_truncated());
        let log = VerifierLog::from_buffer(b"as much as there is room", true);
        assert_eq!(log.as_str(), "as much as there is room");
        assert!(log.is_truncated());
    }

    const EXPLAINED: &str = "0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\n\n\
        Verification failed: Register Type Safety: Unreadable register\n\n\
        Reason:\n  R0 has never been initialized on this path.\n\nAt:\n  insn 0\n\n\
        Suggestion:\n  Initialize R0.\n\nprocessed 1 insns (limit 1000000) total_states 0\n";

    #[test]
    fn summary_of_both_forms() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(VerifierLog::new(text).summary(), expected);
        }
        check("", None);
        check("processed 0 insns (limit 1000000)\n", None);
        check(
            "0: (95) exit\nR0 !read_ok\nverification time 5 usec\nstack depth 0\nprocessed 1 insns\n",
            Some("R0 !read_ok"),
        );
        check(
            "infinite loop detected at insn 0\ncur state: R1=ctx()\nold state: R1=ctx()\nprocessed 2 insns\n",
            Some("infinite loop detected at insn 0"),
        );
        check(EXPLAINED, Some("R0 has never been initialized on this path."));
        check("Verification failed: Title only\n", Some("Title only"));
    }

    #[test]
    fn statistics() {
        let log = VerifierLog::new(
            "verification time 123 usec\nstack depth 8+0\nprocessed 1234 insns (limit 1000000) max_states_per_insn 4 \
             total_states 56 peak_states 7 mark_read 8\n",
        );
        let expected = VerifierStats {
            processed_insns: 1234,
            max_states_per_insn: 4,
            total_states: 56,
            peak_states: 7,
            mark_read: 8,
            microseconds: 123,
        };
        assert_eq!(log.stats(), Some(expected));
        assert_eq!(VerifierLog::new("R0 !read_ok\n").stats(), None);
    }

    #[test]
    fn poisoned_instructions_are_named() {
        let mut log = VerifierLog::new(
            "5: (85) call unknown#2001000003\ninvalid func unknown#2001000003\nprocessed 6 insns (limit 1000000)\n",
        );
        log.explain(|index, helper| {
            (index == 5 && helper == 2_001_000_003).then(|| Poison {
                short: "invalid BPF map reference",
                long: "map 'x' is referenced but was not created".into(),
            })
        });
        assert_eq!(
            log.as_str(),
            "5: <invalid BPF map reference>\nmap 'x' is referenced but was not created\nprocessed 6 insns (limit 1000000)\n"
        );
    }

    #[test]
    fn helpers_that_are_simply_unknown_stay() {
        let text = "5: (85) call unknown#9999\ninvalid func unknown#9999\n";
        let mut log = VerifierLog::new(text);
        log.explain(|_, _| None);
        assert_eq!(log.as_str(), text);
    }

    #[test]
    fn buffers_end_at_the_first_nul() {
        assert_eq!(
            VerifierLog::from_buffer(b"ab\xff\0rest", true).as_str(),
            "ab\u{fffd}"
        );
        assert!(VerifierLog::from_buffer(b"", false).is_empty());
    }
}
