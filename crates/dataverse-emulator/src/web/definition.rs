//! Tables, columns, keys and relationships as metadata objects, all properties filled. Selecting is done afterwards by [`super::projection`].

use base::Guid;
use serde_json::{Map, Value as Json, json};

use crate::schema::{AlternateKey, Association, Column, Kind, OnDelete, OptionSet, Required, Schema, Table, Target};

/// A stable id for a thing in the metadata, made of its name.
pub(crate) fn metadata_id(name: &str) -> Guid {
    let half = |seed: u64| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)).rotate_left(17);
    Guid::from_u128(u128::from(half(0xcbf2_9ce4_8422_2325)) << 64 | u128::from(half(0x9e37_79b9_7f4a_7c15)))
}

/// A label in the one language of the environment; a missing one has neither translations nor a user's form.
pub(crate) fn label(text: Option<&str>, managed: bool) -> Json {
    let one = text.map(|text| json!({"Label": text, "LanguageCode": 1033, "IsManaged": managed, "MetadataId": metadata_id(&format!("label:{text}")), "HasChanged": null}));
    json!({"LocalizedLabels": one.iter().collect::<Vec<_>>(), "UserLocalizedLabel": one})
}

fn managed(value: Json, logical: &str) -> Json {
    json!({"Value": value, "CanBeChanged": true, "ManagedPropertyLogicalName": logical})
}

/// `EntityDefinitions('lead')`.
pub(crate) fn entity(table: &Table) -> Map<String, Json> {
    let custom = table.code >= super::metadata_write::FIRST_CUSTOM_CODE;
    let title = table.title.and_then(|at| table.column(at)).map(|column| column.name.as_str());
    let tracking = matches!(
        table.name.as_str(),
        "account" | "contact" | "lead" | "opportunity" | "systemuser" | "team" | "connection" | "connectionrole"
    ) || custom;
    object(json!({
        "MetadataId": metadata_id(&table.name), "LogicalName": table.name, "SchemaName": table.schema, "EntitySetName": table.set,
        "LogicalCollectionName": table.set, "CollectionSchemaName": table.set,
        "PrimaryIdAttribute": table.key_name(), "PrimaryNameAttribute": title, "ObjectTypeCode": table.code,
        "OwnershipType": if table.ownership == "UserOwned" { "UserOwned" } else { table.ownership.as_str() },
        "ChangeTrackingEnabled": table.tracked, "CanChangeTrackingBeEnabled": managed(Json::Bool(tracking), "canchangetrackingbeenabled"),
        "IsOptimisticConcurrencyEnabled": table.concurrency, "TableType": "Standard", "DataProviderId": null,
        "DisplayName": label(Some(&table.label), !custom), "DisplayCollectionName": label(Some(&table.plural), !custom),
        "Description": label(None, !custom), "IsCustomEntity": custom, "IsManaged": !custom, "IsActivity": table.name == "opportunityclose",
        "IsIntersect": table.intersect, "IsPrivate": false, "IsLogicalEntity": false, "IsValidForAdvancedFind": true, "IsChildEntity": false,
        "IsCustomizable": managed(Json::Bool(true), "iscustomizable"), "IsConnectionsEnabled": managed(Json::Bool(true), "canmodifyconnectionsettings"),
        "CanCreateAttributes": managed(Json::Bool(true), "cancreateattributes"), "IntroducedVersion": "5.0.0.0", "HasChanged": null,
        "HasActivities": true, "HasNotes": true, "PrimaryImageAttribute": null,
    }))
}

/// One column as metadata: its cast (`StringAttributeMetadata`) and its properties, without option sets.
pub(crate) fn attribute(table: &Table, column: &Column) -> (&'static str, Map<String, Json>) {
    let (cast, kind, type_name) = cast(column.kind);
    let required = match column.required {
        Required::None => "None",
        Required::Application => "ApplicationRequired",
        Required::System => "SystemRequired",
    };
    let id = metadata_id(&format!("{}.{}", table.name, column.name));
    let title = table.title.and_then(|at| table.column(at)).is_some_and(|title| title.name == column.name);
    let mut map = base(table, &column.name, &column.schema, column.label.as_deref(), id, !column.custom || column.name.starts_with("mkt_"));
    map.extend(object(json!({
        "AttributeType": kind, "AttributeTypeName": {"Value": type_name}, "RequiredLevel": managed(required.into(), "canmodifyrequirementlevelsettings"),
        "IsValidForRead": column.readable, "IsValidForCreate": column.creatable, "IsValidForUpdate": column.updatable, "AttributeOf": null,
        "IsPrimaryId": column.kind == Kind::Key, "IsPrimaryName": title, "IsCustomAttribute": column.custom,
        "IsSecured": column.secured, "CanBeSecuredForRead": column.custom || column.secured, "CanBeSecuredForCreate": column.custom || column.secured,
        "CanBeSecuredForUpdate": column.custom || column.secured, "ColumnNumber": 1,
    })));
    map.extend(details(column));
    (cast, map)
}

