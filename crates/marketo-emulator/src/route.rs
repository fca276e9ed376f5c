//! Which operation a method and a path ask for, and the short name each operation goes by.

use http::Method;

use crate::{lists::Membership, schema::Object};

/// Everything that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Token,
    DescribeLeads,
    DescribeLeads2,
    Fields(Object),
    Field(Object, String),
    CreateFields,
    UpdateField(String),
    Lead(String),
    QueryLeads,
    SyncLeads,
    PushLeads,
    DeleteLeads,
    MergeLeads(String),
    AssociateLead(String),
    Partitions,
    MoveLeads,
    Describe(Object),
    Query(Object),
    Sync(Object),
    Delete(Object),
    ActivityTypes,
    PagingToken,
    Activities,
    LeadChanges,
    DeletedLeads,
    Usage {
        week: bool,
    },
    Errors {
        week: bool,
    },
    Import,
    ImportStatus(String),
    ImportFailures(String),
    ImportWarnings(String),
    Export(Extract, ExportStep),
    Lists,
    OneList(String),
    ListLeads(String),
    ListMembers(String, Membership),
    ListsOfLead(String),
    ListAsset(ListStep),
    CustomActivities,
    DescribeProgramMembers,
    DescribeNamedAccounts,
    /// Campaigns, programs, custom objects, named accounts, their memberships: there are none.
    EmptyList,
    /// One campaign, program or custom object: there is none.
    Nothing,
    /// Anything else of the Asset API: there is nothing.
    Assets,
}

/// What the Asset API does with static lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListStep {
    Browse,
    ByName,
    ById(String),
    Create,
    Update(String),
    Delete(String),
}

/// What can be extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Extract {
    Leads,
    Activities,
    /// There are none, so the file is empty.
    ProgramMembers,
}

/// A step of an extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExportStep {
    List,
    Create,
    Enqueue(String),
    Cancel(String),
    Status(String),
    File(String),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Found(Op),
    /// The path exists, the method doesn't.
    WrongMethod,
    Unknown,
}

/// Looks a method and the parts of a path up.
pub(crate) fn find(method: &Method, path: &[String]) -> Route {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut known = false;
    for candidate in [Method::GET, Method::POST, Method::DELETE] {
        if let Some(op) = lookup(&candidate, &path) {
            if candidate == *method {
                return Route::Found(op);
            }
            known = true;
        }
    }
    if known { Route::WrongMethod } else { Route::Unknown }
}

fn lookup(method: &Method, path: &[&str]) -> Option<Op> {
    match path {
        ["identity", "oauth", "token"] if *method != Method::DELETE => Some(Op::Token),
        ["rest", "asset", "v1", "staticLists" | "staticList", ..] => list_asset(method, path.get(3..)?).map(Op::ListAsset),
        ["rest", "asset", "v1", _, ..] if *method == Method::GET => Some(Op::Assets),
        ["rest", "v1", "leads", rest @ ..] => leads(method, rest),
        ["rest", "v1", rest @ ..] => database(method, rest).or_else(|| object(method, rest)),
        ["bulk", "v1", "leads"] if *method == Method::POST => Some(Op::Import),
        ["bulk", "v1", "leads", "batch", id, rest @ ..] if *method == Method::GET => match rest {
            [] | ["status"] => Some(Op::ImportStatus((*id).into())),
            ["failures"] => Some(Op::ImportFailures((*id).into())),
            ["warnings"] => Some(Op::ImportWarnings((*id).into())),
            _ => None,
        },
        ["bulk", "v1", "leads", "export", rest @ ..] => export(method, rest).map(|step| Op::Export(Extract::Leads, step)),
        ["bulk", "v1", "program", "members", "export", rest @ ..] => {
            export(method, rest).map(|step| Op::Export(Extract::ProgramMembers, step))
        }
        ["bulk", "v1", "customobjects", _, "export"] if *method == Method::GET => Some(Op::EmptyList),
        ["bulk", "v1", "customobjects", _, "export", "create"] if *method == Method::POST => Some(Op::Nothing),
        ["bulk", "v1", "activities", "export", rest @ ..] => export(method, rest).map(|step| Op::Export(Extract::Activities, step)),
        _ => None,
    }
}

