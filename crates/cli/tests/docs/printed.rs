//! Whether a block shows what was printed. `…` in a line stands for anything in it; a line that is only `…`, for any lines.
//!
//! How many blanks there are, rules of tables and empty lines don't count: pages show tables narrower than they are.

/// What is shown and wasn't printed.
pub(crate) fn compare(shown: &str, printed: &str) -> Result<(), String> {
    let (shown, printed) = (lines(shown), lines(printed));
    let mut rest = printed.as_slice();
    let mut gap = false;
    for line in &shown {
        if line == "…" {
            gap = true;
            continue;
        }
        let found = rest.iter().position(|printed| fits(line, printed)).filter(|at| gap || *at == 0);
        match found {
            Some(at) => rest = &rest[at + 1..],
            None if gap => return Err(format!("this is not printed, or not there: {line}")),
            None => {
                return Err(format!("this is shown: {line}\nand this is printed: {}", rest.first().map_or("nothing more", String::as_str)));
            }
        }
        gap = false;
    }
    if gap || rest.is_empty() { Ok(()) } else { Err(format!("this is printed besides: {}", rest.join("\n"))) }
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.chars().all(|c| c == '─' || c == '═')).collect()
}

/// Whether a printed line is the one that is shown.
fn fits(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    if parts.len() == 1 {
        return shown == printed;
    }
    let Some(mut rest) = printed.strip_prefix(*first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn what_is_left_out_is_said() {
    for (shown, printed, same) in [
        ("a\nb", "a\nb\n", true),
        ("a", "a\nb", false),
        ("a\n…", "a\nb", true),
        ("b", "a\nb", false),
        ("…\nb", "a\nb", true),
        ("a\nc", "a\nb\nc", false),
        ("a\n…\nc", "a\nb\nc", true),
        ("a   b", "──\n a b \n──", true),
        ("a … c", "a bb c", true),
        ("a … c", "a bb d", false),
        ("… at …: x", "he at 3: x", true),
        ("a…", "b", false),
    ] {
        assert_eq!(compare(shown, printed).is_ok(), same, "{shown:?} {printed:?}");
    }
}