/// The virtual companion of a choice or lookup: the label or name, which no query can select.
pub(crate) fn companion(table: &Table, column: &Column) -> Option<(&'static str, Map<String, Json>)> {
    let (cast, kind, type_name) = match (column.is_lookup(), column.kind) {
        (true, _) => ("StringAttributeMetadata", "String", "StringType"),
        (false, Kind::Choice | Kind::State | Kind::Status | Kind::Boolean) => ("AttributeMetadata", "Virtual", "VirtualType"),
        (false, _) => return None,
    };
    let name = format!("{}name", column.name);
    if table.find(&name).is_some() {
        return None;
    }
    let id = metadata_id(&format!("{}.{name}", table.name));
    let mut map = base(table, &name, &name, None, id, !column.custom);
    map.extend(object(json!({
        "AttributeType": kind, "AttributeTypeName": {"Value": type_name}, "RequiredLevel": managed("None".into(), "canmodifyrequirementlevelsettings"),
        "IsValidForRead": true, "IsValidForCreate": false, "IsValidForUpdate": false, "AttributeOf": column.name,
        "IsPrimaryId": false, "IsPrimaryName": false, "IsCustomAttribute": column.custom, "IsSecured": false, "CanBeSecuredForRead": false,
        "CanBeSecuredForCreate": false, "CanBeSecuredForUpdate": false, "ColumnNumber": 1,
    })));
    if cast == "StringAttributeMetadata" {
        map.extend(object(json!({"MaxLength": 100, "Format": "Text", "FormatName": {"Value": "Text"}, "DatabaseLength": 200, "IsLocalizable": false, "FormulaDefinition": "", "YomiOf": null})));
    }
    Some((cast, map))
}

fn base(table: &Table, name: &str, schema: &str, text: Option<&str>, id: Guid, is_managed: bool) -> Map<String, Json> {
    object(json!({
        "MetadataId": id, "LogicalName": name, "SchemaName": schema, "EntityLogicalName": table.name, "DisplayName": label(text, is_managed),
        "Description": label(None, is_managed), "IsManaged": is_managed, "IsLogical": false, "IsFilterable": false, "IsSearchable": false,
        "IsRetrievable": true, "SourceType": 0, "DeprecatedVersion": null, "IntroducedVersion": "5.0.0.0", "HasChanged": null,
        "IsCustomizable": managed(Json::Bool(true), "iscustomizable"), "IsValidForAdvancedFind": managed(Json::Bool(true), "canmodifysearchsettings"),
        "IsAuditEnabled": managed(Json::Bool(false), "canmodifyauditsettings"), "IsRenameable": managed(Json::Bool(true), "isrenameable"),
        "IsSortableEnabled": managed(Json::Bool(false), "canmodifyissortablesettings"), "LinkedAttributeId": null, "InheritsFrom": null,
        "IsDataSourceSecret": false, "ExternalName": null, "AutoNumberFormat": "",
    }))
}

/// A kind's cast, `AttributeType` and `AttributeTypeName`.
pub(crate) const fn cast(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Text(_) => ("StringAttributeMetadata", "String", "StringType"),
        Kind::Memo(_) => ("MemoAttributeMetadata", "Memo", "MemoType"),
        Kind::Integer(..) => ("IntegerAttributeMetadata", "Integer", "IntegerType"),
        Kind::BigInt => ("BigIntAttributeMetadata", "BigInt", "BigIntType"),
        Kind::Double(_) => ("DoubleAttributeMetadata", "Double", "DoubleType"),
        Kind::Decimal(_) => ("DecimalAttributeMetadata", "Decimal", "DecimalType"),
        Kind::Money(..) => ("MoneyAttributeMetadata", "Money", "MoneyType"),
        Kind::Boolean => ("BooleanAttributeMetadata", "Boolean", "BooleanType"),
        Kind::Choice => ("PicklistAttributeMetadata", "Picklist", "PicklistType"),
        Kind::State => ("StateAttributeMetadata", "State", "StateType"),
        Kind::Status => ("StatusAttributeMetadata", "Status", "StatusType"),
        Kind::DateTime | Kind::DateOnly => ("DateTimeAttributeMetadata", "DateTime", "DateTimeType"),
        Kind::Guid | Kind::Key => ("UniqueIdentifierAttributeMetadata", "Uniqueidentifier", "UniqueidentifierType"),
        Kind::Lookup => ("LookupAttributeMetadata", "Lookup", "LookupType"),
        Kind::Customer => ("LookupAttributeMetadata", "Customer", "CustomerType"),
        Kind::Owner => ("LookupAttributeMetadata", "Owner", "OwnerType"),
        Kind::EntityName => ("EntityNameAttributeMetadata", "EntityName", "EntityNameType"),
    }
}

