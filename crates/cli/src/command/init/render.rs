//! The text of the configuration: every section with its defaults as comments, and the field maps beside both sides' types.

use engine::{
    draft::{Draft, Guess, PersonKey},
    map::{FieldShown, TableMap},
};
use toml::Value;

use super::answers::{Answers, Secret};

/// Everything that is the same in all files; `{{…}}` is filled in.
const TEMPLATE: &str = include_str!("template.toml");

/// Tables whose columns of Sales Insight fields can be named.
const MSI_TABLES: [base::Table; 2] = [base::Table::Lead, base::Table::Contact];

/// The tables that have a field map, where nobody said what it is.
const MAPPED: [base::Table; 5] =
    [base::Table::SystemUser, base::Table::Account, base::Table::Lead, base::Table::Contact, base::Table::Opportunity];

/// Comments behind entries stand below each other, where these are no longer than this.
const ALIGNED_MAX: usize = 56;

/// The whole file.
pub(super) fn file(answers: &Answers, draft: Option<&Draft>) -> String {
    let usual_state = match answers.name.as_deref() {
        Some(name) if name != "default" => format!("sqlite:insight-bridge-{name}.db"),
        Some(_) | None => "sqlite:insight-bridge.db".into(),
    };
    let pace = if answers.unpaced {
        "calls_per_20s = 0    # no pacing: an emulator on this machine".into()
    } else {
        "# calls_per_20s = 50".to_owned()
    };
    let fillings = [
        ("name", or_default("name", answers.name.as_deref(), "default")),
        ("marketo", marketo(answers)),
        ("pace", pace),
        ("dynamics", dynamics(answers)),
        ("state", or_default("url", answers.state.as_deref(), &usual_state)),
        ("person_key", person_key(answers, draft)),
        (
            "company_key",
            answers.company_key.as_deref().map_or_else(|| "#   company = \"crmAccountId\"".into(), |field| key("company", field)),
        ),
        ("fields", fields(draft)),
        ("msi", msi(answers, draft)),
    ];
    // What is filled in is never looked through for places.
    let mut parts = TEMPLATE.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (place, rest) in parts.filter_map(|part| part.split_once("}}")) {
        text.push_str(fillings.iter().find(|(name, _)| *name == place).map_or("", |(_, filling)| filling));
        text.push_str(rest);
    }
    text
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn key(name: &str, text: &str) -> String {
    format!("{name} = {}", quoted(text))
}

/// A key as it was answered, or its default as a comment.
fn or_default(name: &str, answer: Option<&str>, default: &str) -> String {
    answer.filter(|answer| *answer != default).map_or_else(|| format!("# {}", key(name, default)), |answer| key(name, answer))
}

fn secret(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => format!("client_secret = {{ env = {} }}", quoted(name)),
        Secret::File(path) => format!("client_secret = {{ file = {} }}", quoted(&path.display().to_string())),
    }
}

fn marketo(answers: &Answers) -> String {
    let known = |answer: &Option<String>| answer.clone().unwrap_or_default();
    [key("base_url", &known(&answers.marketo_url)), key("client_id", &known(&answers.marketo_client_id)), secret(&answers.marketo_secret)]
        .join("\n")
}

fn dynamics(answers: &Answers) -> String {
    let known = |answer: &Option<String>| answer.clone().unwrap_or_default();
    let mut lines = vec![
        key("url", &known(&answers.dynamics_url)),
        key("tenant_id", &known(&answers.tenant_id)),
        "# How the application proves who it is: \"secret\", \"managed-identity\" or \"workload-identity\".".into(),
        or_default("credential", Some(&answers.credential), "secret"),
    ];
    lines.extend(answers.dynamics_client_id.as_deref().map(|id| key("client_id", id)));
    if answers.has_secret() {
        lines.push(secret(&answers.dynamics_secret));
    }
    lines.extend(answers.token_file.as_ref().map(|path| key("token_file", &path.display().to_string())));
    lines.push("# The login service; another in sovereign clouds.".into());
    lines.push(or_default("authority", answers.authority.as_deref(), dataverse::options::PUBLIC_AUTHORITY));
    lines.join("\n")
}

