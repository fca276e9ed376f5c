//! Columns that several tables have: bookkeeping, ownership, addresses, consent, MSI.

use super::spec::{Choice, Kind, OnDelete, Spec, To, choice, column, flag, guid, integer, lookup, memo, moment, money, text, to};

pub(crate) const BOOKKEEPING: &[Spec] = &[
    moment("createdon", "Created On").read_only(),
    moment("modifiedon", "Modified On").read_only(),
    column("versionnumber", "Version Number", Kind::BigInt).read_only(),
    lookup("createdby", "Created By", USER).read_only(),
    lookup("modifiedby", "Modified By", USER).read_only(),
    lookup("createdonbehalfby", "Created By (Delegate)", USER).read_only(),
    lookup("modifiedonbehalfby", "Modified By (Delegate)", USER).read_only(),
    moment("overriddencreatedon", "Record Created On").create_only(),
    integer("importsequencenumber", "Import Sequence Number", -2_147_483_648, 2_147_483_647).create_only(),
];

pub(crate) const OWNERSHIP: &[Spec] = &[
    lookup("ownerid", "Owner", &[to("systemuser", "ownerid", "", OnDelete::Keep), to("team", "ownerid", "", OnDelete::Keep)])
        .kind(Kind::Owner)
        .required(),
    lookup("owninguser", "Owning User", USER).read_only(),
    lookup("owningteam", "Owning Team", &[to("team", "", "", OnDelete::Keep)]).read_only(),
    lookup("owningbusinessunit", "Owning Business Unit", BUSINESS_UNIT).read_only(),
];

pub(crate) const CURRENCY: &[Spec] = &[
    lookup("transactioncurrencyid", "Currency", &[to("transactioncurrency", "", "", OnDelete::Restrict)]),
    column("exchangerate", "Exchange Rate", Kind::Decimal(10)).read_only(),
];

pub(crate) const USER: &[To] = &[to("systemuser", "", "", OnDelete::Keep)];
pub(crate) const BUSINESS_UNIT: &[To] = &[to("businessunit", "", "", OnDelete::Restrict)];
pub(crate) const ACTIVE: &[Choice] = &[(0, "Active", 0), (1, "Inactive", 1)];
pub(crate) const ACTIVE_REASON: &[Choice] = &[(1, "Active", 0), (2, "Inactive", 1)];
pub(crate) const RATING: &[Choice] = &[(1, "Hot", 0), (2, "Warm", 0), (3, "Cold", 0)];

pub(crate) const INDUSTRY: Spec = choice(
    "industrycode",
    "Industry",
    &[
        (1, "Accounting", 0),
        (2, "Agriculture and Non-petrol Natural Resource Extraction", 0),
        (3, "Broadcasting Printing and Publishing", 0),
        (4, "Brokers", 0),
        (5, "Building Supply Retail", 0),
        (6, "Business Services", 0),
        (7, "Consulting", 0),
        (8, "Consumer Services", 0),
        (9, "Design, Direction and Creative Management", 0),
        (10, "Distributors, Dispatchers and Processors", 0),
        (11, "Doctor's Offices and Clinics", 0),
        (12, "Durable Manufacturing", 0),
        (13, "Eating and Drinking Places", 0),
        (14, "Entertainment Retail", 0),
        (15, "Equipment Rental and Leasing", 0),
        (16, "Financial", 0),
        (17, "Food and Tobacco Processing", 0),
        (18, "Inbound Capital Intensive Processing", 0),
        (19, "Inbound Repair and Services", 0),
        (20, "Insurance", 0),
        (21, "Legal Services", 0),
        (22, "Non-Durable Merchandise Retail", 0),
        (23, "Outbound Consumer Service", 0),
        (24, "Petrochemical Extraction and Distribution", 0),
        (25, "Service Retail", 0),
        (26, "SIG Affiliations", 0),
        (27, "Social Services", 0),
        (28, "Special Outbound Trade Contractors", 0),
        (29, "Specialty Realty", 0),
        (30, "Transportation", 0),
        (31, "Utility Creation and Distribution", 0),
        (32, "Vehicle Retail", 0),
        (33, "Wholesale", 0),
    ],
);

pub(crate) const CONTACT_METHOD: Spec = choice(
    "preferredcontactmethodcode",
    "Preferred Method of Contact",
    &[(1, "Any", 0), (2, "Email", 0), (3, "Phone", 0), (4, "Fax", 0), (5, "Mail", 0)],
);

