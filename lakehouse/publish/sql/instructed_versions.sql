-- grain: one row per version of the model that answers, as its newest judgement shows it
-- owner: team:models
-- unit: response_loss and its bounds, base_response_loss, gain_over_base and its bounds in nats a token of held-out responses; difference and its bounds in nats a response; train_texts, text_count, group_count, test_count, failed_count, blocking_count 1; version_number counts from 1 in order of first judgements; is_in_use 1 for the version that answers now
-- column version_number: Number of the version, from 1 in order of first judgements.
-- column is_in_use: 1 for the version that answers now: put to use last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column standing: in use, replaced, rejected, waits for approval, rolled back, retired or in quarantine.
-- column decided_by: Person, by user name, who took the newest decision on it; null where nobody decided.
-- column response_loss: Nats a token of held-out responses; lower is better.
-- column response_loss_low: Lower end of its 95 % interval over groups of rows.
-- column response_loss_high: Upper end.
-- column base_response_loss: The same by the base it was taught from.
-- column gain_over_base: Nats a token less than the base takes.
-- column gain_over_base_low: Lower end of that gain's 95 % interval over groups of rows; it decides.
-- column gain_over_base_high: Upper end.
-- column text_count: Held-out rows behind the loss.
-- column group_count: Groups that these rows belong to.
-- column test_count: Tests of the model that were taken.
-- column failed_count: Tests that do not keep their threshold.
-- column blocking_count: Tests that do not keep their threshold and keep the version from use.
select
    j.model_version,
    f.version_number,
    case when u.model_version is null then 0 else 1 end as is_in_use,
    case
        when q.model_version is not null then 'in quarantine'
        when u.model_version is not null then 'in use'
        when s.stage = 'rolled_back' then 'rolled back'
        when s.stage = 'retired' then 'retired'
        when j.promoted or s.stage = 'current' then 'replaced'
        when j.waits then 'waits for approval'
        else 'rejected'
    end as standing,
    s.decided_by,
    r.response_loss,
    r.response_loss_low,
    r.response_loss_high,
    r.base_response_loss,
    r.gain_over_base,
    r.gain_over_base_low,
    r.gain_over_base_high,
    r.text_count,
    r.group_count,
    r.test_count,
    r.failed_count,
    r.blocking_count,
    j.compared_with,
    j.difference,
    j.low,
    j.high,
    j.reason,
    j.base,
    j.base_licence,
    j.table_name,
    j.table_snapshot,
    j.licence,
    j.train_texts,
    j.weights_sha256,
    j.evaluation_snapshot,
    j.run_id,
    j.code_commit,
    j.recorded_at as judged_at
from lakehouse.gold.instructed_versions as j
inner join (
    select
        model_version,
        evaluation_snapshot,
        judgement,
        row_number() over (partition by model_version order by event_key desc) as age
    from lakehouse.gold.instructed_versions
) as n
    on
        j.model_version = n.model_version
        and j.evaluation_snapshot = n.evaluation_snapshot
        and j.judgement = n.judgement
        and n.age = 1
inner join (
    select
        model_version,
        row_number() over (order by min(event_key)) as version_number
    from lakehouse.gold.instructed_versions
    group by model_version
) as f
    on j.model_version = f.model_version
left join (
    select
        model_version,
        evaluation_snapshot,
        judgement,
        max(case when name = 'response_loss' and slice = 'all' then "value" end) as response_loss,
        max(case when name = 'response_loss' and slice = 'all' then low end) as response_loss_low,
        max(case when name = 'response_loss' and slice = 'all' then high end) as response_loss_high,
        max(case when name = 'response_loss' and slice = 'all' then text_count end) as text_count,
        max(case when name = 'response_loss' and slice = 'all' then group_count end) as group_count,
        max(case when name = 'base_response_loss' and slice = 'all' then "value" end) as base_response_loss,
        max(case when name = 'gain_over_base' and slice = 'all' then "value" end) as gain_over_base,
        max(case when name = 'gain_over_base' and slice = 'all' then low end) as gain_over_base_low,
        max(case when name = 'gain_over_base' and slice = 'all' then high end) as gain_over_base_high,
        sum(case when kind = 'test' then 1 else 0 end) as test_count,
        sum(case when kind = 'test' and not passed then 1 else 0 end) as failed_count,
        sum(case when kind = 'test' and not passed and stops <> 'nothing' then 1 else 0 end) as blocking_count
    from lakehouse.gold.instructed_results
    group by model_version, evaluation_snapshot, judgement
) as r
    on j.model_version = r.model_version and j.evaluation_snapshot = r.evaluation_snapshot and j.judgement = r.judgement
left join (
    select
        model_version,
        stage,
        decided_by,
        row_number() over (partition by model_version order by event_key desc) as age
    from lakehouse.gold.model_stages
) as s
    on j.model_version = s.model_version and s.age = 1
left join (
    select distinct model_version from lakehouse.gold.model_quarantines
) as q
    on j.model_version = q.model_version
left join (
    select
        model_version,
        row_number() over (order by event_key desc, model_version desc) as age
    from (
        select
            model_version,
            event_key
        from lakehouse.gold.instructed_versions
        where promoted
        union all
        select
            c.model_version,
            d.event_key
        from lakehouse.gold.model_stages as d
        inner join (
            select distinct model_version
            from lakehouse.gold.instructed_versions
        ) as c
            on d.model_version = c.model_version
        where d.stage = 'current'
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
) as u
    on j.model_version = u.model_version and u.age = 1
