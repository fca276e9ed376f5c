//! The rules of the data and the values of every policy, each with the scenarios that prove it: [`page`] makes `docs/rules.md` of them.
//!
//! The policies are listed by hand; a test compares them with what the configuration takes.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::scenario::File;

/// The rules by number, in a few words.
pub const RULES: [(&str, &str); 12] = [
    ("R1", "Nothing is sent before what it refers to"),
    ("R2", "A GUID is one value, however it is spelt"),
    ("R3", "One record, one Marketo person"),
    ("R4", "A qualified lead and a merged record are still the same person"),
    ("R5", "Only what changed is sent, and each field has an owner"),
    ("R6", "The owner is the sales person"),
    ("R7", "People and opportunities belong to their account's company"),
    ("R8", "Opportunity roles follow what yields them"),
    ("R9", "What is deleted goes as the policy says, and the brake stops what hurts"),
    ("R10", "Sales Insight fields go back to Dynamics and nothing comes of it"),
    ("R11", "Nothing is lost, whatever dies when"),
    ("R12", "One bad record holds only itself"),
];

/// Policies by their place in the configuration, with all their values. A word in angle brackets stands for any value.
pub const POLICIES: [(&str, &[&str]); 24] = [
    ("policy.ambiguous", &["hold", "adopt"]),
    ("policy.require_company", &["false", "true"]),
    ("policy.send_company_name", &["false", "true"]),
    ("policy.default_role", &["<text>"]),
    ("policy.by_reference", &["true", "false"]),
    ("policy.on_qualify", &["merge", "hold"]),
    ("policy.on_merge", &["merge", "hold"]),
    ("policy.on_first_load", &["merge", "hold"]),
    ("owners.team", &["administrator", "hold", "<user>"]),
    ("where", &["<expression>", "<switch>"]),
    ("fields.owner", &["crm", "marketo", "fill"]),
    ("on_delete.person", &["unlink", "keep", "delete"]),
    ("on_delete.company", &["keep", "delete"]),
    ("on_delete.sales_person", &["keep", "delete"]),
    ("on_delete.opportunity", &["delete", "keep"]),
    ("on_leave.person", &["unlink", "keep", "delete"]),
    ("on_leave.company", &["keep", "delete"]),
    ("on_leave.sales_person", &["keep", "delete"]),
    ("on_leave.opportunity", &["delete", "keep"]),
    ("on_inactive.person", &["sync", "unlink", "keep", "delete"]),
    ("on_inactive.company", &["sync", "keep", "delete"]),
    ("write_back.enabled", &["true", "false"]),
    ("write_back.closed_leads", &["skip", "try"]),
    (
        "brake",
        &[
            "role-removals",
            "opportunity-deletions",
            "person-deletions",
            "company-deletions",
            "sales-person-deletions",
            "unlinks",
            "blanked-fields",
            "merges",
            "re-keys",
            "owner-moves",
        ],
    ),
];

/// The page's place.
#[must_use]
pub fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md")
}

/// `docs/rules.md`.
#[must_use]
pub fn page(files: &[File]) -> String {
    let mut page = String::from(
        "# Rules and their scenarios\n\nMade by `cargo xtask scenarios --accept`; don't edit it. Every rule of the data and every value of a policy, \
         with the scenarios\nthat prove it ([crates/sim/scenarios](../crates/sim/scenarios)).\n\n## Rules\n",
    );
    for (rule, title) in RULES {
        let _ = write!(page, "\n### {rule}. {title}\n\n");
        let of_rule = files.iter().filter(|file| file.scenario.rules.iter().any(|known| known == rule));
        for file in of_rule {
            let _ = writeln!(page, "- {}: {}", link(file), file.scenario.proves);
        }
    }
    page += "\n## Policies\n\n| policy | value | scenarios |\n|---|---|---|\n";
    for (policy, values) in POLICIES {
        for value in values {
            let links: Vec<String> = proving(files, policy, value).map(link).collect();
            let _ = writeln!(page, "| `{policy}` | `{value}` | {} |", links.join(", "));
        }
    }
    page
}

fn link(file: &File) -> String {
    format!("[{0}](../crates/sim/scenarios/{0}.toml)", file.name)
}

fn proving<'f>(files: &'f [File], policy: &str, value: &str) -> impl Iterator<Item = &'f File> {
    let wanted = format!("{policy}={value}");
    files.iter().filter(move |file| file.scenario.policies.contains(&wanted))
}

/// Rules and policy values that no scenario proves, and scenarios that name what isn't one.
#[must_use]
pub fn gaps(files: &[File]) -> Vec<String> {
    let mut gaps = Vec::new();
    for (rule, _) in RULES {
        if !files.iter().any(|file| file.scenario.rules.iter().any(|known| known == rule)) {
            gaps.push(format!("no scenario proves {rule}"));
        }
    }
    for (policy, values) in POLICIES {
        for value in values {
            if proving(files, policy, value).next().is_none() {
                gaps.push(format!("no scenario proves {policy}={value}"));
            }
        }
    }
    for file in files {
        if file.scenario.rules.is_empty() {
            gaps.push(format!("{} names no rule", file.name));
        }
        for rule in file.scenario.rules.iter().filter(|rule| !RULES.iter().any(|(known, _)| known == rule)) {
            gaps.push(format!("{} names {rule}, which is no rule", file.name));
        }
        for named in &file.scenario.policies {
            let known = |(policy, values): &(&str, &[&str])| values.iter().any(|value| *named == format!("{policy}={value}"));
            if !POLICIES.iter().any(known) {
                gaps.push(format!("{} names {named}, which is no policy's value", file.name));
            }
        }
    }
    gaps
}