fn person_key(answers: &Answers, draft: Option<&Draft>) -> String {
    let said = or_default("person", answers.person_key.as_deref(), "externalPersonId");
    let proposed = match draft.map(|draft| &draft.person_key).filter(|_| answers.person_key.is_none()) {
        Some(PersonKey::Custom { candidates, .. }) => candidates.as_slice(),
        Some(PersonKey::New(field)) => std::slice::from_ref(field),
        Some(PersonKey::Standard | PersonKey::Given(_)) | None => return said,
    };
    let proposed: Vec<String> = proposed.iter().map(|field| format!("#   {}", key("person", field))).collect();
    format!(
        "# People can't be looked up by the standard one here: have Marketo enable the feature \"MSI Non-Native\", or name a custom field.\n\
         {said}\n{}",
        proposed.join("\n")
    )
}

/// The field maps: what is sent unless it is said otherwise, as comments.
fn fields(draft: Option<&Draft>) -> String {
    let head = "# Which Marketo field gets what. What stands here as a comment is sent without a word; take # and blank away to change a line, as in\n\
                #   title = { column = \"jobtitle\", owner = \"fill\" }    sent only where Marketo has nothing (\"marketo\": only when it is created)\n\
                #   department = false                                 not sent\n\
                # Other sources: { label = \"column\" }, { constant = \"text\" }, { cel = \"expression\" }. See docs/guide/fields.md.";
    let Some(draft) = draft else {
        let sections: Vec<String> = MAPPED.iter().map(|table| format!("[fields.{table}]")).collect();
        return format!(
            "{head}\n# What is sent without a word: `insight-bridge map` shows it with both sides' types.\n\n{}",
            sections.join("\n\n")
        );
    };
    let sections: Vec<String> = draft.maps.iter().map(section).collect();
    format!("{head}\n\n{}", sections.join("\n\n"))
}

fn section(map: &TableMap) -> String {
    let mut lines = vec![format!("[fields.{}]", map.table)];
    let parts: Vec<(String, String)> = map.fields.iter().map(line).collect();
    let width = parts.iter().map(|(entry, _)| entry.chars().count()).filter(|width| *width <= ALIGNED_MAX).max().unwrap_or_default();
    lines.extend(parts.iter().map(|(entry, both)| format!("{entry:<width$}    # {both}")));
    lines.extend(map.notes.iter().map(|(field, note)| format!("#   {field}: {}", one_line(note))));
    if !map.suggestions.is_empty() {
        lines.push("# Could be sent besides:".into());
    }
    for suggestion in &map.suggestions {
        let column = quoted(&suggestion.column);
        let source = if suggestion.by_label { format!("{{ label = {column} }}") } else { column };
        let cut = if suggestion.may_be_cut { "    # longer texts are cut" } else { "" };
        lines.push(format!("#   {} = {source}{cut}", bare_key(&suggestion.field)));
    }
    lines.join("\n")
}

/// One field: where it comes from, and both sides' labels and types.
fn line(shown: &FieldShown) -> (String, String) {
    let label = shown.label.as_deref().map(|label| format!("{label}, ")).unwrap_or_default();
    let columns = match shown.column_labels.as_slice() {
        [] => shown.dynamics.clone(),
        labels => format!("{}, {}", labels.join(" + "), shown.dynamics),
    };
    let cut = if shown.may_be_cut { "; longer texts are cut" } else { "" };
    let both = one_line(&format!("{label}{} <- {columns}{cut}", shown.marketo));
    let entry = match &shown.written {
        Some(source) => format!("# {} = {source}", bare_key(&shown.field)),
        // Only the default says it so; whoever wants another writes another.
        None => format!("#   {}: {}", shown.field, one_line(&shown.source)),
    };
    (entry, both)
}

fn msi(answers: &Answers, draft: Option<&Draft>) -> String {
    let head = "# The columns of the Sales Insight fields, where they aren't found without doubt: a column's name, or false for a field that isn't written.";
    let mut text = head.to_owned();
    for table in MSI_TABLES {
        text.push_str(&format!("\n\n[msi.{table}]"));
        let map = draft.and_then(|draft| draft.maps.iter().find(|map| map.table == table));
        for shown in map.map(|map| map.written_back.as_slice()).unwrap_or_default() {
            text.push_str(&format!("\n#   {} goes to {} ({} -> {})", shown.field, shown.source, shown.marketo, shown.dynamics));
        }
        let guesses = draft.map(|draft| draft.guesses.as_slice()).unwrap_or_default();
        for guess in guesses.iter().filter(|guess| guess.table == table) {
            text.push('\n');
            text.push_str(&decided(answers, guess));
        }
    }
    text
}

