-- grain: one row per dataset and silver table of its newest version whose silver tables are stored
-- owner: team:archive
-- unit: row_count rows
-- column accumulates: snapshots, the version replaces the ones before it; or waves, it adds to them.
-- column saved_at: When the version was saved (UTC).
select
    dataset,
    dataset_version,
    table_name,
    accumulates,
    row_count,
    dataset_commit,
    saved_at
from (
    select
        loads.dataset,
        loads.dataset_version,
        loads.table_name,
        saved.accumulates,
        loads.row_count,
        loads.dataset_commit,
        saved.saved_at,
        rank() over (partition by loads.dataset order by saved.saved_at desc, loads.dataset_version desc) as age
    from lakehouse.gold.loads as loads
    inner join (
        select
            dataset,
            dataset_version,
            max(accumulates) as accumulates,
            max(saved_at) as saved_at
        from lakehouse.archive.terms
        group by dataset, dataset_version
    ) as saved on loads.dataset = saved.dataset and loads.dataset_version = saved.dataset_version
    where loads.layer = 'silver'
) as stored
where age = 1
