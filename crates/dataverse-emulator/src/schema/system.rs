//! Users, teams and the tables a client reads to learn about the environment itself.

use super::shared::{ACTIVE, ACTIVE_REASON, BOOKKEEPING, BUSINESS_UNIT, USER};
use super::spec::OnDelete::{Keep, RemoveLink};
use super::spec::{Kind, Spec, TableSpec, choice, column, flag, guid, integer, lookup, memo, state, status, text, to};

pub(crate) const SYSTEM_USER: TableSpec = TableSpec {
    name: "systemuser",
    schema: "SystemUser",
    set: "systemusers",
    label: "User",
    plural: "Users",
    code: 8,
    key: "systemuserid",
    title: "fullname",
    ownership: "BusinessOwned",
    tracked: true,
    concurrency: false,
    columns: &[USER_OWN, BOOKKEEPING],
    keys: &[],
};

const USER_OWN: &[Spec] = &[
    column("systemuserid", "User", Kind::Key),
    text("fullname", "Full Name", 200).read_only(),
    text("firstname", "First Name", 64).recommended(),
    text("middlename", "Middle Name", 50),
    text("lastname", "Last Name", 64).recommended(),
    text("nickname", "Nickname", 50),
    text("salutation", "Salutation", 20),
    text("internalemailaddress", "Primary Email", 100).format("Email"),
    text("personalemailaddress", "Email 2", 100).format("Email"),
    text("mobilealertemail", "Mobile Alert Email", 100).format("Email"),
    text("domainname", "User Name", 1024).required(),
    text("windowsliveid", "Windows Live ID", 1024),
    text("title", "Title", 128),
    text("jobtitle", "Job Title", 100),
    text("employeeid", "Employee", 100),
    text("address1_telephone1", "Main Phone", 64).format("Phone"),
    text("mobilephone", "Mobile Phone", 64).format("Phone"),
    text("homephone", "Home Phone", 50).format("Phone"),
    text("address1_line1", "Street 1", 1024),
    text("address1_line2", "Street 2", 1024),
    text("address1_line3", "Street 3", 1024),
    text("address1_city", "City", 128),
    text("address1_stateorprovince", "State/Province", 128),
    text("address1_country", "Country/Region", 128),
    text("address1_postalcode", "ZIP/Postal Code", 40),
    flag("isdisabled", "Status"),
    text("disabledreason", "Disabled Reason", 500).read_only(),
    choice(
        "accessmode",
        "Access Mode",
        &[
            (0, "Read-Write", 0),
            (1, "Administrative", 0),
            (2, "Read", 0),
            (3, "Support User", 0),
            (4, "Non-interactive", 0),
            (5, "Delegated Admin", 0),
        ],
    ),
    guid("applicationid", "Application ID"),
    text("applicationiduri", "Application ID URI", 1024).read_only(),
    guid("azureactivedirectoryobjectid", "Azure AD Object ID"),
    flag("islicensed", "User Licensed"),
    integer("userlicensetype", "User License Type", -2_147_483_648, 2_147_483_647),
    flag("setupuser", "Restricted Access Mode"),
    flag("isintegrationuser", "Integration user mode"),
    choice(
        "invitestatuscode",
        "Invitation Status",
        &[
            (0, "Invitation Not Sent", 0),
            (1, "Invited", 0),
            (2, "Invitation Near Expired", 0),
            (3, "Invitation Expired", 0),
            (4, "Invitation Accepted", 0),
        ],
    ),
    lookup("parentsystemuserid", "Manager", &[to("systemuser", "", "user_parent_user", RemoveLink)]),
    lookup("positionid", "Position", &[to("position", "", "position_users", RemoveLink)]),
    lookup("territoryid", "Territory", &[to("territory", "", "territory_system_users", RemoveLink)]),
    lookup("businessunitid", "Business Unit", BUSINESS_UNIT),
];

pub(crate) const TEAM: TableSpec = TableSpec {
    name: "team",
    schema: "Team",
    set: "teams",
    label: "Team",
    plural: "Teams",
    code: 9,
    key: "teamid",
    title: "name",
    ownership: "BusinessOwned",
    tracked: true,
    concurrency: false,
    columns: &[
        &[
            column("teamid", "Team", Kind::Key),
            text("name", "Team Name", 160).required(),
            text("emailaddress", "Email", 100).format("Email"),
            memo("description", "Description", 2000),
            choice("teamtype", "Team Type", &[(0, "Owner", 0), (1, "Access", 0), (2, "AAD Security Group", 0), (3, "AAD Office Group", 0)]),
            flag("isdefault", "Is Default").read_only(),
            lookup("administratorid", "Administrator", USER),
            lookup("queueid", "Default Queue", &[to("queue", "", "queue_team", RemoveLink)]),
            lookup("businessunitid", "Business Unit", BUSINESS_UNIT),
            guid("azureactivedirectoryobjectid", "Azure AD Object Id for a group"),
        ],
        BOOKKEEPING,
    ],
    keys: &[],
};