fn leads(method: &Method, path: &[&str]) -> Option<Op> {
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    match path {
        [] if get => Some(Op::QueryLeads),
        [] if post => Some(Op::SyncLeads),
        [] | ["delete"] if *method == Method::DELETE => Some(Op::DeleteLeads),
        ["delete"] if post => Some(Op::DeleteLeads),
        ["describe"] if get => Some(Op::DescribeLeads),
        ["describe2"] if get => Some(Op::DescribeLeads2),
        ["push"] if post => Some(Op::PushLeads),
        ["partitions"] if get => Some(Op::Partitions),
        ["partitions"] if post => Some(Op::MoveLeads),
        ["schema", "fields"] if get => Some(Op::Fields(Object::Leads)),
        ["schema", "fields"] if post => Some(Op::CreateFields),
        ["schema", "fields", name] if get => Some(Op::Field(Object::Leads, (*name).into())),
        ["schema", "fields", name] if post => Some(Op::UpdateField((*name).into())),
        [id, "merge"] if post => Some(Op::MergeLeads((*id).into())),
        [id, "associate"] if post => Some(Op::AssociateLead((*id).into())),
        [id, "listMembership"] if get => Some(Op::ListsOfLead((*id).into())),
        ["submitForm"] | ["programs", _, "status"] if post => Some(Op::Nothing),
        [_, "programMembership" | "smartCampaignMembership"] | ["programs", _] if get => Some(Op::EmptyList),
        _ => None,
    }
}

fn database(method: &Method, path: &[&str]) -> Option<Op> {
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    match path {
        ["lead", id] if get => Some(Op::Lead((*id).into())),
        ["activities"] if get => Some(Op::Activities),
        ["activities", "types"] if get => Some(Op::ActivityTypes),
        ["activities", "pagingtoken"] if get => Some(Op::PagingToken),
        ["activities", "leadchanges"] if get => Some(Op::LeadChanges),
        ["activities", "deletedleads"] if get => Some(Op::DeletedLeads),
        ["stats", "usage"] if get => Some(Op::Usage { week: false }),
        ["stats", "usage", "last7days"] if get => Some(Op::Usage { week: true }),
        ["stats", "errors"] if get => Some(Op::Errors { week: false }),
        ["stats", "errors", "last7days"] if get => Some(Op::Errors { week: true }),
        ["lists"] if get => Some(Op::Lists),
        ["lists", id] if get => Some(Op::OneList((*id).into())),
        ["list" | "lists", id, "leads"] if get => Some(Op::ListLeads((*id).into())),
        ["lists", id, "leads"] if post => Some(Op::ListMembers((*id).into(), Membership::Add)),
        ["lists", id, "leads"] if *method == Method::DELETE => Some(Op::ListMembers((*id).into(), Membership::Remove)),
        ["lists", id, "leads", "ismember"] if get => Some(Op::ListMembers((*id).into(), Membership::Ask)),
        ["programs" | "program", "members", "describe"] if get => Some(Op::DescribeProgramMembers),
        ["namedaccounts", "describe"] if get => Some(Op::DescribeNamedAccounts),
        ["campaigns" | "programs" | "customobjects" | "namedaccounts" | "namedAccountLists"] if get => Some(Op::EmptyList),
        ["customobjects", "schema"] | ["activities", "external", "types"] | ["programs", _, "members"] if get => Some(Op::EmptyList),
        ["activities", "external"] if post => Some(Op::CustomActivities),
        ["campaigns", _] | ["customobjects", _] | ["customobjects", _, "describe"] if get => Some(Op::Nothing),
        ["customobjects", "schema", _, "describe"] if get => Some(Op::Nothing),
        ["campaigns", _, "schedule" | "trigger"] | ["customobjects", _] | ["customobjects", _, "delete"] if post => Some(Op::Nothing),
        ["programs", _, "members"] | ["programs", _, "members", "status" | "delete"] if post => Some(Op::Nothing),
        _ => None,
    }
}

fn object(method: &Method, path: &[&str]) -> Option<Op> {
    let (object, rest) = match path {
        ["companies", rest @ ..] => (Object::Companies, rest),
        ["salespersons", rest @ ..] => (Object::SalesPersons, rest),
        ["opportunities", "roles", rest @ ..] => (Object::Roles, rest),
        ["opportunities", rest @ ..] => (Object::Opportunities, rest),
        _ => return None,
    };
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    let browsable = matches!(object, Object::Companies | Object::Opportunities);
    match rest {
        [] if get => Some(Op::Query(object)),
        [] if post => Some(Op::Sync(object)),
        ["delete"] if post => Some(Op::Delete(object)),
        ["describe"] if get => Some(Op::Describe(object)),
        ["schema", "fields"] if get && browsable => Some(Op::Fields(object)),
        ["schema", "fields", name] if get && browsable => Some(Op::Field(object, (*name).into())),
        _ => None,
    }
}

fn export(method: &Method, path: &[&str]) -> Option<ExportStep> {
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    match path {
        [] if get => Some(ExportStep::List),
        ["create"] if post => Some(ExportStep::Create),
        [id, "enqueue"] if post => Some(ExportStep::Enqueue((*id).into())),
        [id, "cancel"] if post => Some(ExportStep::Cancel((*id).into())),
        [id, "status"] if get => Some(ExportStep::Status((*id).into())),
        [id, "file"] if get => Some(ExportStep::File((*id).into())),
        _ => None,
    }
}

