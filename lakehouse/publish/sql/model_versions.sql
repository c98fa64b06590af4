-- grain: one row per trained language model
-- owner: team:models
-- unit: parameter_count, train_tokens 1; train_seconds s; version_number counts from 1 in order of training
select
    model_version,
    row_number() over (order by recorded_at, model_version) as version_number,
    case when row_number() over (order by recorded_at desc, model_version desc) = 1 then 1 else 0 end as is_newest,
    parameter_count,
    train_tokens,
    train_seconds,
    device,
    seed,
    cause,
    documents_snapshot,
    run_id,
    substr(run_id, 1, 8) as run_short,
    code_commit,
    substr(code_commit, 1, 8) as code_commit_short,
    recorded_at as trained_at
from lakehouse.gold.model_versions