pub(super) const fn plain(
    name: &'static str,
    schema: &'static str,
    set: &'static str,
    label: &'static str,
    code: i32,
    key: &'static str,
    title: &'static str,
) -> TableSpec {
    TableSpec {
        name,
        schema,
        set,
        label,
        plural: label,
        code,
        key,
        title,
        ownership: "OrganizationOwned",
        tracked: false,
        concurrency: false,
        columns: &[],
        keys: &[],
    }
}

pub(crate) const ORGANIZATION: TableSpec = TableSpec {
    columns: &[
        &[
            column("organizationid", "Organization", Kind::Key),
            text("name", "Organization Name", 160),
            integer("expirechangetrackingindays", "Days to Expire Change Tracking Deltas", 0, 365),
            integer("languagecode", "Language", 0, 65_535),
            integer("localeid", "Locale", 0, 65_535),
            integer("maxuploadfilesize", "Max Upload File Size", 0, 131_072),
            flag("isauditenabled", "Is Auditing Enabled"),
            lookup("basecurrencyid", "Currency", &[to("transactioncurrency", "", "", Keep)]),
            text("schemanameprefix", "Customization Name Prefix", 8),
        ],
        BOOKKEEPING,
    ],
    ..plain("organization", "Organization", "organizations", "Organization", 1019, "organizationid", "name")
};

pub(crate) const CURRENCY_TABLE: TableSpec = TableSpec {
    columns: &[
        &[
            column("transactioncurrencyid", "Transaction Currency", Kind::Key),
            text("currencyname", "Currency Name", 100).required(),
            text("isocurrencycode", "Currency Code", 5).required(),
            text("currencysymbol", "Currency Symbol", 13).required(),
            integer("currencyprecision", "Currency Precision", 0, 4),
            column("exchangerate", "Exchange Rate", Kind::Decimal(10)),
            state(ACTIVE),
            status(ACTIVE_REASON),
        ],
        BOOKKEEPING,
    ],
    ..plain(
        "transactioncurrency",
        "TransactionCurrency",
        "transactioncurrencies",
        "Currency",
        9105,
        "transactioncurrencyid",
        "currencyname",
    )
};

pub(crate) const BUSINESS_UNIT_TABLE: TableSpec = TableSpec {
    columns: &[
        &[
            column("businessunitid", "Business Unit", Kind::Key),
            text("name", "Name", 160).required(),
            flag("isdisabled", "Is Disabled"),
            lookup("parentbusinessunitid", "Parent Business", BUSINESS_UNIT),
        ],
        BOOKKEEPING,
    ],
    ..plain("businessunit", "BusinessUnit", "businessunits", "Business Unit", 10, "businessunitid", "name")
};

pub(crate) const CAMPAIGN: TableSpec = TableSpec {
    columns: &[&[column("campaignid", "Campaign", Kind::Key), text("name", "Name", 128)], BOOKKEEPING],
    ..plain("campaign", "Campaign", "campaigns", "Campaign", 4400, "campaignid", "name")
};

pub(crate) const PRICE_LEVEL: TableSpec = TableSpec {
    columns: &[&[column("pricelevelid", "Price List", Kind::Key), text("name", "Name", 100)], BOOKKEEPING],
    ..plain("pricelevel", "PriceLevel", "pricelevels", "Price List", 1022, "pricelevelid", "name")
};

pub(crate) const SOLUTION: TableSpec = TableSpec {
    columns: &[
        &[
            column("solutionid", "Solution Identifier", Kind::Key),
            text("uniquename", "Name", 65).required(),
            text("friendlyname", "Display Name", 256),
            text("version", "Version", 256),
            flag("ismanaged", "Package Type").read_only(),
            flag("isvisible", "Is Visible Outside Platform").read_only(),
        ],
        BOOKKEEPING,
    ],
    ..plain("solution", "Solution", "solutions", "Solution", 7100, "solutionid", "uniquename")
};

pub(crate) const SDK_MESSAGE: TableSpec = TableSpec {
    columns: &[
        &[column("sdkmessageid", "Sdk Message", Kind::Key), text("name", "Name", 256), text("categoryname", "Category Name", 25)],
        BOOKKEEPING,
    ],
    ..plain("sdkmessage", "SdkMessage", "sdkmessages", "Sdk Message", 4606, "sdkmessageid", "name")
};

pub(crate) const SDK_MESSAGE_FILTER: TableSpec = TableSpec {
    columns: &[
        &[
            column("sdkmessagefilterid", "Sdk Message Filter", Kind::Key),
            column("primaryobjecttypecode", "Primary Object Type Code", Kind::EntityName),
            column("secondaryobjecttypecode", "Secondary Object Type Code", Kind::EntityName),
            lookup("sdkmessageid", "Sdk Message", &[to("sdkmessage", "", "sdkmessageid_sdkmessagefilter", RemoveLink)]),
            flag("iscustomprocessingstepallowed", "Custom Processing Step Allowed"),
        ],
        BOOKKEEPING,
    ],
    ..plain("sdkmessagefilter", "SdkMessageFilter", "sdkmessagefilters", "Sdk Message Filter", 4607, "sdkmessagefilterid", "name")
};
