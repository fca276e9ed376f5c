//! Which permission an operation needs, after Adobe's "custom services" page.

use crate::{
    lists::Membership,
    options::Permission::{
        self, ReadActivity, ReadCompany, ReadLead, ReadOpportunity, ReadSalesPerson, SchemaCustom, SchemaStandard, WriteActivity,
        WriteCompany, WriteLead, WriteOpportunity, WriteSalesPerson,
    },
    route::{Extract, Op},
    schema::Object,
};

/// Any one of these suffices; none at all means that nothing is needed.
pub(crate) fn needed(op: &Op) -> &'static [Permission] {
    match op {
        // The Asset API has permissions of its own, which nobody has taken away.
        Op::Token | Op::Usage { .. } | Op::Errors { .. } | Op::EmptyList | Op::Nothing | Op::Assets | Op::ListAsset(_) => &[],
        Op::DescribeNamedAccounts => &[],
        Op::DescribeLeads | Op::DescribeLeads2 | Op::Lead(_) | Op::QueryLeads | Op::Partitions | Op::DescribeProgramMembers => {
            &[ReadLead, WriteLead]
        }
        Op::Export(Extract::Leads | Extract::ProgramMembers, _) => &[ReadLead, WriteLead],
        Op::Lists | Op::OneList(_) | Op::ListLeads(_) | Op::ListsOfLead(_) => &[ReadLead, WriteLead],
        Op::ListMembers(_, Membership::Add | Membership::Remove | Membership::Ask) => &[WriteLead],
        Op::CustomActivities => &[WriteActivity],
        Op::SyncLeads | Op::PushLeads | Op::DeleteLeads | Op::MergeLeads(_) | Op::AssociateLead(_) | Op::MoveLeads => &[WriteLead],
        Op::Import | Op::ImportStatus(_) | Op::ImportFailures(_) | Op::ImportWarnings(_) => &[WriteLead],
        Op::Fields(_) | Op::Field(..) => &[SchemaStandard, SchemaCustom],
        Op::CreateFields | Op::UpdateField(_) => &[SchemaCustom],
        Op::Describe(object) | Op::Query(object) => match object {
            Object::Leads => &[ReadLead, WriteLead],
            Object::Companies => &[ReadCompany, WriteCompany],
            Object::SalesPersons => &[ReadSalesPerson, WriteSalesPerson],
            Object::Opportunities | Object::Roles => &[ReadOpportunity, WriteOpportunity],
        },
        Op::Sync(object) | Op::Delete(object) => match object {
            Object::Leads => &[WriteLead],
            Object::Companies => &[WriteCompany],
            Object::SalesPersons => &[WriteSalesPerson],
            Object::Opportunities | Object::Roles => &[WriteOpportunity],
        },
        Op::ActivityTypes | Op::PagingToken | Op::Activities | Op::LeadChanges | Op::DeletedLeads | Op::Export(Extract::Activities, _) => {
            &[ReadActivity, WriteActivity]
        }
    }
}
