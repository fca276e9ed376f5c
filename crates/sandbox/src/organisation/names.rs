//! Names of people, as they are and as mail systems spell them.
//!
//! Invented combinations of common names; no real person is meant.

use base::Dice;

/// A person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) first: String,
    pub(crate) last: String,
    /// In ASCII, as the beginning of a mail address.
    pub(crate) mailbox: String,
    /// Whether the name itself is more than ASCII.
    pub(crate) foreign: bool,
}

type Pool = &'static [(&'static str, &'static str)];

const FIRST: Pool = &[
    ("Ann", "ann"),
    ("Ben", "ben"),
    ("Carol", "carol"),
    ("David", "david"),
    ("Emma", "emma"),
    ("Frank", "frank"),
    ("Grace", "grace"),
    ("Henry", "henry"),
    ("Irene", "irene"),
    ("Jack", "jack"),
    ("Karen", "karen"),
    ("Liam", "liam"),
    ("Maria", "maria"),
    ("Noah", "noah"),
    ("Olivia", "olivia"),
    ("Peter", "peter"),
    ("Quentin", "quentin"),
    ("Rosa", "rosa"),
    ("Samir", "samir"),
    ("Tina", "tina"),
    ("Ursula", "ursula"),
    ("Victor", "victor"),
    ("Wendy", "wendy"),
    ("Xavier", "xavier"),
    ("Yara", "yara"),
    ("Zack", "zack"),
    ("Mary-Jane", "maryjane"),
    ("Jean Paul", "jeanpaul"),
    ("O", "o"),
    ("D'Arcy", "darcy"),
];
const LAST: Pool = &[
    ("Adams", "adams"),
    ("Baker", "baker"),
    ("Clark", "clark"),
    ("Davies", "davies"),
    ("Evans", "evans"),
    ("Fischer", "fischer"),
    ("Garcia", "garcia"),
    ("Hughes", "hughes"),
    ("Ito", "ito"),
    ("Johnson", "johnson"),
    ("Kelly", "kelly"),
    ("Lopez", "lopez"),
    ("Martin", "martin"),
    ("Novak", "novak"),
    ("O'Brien", "obrien"),
    ("Patel", "patel"),
    ("Quinn", "quinn"),
    ("Rossi", "rossi"),
    ("Smith", "smith"),
    ("Taylor", "taylor"),
    ("Usman", "usman"),
    ("van der Berg", "vanderberg"),
    ("Wilson", "wilson"),
    ("Xu", "xu"),
    ("Young", "young"),
    ("Zhang", "zhang"),
    ("Smith-Jones", "smithjones"),
    ("Null", "null"),
    ("True", "true"),
    ("St. James", "stjames"),
];
const FIRST_FOREIGN: Pool = &[
    ("Zoë", "zoe"),
    ("Jürgen", "juergen"),
    ("Renée", "renee"),
    ("Øyvind", "oyvind"),
    ("Łukasz", "lukasz"),
    ("Siân", "sian"),
    ("José", "jose"),
    ("Åsa", "asa"),
    ("Şebnem", "sebnem"),
    ("Đorđe", "djordje"),
    ("Αγγελική", "angeliki"),
    ("Дмитрий", "dmitri"),
    ("太郎", "taro"),
    ("小龍", "xiaolong"),
    ("فاطمة", "fatima"),
    ("שרה", "sarah"),
    ("สมชาย", "somchai"),
    ("지우", "jiwoo"),
    ("प्रिया", "priya"),
    ("Nguyê\u{303}n", "nguyen"),
];
const LAST_FOREIGN: Pool = &[
    ("Müller", "mueller"),
    ("Groß", "gross"),
    ("García Márquez", "garciamarquez"),
    ("Ørsted", "orsted"),
    ("Łęcki", "lecki"),
    ("Çelik", "celik"),
    ("Παπαδόπουλος", "papadopoulos"),
    ("Иванова", "ivanova"),
    ("山田", "yamada"),
    ("王", "wang"),
    ("الحسن", "alhasan"),
    ("כהן", "cohen"),
    ("ศรีสุข", "srisuk"),
    ("김", "kim"),
    ("शर्मा", "sharma"),
    ("Ðặng", "dang"),
    ("D’Angelo", "dangelo"),
    ("İnönü", "inonu"),
    ("𠮷田", "yoshida"),
    ("Nowak 🌻", "nowak"),
];

/// In a hundred people, so many have a name beyond ASCII.
pub(crate) const FOREIGN_PERCENT: f64 = 15.0;

/// A name of this row's dice.
pub(crate) fn name(dice: &mut Dice) -> Name {
    let foreign = dice.percent(FOREIGN_PERCENT);
    let (firsts, lasts) = if foreign { (FIRST_FOREIGN, LAST_FOREIGN) } else { (FIRST, LAST) };
    let (first, first_ascii) = dice.pick(firsts).copied().unwrap_or(("Ann", "ann"));
    let (last, last_ascii) = dice.pick(lasts).copied().unwrap_or(("Adams", "adams"));
    Name { first: first.to_owned(), last: last.to_owned(), mailbox: format!("{first_ascii}.{last_ascii}"), foreign }
}

const RANKS: &[&str] = &["", "", "Senior ", "Junior ", "Head of ", "Director, ", "VP ", "Chief "];
const FIELDS: &[&str] = &[
    "Purchasing",
    "Engineering",
    "Operations",
    "Finance",
    "Marketing",
    "IT",
    "Quality",
    "Sales",
    "Research & Development",
    "Logistics",
    "人事部",
];

/// A job title and a department.
pub(crate) fn job(dice: &mut Dice) -> (String, String) {
    let rank = dice.pick(RANKS).copied().unwrap_or_default();
    let field = dice.pick(FIELDS).copied().unwrap_or_default();
    (format!("{rank}{field}"), field.to_owned())
}
