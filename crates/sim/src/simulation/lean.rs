//! A Dynamics environment with the columns that matter only: every cycle reads the metadata of all tables, and most columns are there for
//! nothing but their number.

use crate::world::World;

const TABLES: [&str; 8] = ["systemuser", "team", "connectionrole", "account", "lead", "contact", "opportunity", "connection"];

/// Columns that stay, in whichever table they are. Those of Sales Insight stay too.
const KEPT: &[&str] = &[
    // What every table has.
    "createdon",
    "modifiedon",
    "versionnumber",
    "statecode",
    "statuscode",
    "ownerid",
    "owninguser",
    "owningteam",
    "owningbusinessunit",
    "createdby",
    "modifiedby",
    "businessunitid",
    // Users, teams and roles.
    "isdisabled",
    "accessmode",
    "applicationid",
    "internalemailaddress",
    "isintegrationuser",
    "domainname",
    "firstname",
    "lastname",
    "fullname",
    "title",
    "address1_telephone1",
    "mobilephone",
    "address1_fax",
    "name",
    "administratorid",
    "teamtype",
    "isdefault",
    "category",
    // Accounts, leads and contacts.
    "websiteurl",
    "telephone1",
    "industrycode",
    "revenue",
    "numberofemployees",
    "sic",
    "description",
    "address1_line1",
    "address1_line2",
    "address1_line3",
    "address1_city",
    "address1_stateorprovince",
    "address1_country",
    "address1_postalcode",
    "emailaddress1",
    "middlename",
    "salutation",
    "jobtitle",
    "fax",
    "donotemail",
    "donotbulkemail",
    "donotphone",
    "leadsourcecode",
    "leadqualitycode",
    "department",
    "birthdate",
    "companyname",
    "subject",
    "parentaccountid",
    "parentcontactid",
    "parentcustomerid",
    "accountid",
    "customerid",
    "originatingleadid",
    "qualifyingopportunityid",
    "masterid",
    "merged",
    "primarycontactid",
    "transactioncurrencyid",
    // Opportunities and connections.
    "estimatedvalue",
    "stepname",
    "salesstage",
    "closeprobability",
    "actualclosedate",
    "estimatedclosedate",
    "record1id",
    "record2id",
    "record1roleid",
    "record2roleid",
    "relatedconnectionid",
    "ismaster",
    "record1objecttypecode",
    "record2objecttypecode",
];

/// Takes all other columns away.
pub(super) fn slim(world: &World) {
    let mut dynamics = world.sandbox.dataverse.state();
    for table in TABLES {
        let schema = dynamics.schema();
        let Some(definition) = schema.find(table).and_then(|at| schema.get(at)) else { continue };
        let key = format!("{table}id");
        let goes = |name: &str| !KEPT.contains(&name) && name != key && !name.starts_with("mkt_") && !name.starts_with("new_");
        let gone: Vec<String> = definition.columns().map(|(_, column)| column.name.clone()).filter(|name| goes(name)).collect();
        for column in gone {
            dynamics.remove_column(table, &column).unwrap();
        }
    }
}
