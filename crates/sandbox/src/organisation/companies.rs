//! Names, places and sizes of companies.
//!
//! Invented combinations; every domain is under `.example`, which no one can own.

use base::Dice;

use super::row::Row;

const FRONT: &[(&str, &str)] = &[
    ("Northwind", "northwind"),
    ("Contoso", "contoso"),
    ("Fabrikam", "fabrikam"),
    ("Adventure", "adventure"),
    ("Tailspin", "tailspin"),
    ("Alpine", "alpine"),
    ("Blue Yonder", "blueyonder"),
    ("Litware", "litware"),
    ("Proseware", "proseware"),
    ("Trey", "trey"),
    ("Wingtip", "wingtip"),
    ("Lucerne", "lucerne"),
    ("Margie's", "margies"),
    ("Humongous", "humongous"),
    ("Graphic", "graphic"),
    ("Bäckerei Süß", "baeckereisuess"),
    ("Société Générale d'Énergie", "sge"),
    ("東京電子", "tokyodenshi"),
    ("Ångström", "angstrom"),
    ("Ромашка", "romashka"),
];
const BACK: &[(&str, &str)] = &[
    (" Traders", "traders"),
    (" Industries", "industries"),
    (" & Sons", "sons"),
    (" Logistics", "logistics"),
    (" Software", "software"),
    (" Health", "health"),
    (" Energy", "energy"),
    (" Foods, Inc.", "foods"),
    (" GmbH & Co. KG", "gmbh"),
    (" S.p.A.", "spa"),
    (" Ltd", "ltd"),
    ("株式会社", "kk"),
    (" Holding \"A/S\"", "holding"),
];
const PLACES: &[(&str, &str, &str, &str)] = &[
    ("Seattle", "WA", "98101", "United States"),
    ("Austin", "TX", "73301", "United States"),
    ("München", "Bayern", "80331", "Germany"),
    ("Zürich", "ZH", "8001", "Switzerland"),
    ("東京", "東京都", "100-0001", "Japan"),
    ("São Paulo", "SP", "01000-000", "Brazil"),
    ("Leeds", "West Yorkshire", "LS1 1AA", "United Kingdom"),
    ("Łódź", "łódzkie", "90-001", "Poland"),
    ("Reykjavík", "", "101", "Iceland"),
    ("Toronto", "ON", "M5H 2N2", "Canada"),
    ("Αθήνα", "Αττική", "105 57", "Greece"),
    ("Singapore", "", "018956", "Singapore"),
];
const STREETS: &[&str] = &[
    "Main Street",
    "Station Road",
    "Hauptstraße",
    "Rue de l'Église",
    "Piazza San Marco",
    "Kungsgatan",
    "Elm Street\nBuilding C",
    "中央通り",
];

/// The longest account name Dynamics takes.
const NAME_MAX: usize = 160;

/// A company's name and the domain of its mail. About one in a hundred uses the whole length.
pub(crate) fn company(dice: &mut Dice, number: u64) -> (String, String) {
    let (front, front_ascii) = dice.pick(FRONT).copied().unwrap_or(("Contoso", "contoso"));
    let (back, back_ascii) = dice.pick(BACK).copied().unwrap_or((" Ltd", "ltd"));
    let mut name = format!("{front}{back}");
    if dice.percent(1.0) {
        name = filled(&format!("{name}, a wholly owned subsidiary of the group of companies formerly known as {name}"), NAME_MAX);
    }
    (name, format!("{front_ascii}-{back_ascii}-{number}.example"))
}

/// `text`, repeated and cut to exactly `units` UTF-16 units, which is how Dynamics counts.
pub(crate) fn filled(text: &str, units: usize) -> String {
    let mut out = String::new();
    let mut left = units;
    for letter in text.chars().chain(" ".chars()).cycle() {
        if letter.len_utf16() > left {
            break;
        }
        left -= letter.len_utf16();
        out.push(letter);
    }
    // A letter of two units may not have fitted; and no text ends in a blank, which a server might cut off.
    out.extend(std::iter::repeat_n('x', left));
    if out.ends_with(' ') {
        out.pop();
        out.push('.');
    }
    out
}

/// The `address1_…` columns.
pub(crate) fn address(dice: &mut Dice, row: Row) -> Row {
    let (city, state, postcode, country) = dice.pick(PLACES).copied().unwrap_or_default();
    let street = dice.pick(STREETS).copied().unwrap_or_default();
    let state = (!state.is_empty()).then_some(state);
    row.put("address1_line1", format!("{} {street}", dice.below(400) + 1))
        .put("address1_city", city)
        .maybe("address1_stateorprovince", state)
        .put("address1_postalcode", postcode)
        .put("address1_country", country)
}

/// A city's name.
pub(crate) fn city(dice: &mut Dice) -> &'static str {
    dice.pick(PLACES).map_or("Leeds", |(city, ..)| *city)
}

/// A telephone number that nobody has (555 numbers).
pub(crate) fn telephone(dice: &mut Dice) -> String {
    format!("+1 555 01{:02} {:04}", dice.below(100), dice.below(10_000))
}
