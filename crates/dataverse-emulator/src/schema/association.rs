//! Many-to-many relationships: each keeps its pairs as rows of a table of its own, the intersect table.

/// One end of a many-to-many relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The logical name of the table.
    pub table: String,
    /// The collection-valued navigation name on that table, leading to the other end.
    pub nav: String,
    /// The intersect table's column with this end's id.
    pub column: String,
}

/// A many-to-many relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// Schema name.
    pub schema: String,
    /// The intersect table's logical name.
    pub intersect: String,
    /// Whether it came after the environment was made.
    pub custom: bool,
    /// Both ends.
    pub ends: [End; 2],
}

/// Schema name and intersect table; then table, navigation name and column of each end.
pub(super) type Spec = (&'static str, &'static str, [(&'static str, &'static str, &'static str); 2]);

/// The relationships out of the box.
pub(super) const ASSOCIATIONS: &[Spec] = &[
    (
        "teammembership_association",
        "teammembership",
        [("systemuser", "teammembership_association", "systemuserid"), ("team", "teammembership_association", "teamid")],
    ),
    (
        "connectionroleassociation_association",
        "connectionroleassociation",
        [
            ("connectionrole", "connectionroleassociation_association", "connectionroleid"),
            ("connectionrole", "connectionroleassociation_association_referenced", "associatedconnectionroleid"),
        ],
    ),
];

impl Association {
    pub(super) fn from_spec(spec: &Spec) -> Self {
        let (schema, intersect, ends) = spec;
        let end =
            |(table, nav, column): (&str, &str, &str)| End { table: table.to_owned(), nav: nav.to_owned(), column: column.to_owned() };
        Self { schema: (*schema).to_owned(), intersect: (*intersect).to_owned(), custom: false, ends: ends.map(end) }
    }

    /// Each end with its other end.
    pub fn directions(&self) -> [(&End, &End); 2] {
        let [first, second] = &self.ends;
        [(first, second), (second, first)]
    }
}