fn list_asset(method: &Method, path: &[&str]) -> Option<ListStep> {
    let get = *method == Method::GET;
    let post = *method == Method::POST;
    match path {
        ["staticLists"] if get => Some(ListStep::Browse),
        ["staticLists"] if post => Some(ListStep::Create),
        ["staticList", "byName"] if get => Some(ListStep::ByName),
        ["staticList", id] if get => Some(ListStep::ById((*id).into())),
        ["staticList", id] if post => Some(ListStep::Update((*id).into())),
        ["staticList", id, "delete"] if post => Some(ListStep::Delete((*id).into())),
        _ => None,
    }
}

impl Route {
    /// The short stable name of the operation.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Found(op) => op.name(),
            Self::WrongMethod | Self::Unknown => "unknown".into(),
        }
    }
}

impl Op {
    fn name(&self) -> String {
        let of = |object: &Object, verb: &str| {
            let noun = match object {
                Object::Leads => "leads",
                Object::Companies => "companies",
                Object::SalesPersons => "salespersons",
                Object::Opportunities => "opportunities",
                Object::Roles => "roles",
            };
            format!("{noun}.{verb}")
        };
        match self {
            Self::Token => "identity.token".into(),
            Self::DescribeLeads => "leads.describe".into(),
            Self::DescribeLeads2 => "leads.describe2".into(),
            Self::Fields(object) | Self::Field(object, _) => of(object, "fields"),
            Self::CreateFields | Self::UpdateField(_) => "leads.fields.write".into(),
            Self::Lead(_) => "leads.byid".into(),
            Self::QueryLeads => "leads.get".into(),
            Self::SyncLeads => "leads.sync".into(),
            Self::PushLeads => "leads.push".into(),
            Self::DeleteLeads => "leads.delete".into(),
            Self::MergeLeads(_) => "leads.merge".into(),
            Self::AssociateLead(_) => "leads.associate".into(),
            Self::Partitions => "leads.partitions".into(),
            Self::MoveLeads => "leads.partitions.write".into(),
            Self::Describe(object) => of(object, "describe"),
            Self::Query(object) => of(object, "get"),
            Self::Sync(object) => of(object, "sync"),
            Self::Delete(object) => of(object, "delete"),
            Self::ActivityTypes => "activities.types".into(),
            Self::PagingToken => "activities.pagingtoken".into(),
            Self::Activities => "activities.get".into(),
            Self::LeadChanges => "activities.leadchanges".into(),
            Self::DeletedLeads => "activities.deletedleads".into(),
            Self::Usage { week: false } => "stats.usage".into(),
            Self::Usage { week: true } => "stats.usage.week".into(),
            Self::Errors { week: false } => "stats.errors".into(),
            Self::Errors { week: true } => "stats.errors.week".into(),
            Self::Import => "leads.import".into(),
            Self::ImportStatus(_) => "leads.import.status".into(),
            Self::ImportFailures(_) => "leads.import.failures".into(),
            Self::ImportWarnings(_) => "leads.import.warnings".into(),
            Self::Export(extract, step) => {
                let noun = match extract {
                    Extract::Leads => "leads",
                    Extract::Activities => "activities",
                    Extract::ProgramMembers => "programmembers",
                };
                let verb = match step {
                    ExportStep::List => "list",
                    ExportStep::Create => "create",
                    ExportStep::Enqueue(_) => "enqueue",
                    ExportStep::Cancel(_) => "cancel",
                    ExportStep::Status(_) => "status",
                    ExportStep::File(_) => "file",
                };
                format!("{noun}.export.{verb}")
            }
            Self::Lists | Self::OneList(_) => "lists.get".into(),
            Self::ListLeads(_) => "lists.leads".into(),
            Self::ListMembers(_, Membership::Add) => "lists.leads.add".into(),
            Self::ListMembers(_, Membership::Remove) => "lists.leads.remove".into(),
            Self::ListMembers(_, Membership::Ask) => "lists.ismember".into(),
            Self::ListsOfLead(_) => "leads.lists".into(),
            Self::ListAsset(ListStep::Browse | ListStep::ByName | ListStep::ById(_)) => "assets.lists.get".into(),
            Self::ListAsset(ListStep::Create | ListStep::Update(_) | ListStep::Delete(_)) => "assets.lists.write".into(),
            Self::CustomActivities => "activities.external".into(),
            Self::DescribeProgramMembers => "programmembers.describe".into(),
            Self::DescribeNamedAccounts => "namedaccounts.describe".into(),
            Self::EmptyList | Self::Nothing => "others.get".into(),
            Self::Assets => "assets.get".into(),
        }
    }
}
