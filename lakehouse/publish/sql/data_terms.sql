-- grain: one row per dataset and table, text collection or event log of the version that was saved last, whose terms count even where its data were retracted
-- owner: team:archive
-- unit: hidden_column_count 1
-- column licence: SPDX licence expression of the part, or none given.
-- column purposes: Codes of permitted purposes, apart by blanks, or as the licence allows.
-- column consent_basis: Why personal data may be held, or not stated.
-- column hidden_column_count: Columns that this version hides from users without the right to identifiers; `lakehouse policy check` also names those that an older one hid.
-- column removed_at: When the version's data were retracted (UTC); empty while they are there.
select
    stored.dataset,
    stored.dataset_version,
    part,
    part_kind,
    coalesce(licence, 'none given') as licence,
    case when purposes is null or purposes = '' then 'as the licence allows' else purposes end as purposes,
    forbidden,
    access,
    coalesce(consent_basis, 'not stated') as consent_basis,
    case
        when hidden_columns is null or hidden_columns = '' then 0
        else length(hidden_columns) - length(replace(hidden_columns, ' ', '')) + 1
    end as hidden_column_count,
    retention_until,
    saved_at,
    gone.removed_at
from (
    select
        dataset,
        dataset_version,
        part,
        part_kind,
        licence,
        purposes,
        forbidden,
        access,
        consent_basis,
        hidden_columns,
        retention_until,
        saved_at,
        rank() over (partition by dataset order by saved_at desc, dataset_version desc) as age
    from lakehouse.archive.terms
) as stored
left join lakehouse.archive.tombstones as gone
    on stored.dataset = gone.dataset and stored.dataset_version = gone.dataset_version
where age = 1
