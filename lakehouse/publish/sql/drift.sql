-- grain: one row per dataset table, column, measure and dataset version, compared with its predecessor
-- owner: team:monitoring
-- unit: drift_value and threshold 1; severity is drift_value / threshold, above 1 the column has drifted. wave_date is null when the version is no year
-- column column_place: The table, which begins with its dataset, and the column: dataset_table.column.
-- column wave_date: First day of the year that the dataset version names; empty where it names none.
-- column severity: The measure over its threshold; above 1 the column has drifted.
-- column is_drifted: 1 where the measure is above its threshold, 0 elsewhere.
select
    table_name,
    column_name,
    replace(table_name, 'silver.', '') || '.' || column_name as column_place,
    dataset,
    dataset_version,
    reference_version,
    case
        when length(dataset_version) = 4
            and substr(dataset_version, 1, 1) in ('1', '2')
            and substr(dataset_version, 2, 1) between '0' and '9'
            and substr(dataset_version, 3, 1) between '0' and '9'
            and substr(dataset_version, 4, 1) between '0' and '9'
            then cast(dataset_version || '-01-01' as date)
    end as wave_date,
    measure,
    "value" as drift_value,
    threshold,
    "value" / nullif(threshold, 0) as severity,
    case when drifted then 1 else 0 end as is_drifted,
    run_id,
    recorded_at
from lakehouse.gold.drift
