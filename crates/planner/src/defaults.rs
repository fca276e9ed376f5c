//! The field maps that apply where the configuration says nothing.
//!
//! A default whose column or field one side lacks is left out, with a note; only what the configuration names is an error there.

use base::Table;

use crate::source::Source;

fn column(name: &str) -> Source {
    Source::Column(name.into())
}

fn label(name: &str) -> Source {
    Source::Label(name.into())
}

fn lines(prefix: &str) -> Source {
    Source::Lines((1..=3).map(|n| format!("{prefix}_line{n}")).collect())
}

/// Marketo field and source, for each mapped field of a table.
#[must_use]
pub fn defaults(table: Table) -> Vec<(&'static str, Source)> {
    match table {
        Table::SystemUser => vec![
            ("firstName", column("firstname")),
            ("lastName", column("lastname")),
            ("email", column("internalemailaddress")),
            ("title", column("title")),
            ("phone", column("address1_telephone1")),
            ("mobilePhone", column("mobilephone")),
            ("fax", column("address1_fax")),
        ],
        Table::Account => vec![
            ("company", column("name")),
            ("website", column("websiteurl")),
            ("mainPhone", column("telephone1")),
            ("industry", label("industrycode")),
            ("annualRevenue", column("revenue")),
            ("numberOfEmployees", column("numberofemployees")),
            ("sicCode", column("sic")),
            ("billingStreet", lines("address1")),
            ("billingCity", column("address1_city")),
            ("billingState", column("address1_stateorprovince")),
            ("billingCountry", column("address1_country")),
            ("billingPostalCode", column("address1_postalcode")),
            ("companyNotes", column("description")),
        ],
        Table::Lead => {
            let mut fields = person();
            fields.extend([("leadSource", label("leadsourcecode")), ("rating", label("leadqualitycode"))]);
            fields
        }
        Table::Contact => {
            let mut fields = person();
            fields.extend([("department", column("department")), ("dateOfBirth", column("birthdate"))]);
            fields
        }
        Table::Opportunity => vec![
            ("name", column("name")),
            ("description", column("description")),
            ("amount", column("estimatedvalue")),
            ("stage", Source::First(vec![column("stepname"), label("salesstage")])),
            ("closeDate", Source::First(vec![column("actualclosedate"), column("estimatedclosedate")])),
            ("probability", column("closeprobability")),
            ("isClosed", Source::NotAmong("statecode".into(), vec![0])),
            ("isWon", Source::Among("statecode".into(), vec![1])),
            ("externalCreatedDate", column("createdon")),
        ],
        Table::Team | Table::ConnectionRole | Table::Connection => Vec::new(),
    }
}

/// What leads and contacts have in common.
fn person() -> Vec<(&'static str, Source)> {
    vec![
        ("email", column("emailaddress1")),
        ("firstName", column("firstname")),
        ("middleName", column("middlename")),
        ("lastName", column("lastname")),
        ("salutation", column("salutation")),
        ("title", column("jobtitle")),
        ("phone", column("telephone1")),
        ("mobilePhone", column("mobilephone")),
        ("fax", column("fax")),
        ("address", lines("address1")),
        ("city", column("address1_city")),
        ("state", column("address1_stateorprovince")),
        ("country", column("address1_country")),
        ("postalCode", column("address1_postalcode")),
        ("unsubscribed", Source::AnyTrue(vec!["donotemail".into(), "donotbulkemail".into()])),
        ("doNotCall", Source::AnyTrue(vec!["donotphone".into()])),
    ]
}