/// How a person or company may be reached: the e-mail addresses, telephones and consents that account, contact and lead share.
pub(crate) const REACH: &[Spec] = &[
    text("emailaddress1", "Email", 100).format("Email"),
    text("emailaddress2", "Email Address 2", 100).format("Email"),
    text("emailaddress3", "Email Address 3", 100).format("Email"),
    text("telephone1", "Business Phone", 50).format("Phone"),
    text("telephone2", "Home Phone", 50).format("Phone"),
    text("telephone3", "Telephone 3", 50).format("Phone"),
    text("fax", "Fax", 50).format("Phone"),
    text("websiteurl", "Website", 200).format("Url"),
    memo("description", "Description", 2000),
    flag("donotemail", "Do not allow Emails"),
    flag("donotbulkemail", "Do not allow Bulk Emails"),
    flag("donotphone", "Do not allow Phone Calls"),
    flag("donotfax", "Do not allow Faxes"),
    flag("donotpostalmail", "Do not allow Mails"),
    flag("donotsendmm", "Send Marketing Materials"),
    flag("followemail", "Follow Email Activity"),
    CONTACT_METHOD,
    flag("merged", "Merged").read_only(),
];

/// The columns of one address, named after its prefix, as account, contact and lead have them.
macro_rules! address {
    ($prefix:literal, $label:literal) => {
        &[
            guid(concat!($prefix, "_addressid"), concat!($label, ": ID")),
            memo(concat!($prefix, "_composite"), $label, 1000).read_only(),
            text(concat!($prefix, "_name"), concat!($label, ": Name"), 200),
            text(concat!($prefix, "_line1"), concat!($label, ": Street 1"), 250),
            text(concat!($prefix, "_line2"), concat!($label, ": Street 2"), 250),
            text(concat!($prefix, "_line3"), concat!($label, ": Street 3"), 250),
            text(concat!($prefix, "_city"), concat!($label, ": City"), 80),
            text(concat!($prefix, "_stateorprovince"), concat!($label, ": State/Province"), 50),
            text(concat!($prefix, "_postalcode"), concat!($label, ": ZIP/Postal Code"), 20),
            text(concat!($prefix, "_country"), concat!($label, ": Country/Region"), 80),
            text(concat!($prefix, "_county"), concat!($label, ": County"), 50),
            text(concat!($prefix, "_telephone1"), concat!($label, ": Phone"), 50).format("Phone"),
            text(concat!($prefix, "_postofficebox"), concat!($label, ": Post Office Box"), 20),
            column(concat!($prefix, "_latitude"), concat!($label, ": Latitude"), Kind::Double(5)),
            column(concat!($prefix, "_longitude"), concat!($label, ": Longitude"), Kind::Double(5)),
        ]
    };
}

pub(crate) const ADDRESS1: &[Spec] = address!("address1", "Address 1");
pub(crate) const ADDRESS2: &[Spec] = address!("address2", "Address 2");
pub(crate) const ADDRESS3: &[Spec] = address!("address3", "Address 3");

/// The columns that Adobe's Marketo Sales Insight package adds to lead and contact, with the names Adobe documents.
pub(crate) const MSI: &[Spec] = &[
    text("mkt_lastinterestingmomenttype", "Last Interesting Moment Type", 100),
    moment("mkt_lastinterestingmomentdate", "Last Interesting Moment Date"),
    memo("mkt_lastinterestingmomentdesc", "Last Interesting Moment Description", 2000),
    text("mkt_leadinterestingmomentsource", "Last Interesting Moment Source", 100),
    integer("mkt_priority", "Engagement", -2_147_483_648, 2_147_483_647),
    integer("mkt_urgency", "Relative Urgency Value", -2_147_483_648, 2_147_483_647),
    integer("mkt_relativescore", "Relative Scoring Value", -2_147_483_648, 2_147_483_647),
];

/// The same columns as a customer's own publisher would have named them.
pub(crate) const MSI_CUSTOM: &[Spec] = &[
    text("new_lastinterestingmomenttype", "Last Interesting Moment Type", 100),
    moment("new_lastinterestingmomentdate", "Last Interesting Moment Date"),
    memo("new_lastinterestingmomentdesc", "Last Interesting Moment Description", 2000),
    text("new_lastinterestingmomentsource", "Last Interesting Moment Source", 100),
    integer("new_priority", "Engagement", -2_147_483_648, 2_147_483_647),
    integer("new_urgencyvalue", "Relative Urgency Value", -2_147_483_648, 2_147_483_647),
    integer("new_relativescorevalue", "Relative Scoring Value", -2_147_483_648, 2_147_483_647),
];

pub(crate) const fn amount(name: &'static str, label: &'static str) -> Spec {
    money(name, label, 0, 1_000_000_000_000)
}

pub(crate) const fn amount_base(name: &'static str, label: &'static str) -> Spec {
    money(name, label, -922_337_203_685_477, 922_337_203_685_477).read_only()
}
