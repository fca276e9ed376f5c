//! The fields an instance has before anybody adds one.
//!
//! Names and types follow Adobe's list of standard fields, the sample descriptions of the developer docs and, for opportunities, the
//! vendor's data-platform mapping. Lengths the documents don't give are 255 for texts.

use crate::schema::{DataType, Field, Object, Place, Schema};
use DataType::{
    Boolean, Currency, Date, Datetime, Email, Float, Formula, Integer, Percent, Phone, Reference, Score, String as Line, Text, Url,
};

/// Name, label, type, length (0 for none), marks: `r` read-only, `s` searchable, `h` hidden from REST, `i` id, `c` created, `u` updated.
type Spec = (&'static str, &'static str, DataType, u32, &'static str);

const LEAD: &[Spec] = &[
    ("id", "Id", Integer, 0, "rsi"),
    ("company", "Company Name", Line, 255, ""),
    ("site", "Site", Line, 255, ""),
    ("billingStreet", "Billing Address", Text, 2000, ""),
    ("billingCity", "Billing City", Line, 255, ""),
    ("billingState", "Billing State", Line, 255, ""),
    ("billingCountry", "Billing Country", Line, 255, ""),
    ("billingPostalCode", "Billing Postal Code", Line, 255, ""),
    ("website", "Website", Url, 255, ""),
    ("mainPhone", "Main Phone", Phone, 255, ""),
    ("annualRevenue", "Annual Revenue", Currency, 0, ""),
    ("numberOfEmployees", "Num Employees", Integer, 0, ""),
    ("industry", "Industry", Line, 255, ""),
    ("sicCode", "SIC Code", Line, 40, ""),
    ("companyNotes", "Company Notes", Text, 30_000, ""),
    ("mktoCompanyNotes", "Marketo Company Notes", Text, 30_000, "h"),
    ("externalCompanyId", "External Company Id", Line, 100, ""),
    ("salutation", "Salutation", Line, 255, ""),
    ("firstName", "First Name", Line, 255, ""),
    ("middleName", "Middle Name", Line, 255, ""),
    ("lastName", "Last Name", Line, 255, ""),
    ("email", "Email Address", Email, 255, "s"),
    ("phone", "Phone Number", Phone, 255, ""),
    ("mobilePhone", "Mobile Phone Number", Phone, 255, ""),
    ("fax", "Fax Number", Phone, 255, ""),
    ("title", "Job Title", Line, 255, ""),
    ("contactCompany", "Contact Company", Reference, 0, "rh"),
    ("dateOfBirth", "Date of Birth", Date, 0, ""),
    ("address", "Address", Text, 2000, ""),
    ("city", "City", Line, 255, ""),
    ("state", "State", Line, 255, ""),
    ("country", "Country", Line, 255, ""),
    ("postalCode", "Postal Code", Line, 255, ""),
    ("personTimeZone", "Person Time Zone", Line, 255, "r"),
    ("originalSourceType", "Original Source Type", Line, 255, "r"),
    ("originalSourceInfo", "Original Source Info", Line, 2000, "r"),
    ("registrationSourceType", "Registration Source Type", Line, 255, "r"),
    ("registrationSourceInfo", "Registration Source Info", Line, 2000, "r"),
    ("originalSearchEngine", "Original Search Engine", Line, 255, "r"),
    ("originalReferrer", "Original Referrer", Url, 255, "r"),
    ("emailInvalid", "Email Invalid", Boolean, 0, ""),
    ("emailInvalidCause", "Email Invalid Cause", Line, 255, ""),
    ("unsubscribed", "Unsubscribed", Boolean, 0, ""),
    ("unsubscribedReason", "Unsubscribed Reason", Text, 2000, ""),
    ("doNotCall", "Do Not Call", Boolean, 0, ""),
    ("doNotCallReason", "Do Not Call Reason", Text, 2000, ""),
    ("marketingSuspended", "Marketing Suspended", Boolean, 0, ""),
    ("marketingSuspendedCause", "Marketing Suspended Cause", Line, 255, ""),
    ("blackListed", "Black Listed", Boolean, 0, ""),
    ("blackListedCause", "Black Listed Cause", Line, 255, ""),
    ("anonymousIP", "Anonymous IP", Line, 255, ""),
    ("inferredCompany", "Inferred Company", Line, 255, "r"),
    ("inferredCountry", "Inferred Country", Line, 255, "r"),
    ("inferredCity", "Inferred City", Line, 255, "r"),
    ("inferredStateRegion", "Inferred State Region", Line, 255, "r"),
    ("inferredPostalCode", "Inferred Postal Code", Line, 255, "r"),
    ("inferredMetropolitanArea", "Inferred Metropolitan Area", Line, 255, "r"),
    ("inferredPhoneAreaCode", "Inferred Phone Area Code", Line, 255, "r"),
    ("department", "Department", Line, 255, ""),
    ("createdAt", "Created At", Datetime, 0, "rc"),
    ("updatedAt", "Updated At", Datetime, 0, "ru"),
    ("cookies", "Cookies", Line, 255, "rs"),
    ("externalSalesPersonId", "External Sales Person Id", Line, 255, ""),
    ("externalPersonId", "External Person Id", Line, 255, "s"),
    ("leadPerson", "Lead Person", Reference, 0, "rh"),
    ("leadRole", "Role", Line, 50, ""),
    ("leadSource", "Lead Source", Line, 255, ""),
    ("leadStatus", "Lead Status", Line, 255, ""),
    ("leadScore", "Lead Score", Score, 0, ""),
    ("rating", "Lead Rating", Line, 255, ""),
    ("personNotes", "Person Notes", Text, 30_000, ""),
    ("personType", "Person Type", Line, 50, "r"),
    ("priority", "Priority", Integer, 0, "r"),
    ("relativeScore", "Relative Score", Integer, 0, "r"),
    ("relativeScoring", "Relative Scoring", Integer, 0, "r"),
    ("relativeUrgency", "Relative Urgency", Integer, 0, "r"),
    ("urgency", "Urgency", Float, 0, "r"),
    ("msiLastInterestingMomentType", "MSI Last Interesting Moment Type", Line, 255, "r"),
    ("msiLastInterestingMomentDate", "MSI Last Interesting Moment Date", Datetime, 0, "r"),
    ("msiLastInterestingMomentDesc", "MSI Last Interesting Moment Desc", Text, 30_000, "r"),
    ("msiLastInterestingMomentSource", "MSI Last Interesting Moment Source", Line, 255, "r"),
    ("leadPartitionId", "Lead Partition Id", Integer, 0, "rs"),
    ("leadRevenueCycleModelId", "Lead Revenue Cycle Model Id", Integer, 0, "r"),
    ("leadRevenueStageId", "Lead Revenue Stage Id", Integer, 0, "r"),
    ("acquisitionProgramId", "Acquisition Program Id", Integer, 0, "r"),
    ("fullName", "Full Name", Formula, 0, "rh"),
    ("sfdcType", "SFDC Type", Line, 255, "rh"),
    ("facebookId", "Facebook Id", Line, 255, "rs"),
    ("linkedInId", "LinkedIn Id", Line, 255, "rs"),
    ("twitterId", "Twitter Id", Line, 255, "rs"),
    ("sfdcAccountId", "SFDC Account Id", Line, 50, "rs"),
    ("sfdcContactId", "SFDC Contact Id", Line, 50, "rs"),
    ("sfdcLeadId", "SFDC Lead Id", Line, 50, "rs"),
    ("sfdcLeadOwnerId", "SFDC Lead Owner Id", Line, 50, "rs"),
    ("sfdcOpptyId", "SFDC Opportunity Id", Line, 50, "rs"),
];

const COMPANY: &[Spec] = &[
    ("id", "Id", Integer, 0, "rsi"),
    ("externalCompanyId", "External Company Id", Line, 100, "s"),
    ("externalSalesPersonId", "External Sales Person Id", Line, 255, ""),
    ("company", "Company Name", Line, 255, "s"),
    ("site", "Site", Line, 255, ""),
    ("website", "Website", Url, 255, ""),
    ("mainPhone", "Main Phone", Phone, 255, ""),
    ("annualRevenue", "Annual Revenue", Currency, 0, ""),
    ("numberOfEmployees", "Num Employees", Integer, 0, ""),
    ("industry", "Industry", Line, 255, ""),
    ("sicCode", "SIC Code", Line, 40, ""),
    ("billingStreet", "Billing Address", Text, 2000, ""),
    ("billingCity", "Billing City", Line, 255, ""),
    ("billingState", "Billing State", Line, 255, ""),
    ("billingCountry", "Billing Country", Line, 255, ""),
    ("billingPostalCode", "Billing Postal Code", Line, 255, ""),
    ("companyNotes", "Company Notes", Text, 30_000, ""),
    ("createdAt", "Created At", Datetime, 0, "rc"),
    ("updatedAt", "Updated At", Datetime, 0, "ru"),
];

const SALES_PERSON: &[Spec] = &[
    ("id", "Id", Integer, 0, "rsi"),
    ("externalSalesPersonId", "External Sales Person Id", Line, 255, "s"),
    ("email", "Email Address", Email, 255, "s"),
    ("firstName", "First Name", Line, 255, ""),
    ("lastName", "Last Name", Line, 255, ""),
    ("title", "Job Title", Line, 255, ""),
    ("phone", "Phone Number", Phone, 255, ""),
    ("mobilePhone", "Mobile Phone Number", Phone, 255, ""),
    ("fax", "Fax Number", Phone, 255, ""),
    ("createdAt", "Created At", Datetime, 0, "rc"),
    ("updatedAt", "Updated At", Datetime, 0, "ru"),
];

const OPPORTUNITY: &[Spec] = &[
    ("marketoGUID", "Marketo GUID", Line, 36, "rsi"),
    ("externalOpportunityId", "External Opportunity Id", Line, 50, "s"),
    ("externalCompanyId", "External Company Id", Line, 100, "s"),
    ("externalSalesPersonId", "External Sales Person Id", Line, 255, "s"),
    ("name", "Name", Line, 255, ""),
    ("description", "Description", Line, 2000, ""),
    ("type", "Type", Line, 255, ""),
    ("stage", "Stage", Line, 255, ""),
    ("amount", "Amount", Currency, 0, ""),
    ("source", "Source", Line, 255, ""),
    ("externalCreatedDate", "External Created Date", Datetime, 0, ""),
    ("isClosed", "Is Closed", Boolean, 0, ""),
    ("isWon", "Is Won", Boolean, 0, ""),
    ("closeDate", "Close Date", Date, 0, ""),
    ("probability", "Probability", Percent, 0, ""),
    ("quantity", "Quantity", Float, 0, ""),
    ("expectedRevenue", "Expected Revenue", Currency, 0, ""),
    ("leadSource", "Lead Source", Line, 255, ""),
    ("nextStep", "Next Step", Line, 255, ""),
    ("fiscal", "Fiscal", Line, 255, ""),
    ("fiscalYear", "Fiscal Year", Integer, 0, ""),
    ("fiscalQuarter", "Fiscal Quarter", Integer, 0, ""),
    ("forecastCategory", "Forecast Category", Line, 255, ""),
    ("forecastCategoryName", "Forecast Category Name", Line, 255, ""),
    ("lastActivityDate", "Last Activity Date", Date, 0, ""),
    ("createdAt", "Created At", Datetime, 0, "rc"),
    ("updatedAt", "Updated At", Datetime, 0, "ru"),
];

const ROLE: &[Spec] = &[
    ("marketoGUID", "Marketo GUID", Line, 36, "rsi"),
    ("externalOpportunityId", "External Opportunity Id", Line, 50, "s"),
    ("leadId", "Lead Id", Integer, 0, "s"),
    ("role", "Role", Line, 50, ""),
    ("isPrimary", "Is Primary", Boolean, 0, ""),
    ("externalCreatedDate", "External Created Date", Datetime, 0, ""),
    ("createdAt", "Created At", Datetime, 0, "rc"),
    ("updatedAt", "Updated At", Datetime, 0, "ru"),
];

/// Fields of a company that a lead has on its own account, or not at all.
const NOT_SHARED: [&str; 5] = ["id", "externalCompanyId", "externalSalesPersonId", "createdAt", "updatedAt"];

/// The schema of a fresh instance.
pub(crate) fn schema(object: Object) -> Schema {
    let specs = match object {
        Object::Leads => LEAD,
        Object::Companies => COMPANY,
        Object::SalesPersons => SALES_PERSON,
        Object::Opportunities => OPPORTUNITY,
        Object::Roles => ROLE,
    };
    let mut schema = Schema::new(specs.iter().map(field).collect());
    if object == Object::Leads {
        for (column, company) in self::schema(Object::Companies).iter() {
            share(&mut schema, column, company);
        }
    }
    schema
}

/// Makes the lead field of the same name show the company's value, when the company's field is one that its leads share.
pub(crate) fn share(leads: &mut Schema, column: u16, company: &Field) {
    if NOT_SHARED.contains(&company.name.as_str()) {
        return;
    }
    if let Some(field) = leads.find(&company.name).and_then(|at| leads.field_mut(at)) {
        field.place = Place::Company(column);
    }
}

fn field(&(name, label, data_type, length, marks): &Spec) -> Field {
    let has = |mark: char| marks.contains(mark);
    let place = match () {
        () if has('i') => Place::Id,
        () if has('c') => Place::CreatedAt,
        () if has('u') => Place::UpdatedAt,
        () => Place::Own,
    };
    Field {
        name: name.into(),
        display_name: label.into(),
        data_type,
        length: (length > 0).then_some(length),
        limit: None,
        read_only: has('r'),
        searchable: has('s'),
        custom: false,
        api_created: false,
        hidden: has('h'),
        removed: false,
        place,
    }
}
