-- grain: one row per trained language model
-- owner: team:models
-- unit: parameter_count, train_tokens 1; train_seconds s; version_number counts from 1 in order of publishing; is_current 1 for the version that was promoted last and is not in quarantine; is_quarantined 1 for one that learned from a person who withdrew
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last and not in quarantine; 0 for others.
-- column is_quarantined: 1 for a version that learned from a person who withdrew, 0 for others.
-- column run_short: First 8 characters of the run's id.
-- column code_commit_short: First 8 characters of the code's commit.
select
    m.model_version,
    row_number() over (order by m.recorded_at, m.model_version) as version_number,
    case when row_number() over (order by m.recorded_at desc, m.model_version desc) = 1 then 1 else 0 end as is_newest,
    case when m.model_version = p.model_version then 1 else 0 end as is_current,
    case when q.model_version is null then 0 else 1 end as is_quarantined,
    m.parameter_count,
    m.train_tokens,
    m.train_seconds,
    m.device,
    m.seed,
    m.cause,
    m.documents_snapshot,
    m.run_id,
    substr(m.run_id, 1, 8) as run_short,
    m.code_commit,
    substr(m.code_commit, 1, 8) as code_commit_short,
    m.recorded_at as published_at
from lakehouse.gold.model_versions as m
left join (
    select
        model_version,
        row_number() over (order by recorded_at desc, model_version desc) as age
    from lakehouse.gold.promotions
    where
        promoted
        and model_version not in (select model_version from lakehouse.gold.model_quarantines)
) as p
    on m.model_version = p.model_version and p.age = 1
left join (
    select distinct model_version from lakehouse.gold.model_quarantines
) as q
    on m.model_version = q.model_version