fn details(column: &Column) -> Map<String, Json> {
    let targets: Vec<&str> = column.targets.iter().map(|to| to.table.as_str()).collect();
    object(match column.kind {
        Kind::Text(max) => {
            json!({"MaxLength": max, "Format": column.format, "FormatName": {"Value": column.format}, "DatabaseLength": max.saturating_mul(2), "IsLocalizable": false, "FormulaDefinition": "", "YomiOf": null})
        }
        Kind::Memo(max) => json!({"MaxLength": max, "Format": "TextArea", "FormatName": {"Value": "TextArea"}, "IsLocalizable": false}),
        Kind::Integer(min, max) => json!({"MinValue": min, "MaxValue": max, "Format": "None", "FormulaDefinition": ""}),
        Kind::BigInt => json!({"MinValue": i64::MIN, "MaxValue": i64::MAX}),
        Kind::Double(precision) | Kind::Decimal(precision) => {
            let (min, max) = column.range.unwrap_or((-100_000_000_000.0, 100_000_000_000.0));
            json!({"Precision": precision, "MinValue": min, "MaxValue": max})
        }
        Kind::Money(min, max) => {
            json!({"Precision": 2, "PrecisionSource": 2, "MinValue": min, "MaxValue": max, "IsBaseCurrency": column.name.ends_with("_base"), "CalculationOf": null})
        }
        Kind::DateTime => {
            let format = if column.format == "DateOnly" { "DateOnly" } else { "DateAndTime" };
            json!({"Format": format, "DateTimeBehavior": {"Value": "UserLocal"}, "MinSupportedValue": "1753-01-01T00:00:00Z", "MaxSupportedValue": "9999-12-30T23:59:59Z"})
        }
        Kind::DateOnly => {
            json!({"Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}, "MinSupportedValue": "1753-01-01T00:00:00Z", "MaxSupportedValue": "9999-12-30T23:59:59Z"})
        }
        Kind::Lookup | Kind::Customer | Kind::Owner => json!({"Targets": targets, "Format": "None"}),
        Kind::Boolean => json!({"DefaultValue": false}),
        Kind::Choice | Kind::State | Kind::Status => {
            json!({"DefaultFormValue": -1, "ParentPicklistLogicalName": null, "ChildPicklistLogicalNames": []})
        }
        Kind::Guid | Kind::Key | Kind::EntityName => json!({}),
    })
}

/// The option set of a choice, with the extras of states and reasons.
pub(crate) fn option_set(table: &Table, column: &Column) -> Json {
    let name = format!("{}_{}", table.name, column.name);
    let description = label(None, true);
    let mut set = object(json!({"MetadataId": metadata_id(&format!("options:{name}")), "Name": name, "IsGlobal": false, "IsManaged": true,
        "IsCustomOptionSet": column.custom, "OptionSetType": cast(column.kind).1, "HasChanged": null, "DisplayName": label(column.label.as_deref(), true), "Description": description}));
    if column.kind == Kind::Boolean {
        set.insert("TrueOption".to_owned(), Json::Object(option(1, "Yes")));
        set.insert("FalseOption".to_owned(), Json::Object(option(0, "No")));
        return Json::Object(set);
    }
    let reasons = table.find("statuscode").and_then(|at| table.column(at)).map(|column| column.options.as_slice()).unwrap_or_default();
    let options = column.options.iter().map(|known| {
        let mut map = option(known.value, &known.label);
        if column.kind == Kind::State {
            let first = reasons.iter().find(|reason| reason.state == known.value).map_or(-1, |reason| reason.value);
            map.insert("DefaultStatus".to_owned(), first.into());
            map.insert("InvariantName".to_owned(), known.label.clone().into());
        }
        if column.kind == Kind::Status {
            map.insert("State".to_owned(), known.state.into());
            map.insert("TransitionData".to_owned(), Json::Null);
        }
        Json::Object(map)
    });
    set.insert("Options".to_owned(), options.collect());
    Json::Object(set)
}

/// An alternate key.
pub(crate) fn key(table: &Table, key: &AlternateKey) -> Map<String, Json> {
    let columns: Vec<&str> = key.columns.iter().filter_map(|at| table.column(*at)).map(|column| column.name.as_str()).collect();
    object(json!({"MetadataId": metadata_id(&format!("key:{}.{}", table.name, key.name)), "LogicalName": key.name, "SchemaName": key.name,
        "EntityLogicalName": table.name, "KeyAttributes": columns, "EntityKeyIndexStatus": "Active", "IsManaged": false, "IsSynchronous": false,
        "IsExportKey": false, "IsSecondaryKey": false, "IsCustomizable": managed(Json::Bool(true), "iscustomizable"),
        "DisplayName": label(Some(&key.name), false), "IntroducedVersion": "1.0", "HasChanged": null, "AsyncJob": null}))
}

/// A many-to-one relationship: the lookup's table on the "many" side.
pub(crate) fn relationship(schema: &Schema, table: &Table, column: &Column, to: &Target) -> Map<String, Json> {
    let referenced = schema.find(&to.table).and_then(|at| schema.get(at)).map_or("", Table::key_name);
    let delete = match to.on_delete {
        OnDelete::Cascade => "Cascade",
        OnDelete::RemoveLink => "RemoveLink",
        OnDelete::Restrict => "Restrict",
        OnDelete::Keep => "NoCascade",
    };
    object(
        json!({"MetadataId": metadata_id(&format!("relationship:{}", to.relationship)), "SchemaName": to.relationship, "ReferencingEntity": table.name,
        "ReferencingAttribute": column.name, "ReferencedEntity": to.table, "ReferencedAttribute": referenced,
        "ReferencingEntityNavigationPropertyName": to.nav, "ReferencedEntityNavigationPropertyName": to.many,
        "RelationshipType": "OneToManyRelationship", "IsCustomRelationship": column.custom, "IsManaged": !column.custom, "IsHierarchical": false,
        "IsValidForAdvancedFind": true, "SecurityTypes": "None", "IntroducedVersion": "5.0.0.0", "HasChanged": null, "RelationshipBehavior": 0,
        "IsCustomizable": managed(Json::Bool(true), "iscustomizable"), "EntityKey": null, "RelationshipAttributes": [],
        "CascadeConfiguration": {"Assign": "NoCascade", "Delete": delete, "Archive": "NoCascade", "Merge": "NoCascade", "Reparent": "NoCascade",
            "Share": "NoCascade", "Unshare": "NoCascade", "RollupView": "NoCascade"}}),
    )
}

/// A many-to-many relationship.
pub(crate) fn association(known: &Association) -> Map<String, Json> {
    let [first, second] = &known.ends;
    object(json!({"MetadataId": metadata_id(&format!("relationship:{}", known.schema)), "SchemaName": known.schema,
        "RelationshipType": "ManyToManyRelationship", "IntersectEntityName": known.intersect, "Entity1LogicalName": first.table,
        "Entity1IntersectAttribute": first.column, "Entity1NavigationPropertyName": first.nav, "Entity2LogicalName": second.table,
        "Entity2IntersectAttribute": second.column, "Entity2NavigationPropertyName": second.nav, "IsCustomRelationship": known.custom,
        "IsManaged": !known.custom, "IsValidForAdvancedFind": true, "SecurityTypes": "None", "IntroducedVersion": "5.0.0.0", "HasChanged": null,
        "IsCustomizable": managed(Json::Bool(true), "iscustomizable")}))
}

/// An option set with a name of its own.
pub(crate) fn global_option_set(set: &OptionSet) -> Map<String, Json> {
    let options: Vec<Json> = set.options.iter().map(|option| Json::Object(self::option(option.value, &option.label))).collect();
    object(json!({"@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata", "MetadataId": metadata_id(&format!("global:{}", set.name)),
        "Name": set.name, "IsGlobal": true, "IsManaged": false, "IsCustomOptionSet": true, "OptionSetType": "Picklist", "HasChanged": null,
        "DisplayName": label(set.label.as_deref(), false), "Description": label(None, false), "Options": options}))
}

fn option(value: i32, text: &str) -> Map<String, Json> {
    object(
        json!({"Value": value, "Color": null, "IsManaged": true, "ExternalValue": null, "ParentValues": [], "Tag": null, "IsHidden": false,
        "MetadataId": null, "HasChanged": null, "Label": label(Some(text), true), "Description": label(None, true)}),
    )
}

pub(crate) fn object(json: Json) -> Map<String, Json> {
    if let Json::Object(map) = json { map } else { Map::new() }
}
