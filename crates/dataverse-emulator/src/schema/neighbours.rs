//! Tables that ours only point at or hang together through: positions, territories, queues, cases, and the tables a connection role is for.

use super::shared::BOOKKEEPING;
use super::spec::OnDelete::Cascade;
use super::spec::{Kind, TableSpec, column, guid, lookup, memo, state, status, text, to};
use super::system::plain;

pub(crate) const POSITION: TableSpec = TableSpec {
    columns: &[
        &[column("positionid", "Position", Kind::Key), text("name", "Name", 100).required(), memo("description", "Description", 2000)],
        BOOKKEEPING,
    ],
    ..plain("position", "Position", "positions", "Position", 50, "positionid", "name")
};

pub(crate) const TERRITORY: TableSpec = TableSpec {
    columns: &[
        &[
            column("territoryid", "Territory", Kind::Key),
            text("name", "Territory Name", 200).required(),
            memo("description", "Description", 2000),
        ],
        BOOKKEEPING,
    ],
    ..plain("territory", "Territory", "territories", "Territory", 2013, "territoryid", "name")
};

pub(crate) const QUEUE: TableSpec = TableSpec {
    columns: &[
        &[column("queueid", "Queue", Kind::Key), text("name", "Name", 200).required(), text("emailaddress", "Incoming Email", 100)],
        BOOKKEEPING,
    ],
    ..plain("queue", "Queue", "queues", "Queue", 2020, "queueid", "name")
};

pub(crate) const INCIDENT: TableSpec = TableSpec {
    columns: &[
        &[
            column("incidentid", "Case", Kind::Key),
            text("title", "Case Title", 200).recommended(),
            text("ticketnumber", "Case Number", 100),
            state(&[(0, "Active", 0), (1, "Resolved", 1), (2, "Canceled", 2)]),
            status(&[(1, "In Progress", 0), (2, "On Hold", 0), (5, "Problem Solved", 1), (6, "Canceled", 2)]),
        ],
        BOOKKEEPING,
    ],
    ..plain("incident", "Incident", "incidents", "Case", 112, "incidentid", "title")
};

/// Which tables a connection role may stand at.
pub(crate) const ROLE_TABLES: TableSpec = TableSpec {
    columns: &[
        &[
            column("connectionroleobjecttypecodeid", "Connection Role Object Type Code", Kind::Key),
            lookup(
                "connectionroleid",
                "Connection Role",
                &[to("connectionrole", "", "connection_role_connection_role_object_type_codes", Cascade)],
            ),
            column("associatedobjecttypecode", "Object Type Code", Kind::EntityName),
        ],
        BOOKKEEPING,
    ],
    ..plain(
        "connectionroleobjecttypecode",
        "ConnectionRoleObjectTypeCode",
        "connectionroleobjecttypecodes",
        "Connection Role Object Type Code",
        3233,
        "connectionroleobjecttypecodeid",
        "",
    )
};

pub(crate) const TEAM_MEMBERSHIP: TableSpec = TableSpec {
    columns: &[&[
        column("teammembershipid", "Team Membership", Kind::Key),
        guid("systemuserid", "User").read_only(),
        guid("teamid", "Team").read_only(),
        column("versionnumber", "Version Number", Kind::BigInt).read_only(),
    ]],
    ..plain("teammembership", "TeamMembership", "teammembershipcollection", "Team Membership", 23, "teammembershipid", "")
};

pub(crate) const ROLE_ASSOCIATION: TableSpec = TableSpec {
    columns: &[&[
        column("connectionroleassociationid", "Connection Role Association", Kind::Key),
        guid("connectionroleid", "Connection Role").read_only(),
        guid("associatedconnectionroleid", "Associated Connection Role").read_only(),
        column("versionnumber", "Version Number", Kind::BigInt).read_only(),
    ]],
    ..plain(
        "connectionroleassociation",
        "ConnectionRoleAssociation",
        "connectionroleassociations",
        "Connection Role Association",
        3232,
        "connectionroleassociationid",
        "",
    )
};