fn decided(answers: &Answers, guess: &Guess) -> String {
    let field = guess.field.marketo_names()[0];
    match (answers.columns.get(&(guess.table, guess.field)), guess.candidates.as_slice()) {
        (Some(column), _) => key(field, column),
        (None, []) => format!("# {} has no column that fits; decide:\n#   {field} = false", guess.field.label()),
        (None, candidates) => {
            let lines: Vec<String> = candidates.iter().map(|column| format!("#   {}", key(field, column))).collect();
            format!("# {} is to be confirmed:\n{}", guess.field.label(), lines.join("\n"))
        }
    }
}

/// A REST name as a key of TOML.
fn bare_key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// What a label holds may not end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        args::init::Init,
        config::{Config, File},
    };

    fn answers() -> Answers {
        Answers::given(&Init {
            marketo_url: Some("https://123-ABC-456.mktorest.com".into()),
            marketo_client_id: Some("a \"quoted\" \\ id".into()),
            dynamics_url: Some("https://contoso.crm4.dynamics.com".into()),
            tenant_id: Some("t".into()),
            dynamics_client_id: Some("c".into()),
            ..Init::default()
        })
    }

    #[track_caller]
    fn read(text: &str) -> Config {
        File::of_text(Path::new("x.toml"), text).unwrap_or_else(|failure| panic!("{failure}\n{text}")).bridge(None).unwrap()
    }

    /// With the # of every commented default taken away.
    fn uncommented(text: &str) -> String {
        let is_default =
            |rest: &&str| rest.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        text.lines().map(|line| line.strip_prefix("# ").filter(is_default).unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_stands_there_as_a_comment_is_the_default() {
        let text = file(&answers(), None);
        let (as_written, with_all) = (read(&text), read(&uncommented(&text)));
        assert_ne!(uncommented(&text), text);
        assert_eq!(as_written.marketo.client_id, "a \"quoted\" \\ id");
        assert_eq!(as_written.options(), with_all.options());
        let told = |config: &Config| {
            let (marketo, dynamics) = (&config.marketo, &config.dynamics);
            format!(
                "{} {} {:?} {} {} {} {} {:?} {:?} {:?}",
                config.name,
                config.state(),
                marketo.quota(),
                marketo.calls_per_20s,
                marketo.max_in_flight,
                dynamics.page_rows,
                dynamics.authority,
                dynamics.credential,
                config.schedule,
                config.retry()
            )
        };
        assert_eq!(told(&as_written), told(&with_all));
    }

    #[test]
    fn every_section_and_key_of_the_schema_is_in_it() {
        let text = file(&answers(), None);
        let schema = serde_json::Value::Object(crate::config::schema());
        let sections = schema["properties"].as_object().unwrap();
        for name in sections.keys().filter(|name| *name != "bridge") {
            let is_there =
                text.contains(&format!("\n[{name}]")) || text.contains(&format!("\n[{name}.")) || text.contains(&format!("{name} = "));
            assert!(is_there, "{name} is not in the file that init writes");
        }
        for definition in ["Marketo", "Dynamics", "Policy", "WriteBack", "Bootstrap", "Brake", "Schedule", "Retry", "Parting", "Inactive"] {
            let properties = schema["definitions"][definition]["properties"].as_object().unwrap_or_else(|| panic!("no {definition}"));
            // One that stands only with another credential.
            for key in properties.keys().filter(|key| *key != "token_file") {
                assert!(text.contains(&format!("{key} = ")) || text.contains(&format!("{key} and ")), "{definition}.{key}");
            }
        }
    }

    #[test]
    fn other_credentials_have_no_secret() {
        let mut answers = answers();
        answers.credential = "workload-identity".into();
        answers.token_file = Some("/var/run/token".into());
        let text = file(&answers, None);
        assert!(!text.contains("DYNAMICS_SECRET"), "{text}");
        assert_eq!(read(&text).dynamics.token_file.as_deref(), Some(Path::new("/var/run/token")));
    }
}
