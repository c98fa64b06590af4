-- grain: one row per promise of a table and dataset version, as it was judged last
-- owner: team:data
-- unit: observed is a share of rows, or the measure that the promise names; is_broken, is_newest and is_blocked 1 or 0
-- column severity_order: 1 for errors, 2 for quarantine, 3 for warnings.
-- column is_broken: 1 where the promise was not kept, 0 elsewhere.
-- column is_blocked: 1 where the write was stopped, 0 elsewhere.
-- column is_newest: 1 for the version judged last, 0 for others.
select
    table_name,
    dataset,
    dataset_version,
    code,
    promise,
    severity,
    case severity when 'error' then 1 when 'quarantine' then 2 else 3 end as severity_order,
    case when kept then 0 else 1 end as is_broken,
    case when blocked then 1 else 0 end as is_blocked,
    case when version_place = 1 then 1 else 0 end as is_newest,
    row_count,
    unexpected_count,
    observed,
    owner,
    reason,
    run_id,
    recorded_at
from (
    select
        table_name,
        dataset,
        dataset_version,
        code,
        promise,
        severity,
        kept,
        blocked,
        row_count,
        unexpected_count,
        observed,
        owner,
        reason,
        run_id,
        recorded_at,
        row_number() over (
            partition by table_name, code, dataset_version order by recorded_at desc
        ) as judged_place,
        row_number() over (
            partition by table_name, code order by recorded_at desc
        ) as version_place
    from lakehouse.gold.expectation_results
) as judged
where judged_place = 1
