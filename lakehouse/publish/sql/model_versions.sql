-- grain: one row per trained language model
-- owner: team:models
-- unit: parameter_count, train_tokens 1; train_seconds s; version_number counts from 1 in order of publishing; is_current 1 for the version that was promoted last, by the gate or by a person, and is neither rolled back, retired nor in quarantine; is_quarantined 1 for one that learned from a person who withdrew; stage is a person's newest decision on it (current, rolled_back, retired), null when nobody took one
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column is_quarantined: 1 for a version that learned from a person who withdrew, 0 for others.
-- column stage: What a person decided last on the version: current, rolled_back or retired; null where nobody decided.
-- column decided_by: Person, by user name, who took that decision; null where nobody decided.
-- column run_short: First 8 characters of the run's id.
-- column code_commit_short: First 8 characters of the code's commit.
select
    m.model_version,
    row_number() over (order by m.recorded_at, m.model_version) as version_number,
    case when row_number() over (order by m.recorded_at desc, m.model_version desc) = 1 then 1 else 0 end as is_newest,
    case when m.model_version = p.model_version then 1 else 0 end as is_current,
    case when q.model_version is null then 0 else 1 end as is_quarantined,
    s.stage,
    s.decided_by,
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
    from (
        select
            model_version,
            recorded_at
        from lakehouse.gold.promotions
        where promoted
        union all
        select
            model_version,
            recorded_at
        from lakehouse.gold.model_stages
        where stage = 'current'
    ) as moves
    where
        model_version not in (select model_version from lakehouse.gold.model_quarantines)
        and model_version not in (
            select model_version
            from (
                select
                    model_version,
                    stage,
                    row_number() over (partition by model_version order by event_key desc) as age
                from lakehouse.gold.model_stages
            ) as newest_stages
            where age = 1 and stage <> 'current'
        )
) as p
    on m.model_version = p.model_version and p.age = 1
left join (
    select distinct model_version from lakehouse.gold.model_quarantines
) as q
    on m.model_version = q.model_version
left join (
    select
        model_version,
        stage,
        decided_by,
        row_number() over (partition by model_version order by event_key desc) as age
    from lakehouse.gold.model_stages
) as s
    on m.model_version = s.model_version and s.age = 1
