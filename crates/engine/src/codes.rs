//! Why a record is held, what that means and what to do about it: one table, for every command that tells people of it.
//!
//! Our own reasons are an enum, so that none is without its words. Marketo's are numbers; what kind of refusal each is, for retries, is in the
//! client's table. Each has a page in `docs/errors`.

use std::fmt;

/// A reason of our own to hold a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ours {
    /// Several Marketo people could be it.
    Ambiguous,
    /// Marketo has people for records that are now one.
    TwoPersons,
    /// What it refers to doesn't come.
    ParentMissing,
    /// A team owns it.
    TeamOwned,
    /// It has no account.
    CompanyRequired,
    /// It can't be created.
    NoEmailOfItsOwn,
    /// Its e-mail can't be looked up.
    EmailNotSearchable,
    /// A lead that became a contact is open again.
    ReopenedLead,
    /// Marketo has it and doesn't show it.
    HiddenPerson,
}

/// The code of a held record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code<'a> {
    /// One of ours.
    Ours(Ours),
    /// The other side's own.
    Theirs(&'a str),
}

/// What a code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The page that says more, from the project's folder.
    pub page: String,
}

/// Where pages are.
const PAGES: &str = "docs/errors/";

impl Ours {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::Ambiguous,
        Self::TwoPersons,
        Self::ParentMissing,
        Self::TeamOwned,
        Self::CompanyRequired,
        Self::NoEmailOfItsOwn,
        Self::EmailNotSearchable,
        Self::ReopenedLead,
        Self::HiddenPerson,
    ];

    /// The code; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::TwoPersons => "two-persons",
            Self::ParentMissing => "parent-missing",
            Self::TeamOwned => "team-owned",
            Self::CompanyRequired => "company-required",
            Self::NoEmailOfItsOwn => "no-email-of-its-own",
            Self::EmailNotSearchable => "email-not-searchable",
            Self::ReopenedLead => "reopened-lead",
            Self::HiddenPerson => "hidden-person",
        }
    }

    /// The reason of a code.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ours| ours.name() == name)
    }

    /// Meaning and remedy.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Ambiguous => (
                "several Marketo people could be this record",
                "merge them in Marketo and retry; or correct the e-mail in Dynamics; or set policy.ambiguous to \"adopt\"",
            ),
            Self::TwoPersons => (
                "Marketo has people for records that are now one",
                "merge them in Marketo and retry; or let policy.on_first_load, on_qualify or on_merge be \"merge\"",
            ),
            Self::ParentMissing => (
                "what it refers to has not come to Marketo for 24 hours",
                "mend the record that it waits for; this one is looked at in every cycle and follows by itself",
            ),
            Self::TeamOwned => ("a team owns it, and owners.team holds such records", "give it to a user, or change owners.team"),
            Self::CompanyRequired => {
                ("it has no account, and policy.require_company asks for one", "give it an account, or set policy.require_company to false")
            }
            Self::NoEmailOfItsOwn => (
                "it has no e-mail of its own, and this subscription doesn't create people by external id",
                "give it an e-mail in Dynamics, or name a custom key field in keys.person",
            ),
            Self::EmailNotSearchable => ("Marketo can't look its e-mail up", "correct the e-mail in Dynamics"),
            Self::ReopenedLead => (
                "a lead that became a contact is open again",
                "close it or qualify it again; or clear the tie between lead and contact in Dynamics",
            ),
            Self::HiddenPerson => (
                "Marketo has the person and doesn't show it",
                "give the API user access to the person's partition or workspace, or move the person; then retry",
            ),
        }
    }
}

impl Code<'_> {
    /// As it is saved and told.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ours(ours) => ours.name(),
            Self::Theirs(code) => code,
        }
    }
}

