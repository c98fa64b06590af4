-- grain: one row per dataset version, table, run and commit of the code
-- owner: team:data
-- unit: row_count rows
-- column dataset_commit_short: First 8 characters of the dataset's commit.
-- column run_short: First 8 characters of the run's id.
-- column code_commit_short: First 8 characters of the code's commit.
select
    dataset,
    dataset_version,
    dataset_commit,
    substr(dataset_commit, 1, 8) as dataset_commit_short,
    layer,
    table_name,
    row_count,
    run_id,
    substr(run_id, 1, 8) as run_short,
    code_commit,
    substr(code_commit, 1, 8) as code_commit_short,
    recorded_at as written_at
from lakehouse.gold.loads
