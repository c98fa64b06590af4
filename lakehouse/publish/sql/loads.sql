-- grain: one row per table and dataset version that was loaded
-- owner: team:data
-- unit: row_count rows
select
    table_name,
    layer,
    dataset,
    dataset_version,
    dataset_commit,
    row_count,
    run_id,
    code_commit,
    recorded_at
from lakehouse.gold.loads