impl From<Ours> for Code<'_> {
    fn from(ours: Ours) -> Self {
        Self::Ours(ours)
    }
}

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a code means and what to do, whoever's it is.
#[must_use]
pub fn advice(code: &str) -> Advice {
    if let Some(ours) = Ours::of_name(code) {
        let (meaning, remedy) = ours.words();
        return Advice { meaning, remedy, page: format!("{PAGES}{}.md", ours.name()) };
    }
    if code.starts_with("0x") {
        let remedy = "see Dynamics' words; they are tried again in the next cycle";
        return Advice { meaning: "Dynamics refused the row", remedy, page: format!("{PAGES}dynamics-codes.md") };
    }
    let (meaning, remedy) = marketos(code);
    Advice { meaning, remedy, page: format!("{PAGES}marketo-codes.md") }
}

/// Of Marketo's codes (Adobe, "Error codes") those with which a record may be held.
fn marketos(code: &str) -> (&'static str, &'static str) {
    let look = "see Marketo's words and the page; mend it and retry";
    match code {
        "718" => ("it names a sales person that Marketo doesn't have", "retry; if it stays, look at its owner in Marketo"),
        "1001" => ("a value has the wrong type", "map another column, or convert the value with a CEL expression"),
        "1002" => ("a value that is needed is missing", "map the field, or give it a constant"),
        "1003" => ("Marketo refuses a value, or the field can't be written", "correct the value in Dynamics, or turn the field off"),
        "1004" => ("Marketo has no such person", "see whether the person is in Marketo, then retry"),
        "1005" => ("Marketo has the person already", "find the duplicate in Marketo, then retry"),
        "1006" => ("Marketo has no such field any more", "correct the field map"),
        "1007" => ("several Marketo people match its key", "merge them in Marketo, then retry"),
        "1008" | "1009" | "1010" => {
            ("a partition or workspace keeps it from us", "give the API user access to it, or move the person; then retry")
        }
        "1011" => ("Marketo can't use the field as a key", "name another field in keys.person"),
        "1013" => ("Marketo has no such object", "wait some minutes and retry; if it stays, look at its owner and account in Marketo"),
        "1014" => ("Marketo could not create it", "retry; if it stays, ask Marketo support"),
        "1016" | "1019" => ("Marketo is busy with other imports", "retry later"),
        "1017" => ("Marketo has the object already", "retry"),
        "1018" => ("a native CRM sync is on in this subscription", "have Marketo remove it, or use a subscription without it"),
        "1021" => {
            ("company fields may not be changed through a person", "map the field under [fields.account], and turn it off for people")
        }
        "1022" => ("something refers to it, so that Marketo doesn't delete it", "see what refers to it in Marketo"),
        "refused" => ("Marketo refused it and gave no code", look),
        _ => ("Marketo refused it", look),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn page(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[test]
    fn each_of_our_codes_has_a_page_that_is_listed() {
        let (index, readme) = (page("docs/errors/index.md"), page("README.md"));
        for ours in Ours::ALL {
            let advice = advice(ours.name());
            assert_eq!(advice.page, format!("docs/errors/{}.md", ours.name()));
            assert!(page(&advice.page).starts_with(&format!("# `{}`", ours.name())), "{}", advice.page);
            assert!(index.contains(&format!("[`{0}`]({0}.md)", ours.name())), "{} isn't in index.md", ours.name());
            assert!(readme.contains(&format!("[`{0}`](docs/errors/{0}.md)", ours.name())), "{} isn't in README.md", ours.name());
            assert_eq!(Ours::of_name(ours.name()), Some(ours));
        }
    }

    #[test]
    fn each_of_marketos_codes_on_the_page_has_words_of_its_own() {
        let text = page("docs/errors/marketo-codes.md");
        let held = text.split("## Codes of whole calls").next().unwrap();
        let rows = held.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        let codes: Vec<&str> = rows.flat_map(|cell| cell.split(", ")).filter(|code| code.starts_with(char::is_numeric)).collect();
        assert!(codes.len() > 15, "{codes:?}");
        for code in codes {
            assert_ne!(advice(code).meaning, advice("9999").meaning, "{code}");
            assert_eq!(advice(code).page, "docs/errors/marketo-codes.md");
        }
        assert!(page(&advice("0x80040203").page).contains("0x80040203"));
    }
}
