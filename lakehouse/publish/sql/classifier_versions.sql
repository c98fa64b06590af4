-- grain: one row per classifier version, as its newest judgement shows it
-- owner: team:models
-- unit: accuracy and its bounds, macro_f1, calibration_error, gain, words_accuracy, gain_over_words and its bounds, difference and its bounds as shares of 1; train_texts, text_count, group_count, test_count, failed_count, blocking_count 1; version_number counts from 1 within a classifier in order of first judgements; is_in_use 1 for the version that answers now
-- column version_number: Number of the version within its classifier, from 1 in order of first judgements.
-- column is_in_use: 1 for the version that answers now: put to use last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column standing: in use, replaced, rejected, waits for approval, rolled back, retired or in quarantine.
-- column decided_by: Person, by user name, who took the newest decision on it; null where nobody decided.
-- column accuracy: Share of held-out texts that get their label.
-- column accuracy_low: Lower end of the accuracy's 95 % interval over groups of texts.
-- column accuracy_high: Upper end.
-- column macro_f1: Mean over labels of the harmonic mean of precision and recall, on held-out texts.
-- column calibration_error: Mean distance of stated probabilities from the share that is right.
-- column gain: Accuracy less that of always naming the commonest label.
-- column gain_low: Lower end of the gain's 95 % interval over groups of texts.
-- column words_accuracy: Accuracy of TF-IDF of words with logistic regression, learned from the same texts, on the same held-out texts.
-- column gain_over_words: Accuracy less that of these counted words.
-- column gain_over_words_low: Lower end of that gain's 95 % interval over groups of texts.
-- column gain_over_words_high: Upper end.
-- column text_count: Held-out texts behind the accuracy.
-- column group_count: Groups that these texts belong to.
-- column test_count: Tests of the classifier that were taken.
-- column failed_count: Tests that do not keep their threshold.
-- column blocking_count: Tests that do not keep their threshold and keep the version from use.
select
    j.classifier,
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
    r.accuracy,
    r.accuracy_low,
    r.accuracy_high,
    r.macro_f1,
    r.calibration_error,
    r.gain,
    r.gain_low,
    r.words_accuracy,
    r.gain_over_words,
    r.gain_over_words_low,
    r.gain_over_words_high,
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
    j.table_name,
    j.table_snapshot,
    j.licence,
    j.train_texts,
    j.weights_sha256,
    j.evaluation_snapshot,
    j.run_id,
    j.code_commit,
    j.recorded_at as judged_at
from lakehouse.gold.classifier_versions as j
inner join (
    select
        model_version,
        evaluation_snapshot,
        judgement,
        row_number() over (partition by model_version order by event_key desc) as age
    from lakehouse.gold.classifier_versions
) as n
    on
        j.model_version = n.model_version
        and j.evaluation_snapshot = n.evaluation_snapshot
        and j.judgement = n.judgement
        and n.age = 1
inner join (
    select
        model_version,
        row_number() over (partition by classifier order by min(event_key)) as version_number
    from lakehouse.gold.classifier_versions
    group by classifier, model_version
) as f
    on j.model_version = f.model_version
left join (
    select
        model_version,
        evaluation_snapshot,
        judgement,
        max(case when name = 'accuracy' and slice = 'all' then "value" end) as accuracy,
        max(case when name = 'accuracy' and slice = 'all' then low end) as accuracy_low,
        max(case when name = 'accuracy' and slice = 'all' then high end) as accuracy_high,
        max(case when name = 'accuracy' and slice = 'all' then text_count end) as text_count,
        max(case when name = 'accuracy' and slice = 'all' then group_count end) as group_count,
        max(case when name = 'macro_f1' and slice = 'all' then "value" end) as macro_f1,
        max(case when name = 'calibration_error' and slice = 'all' then "value" end) as calibration_error,
        max(case when name = 'gain_over_commonest_label' and slice = 'all' then "value" end) as gain,
        max(case when name = 'gain_over_commonest_label' and slice = 'all' then low end) as gain_low,
        max(case when name = 'accuracy_of_counted_words' then "value" end) as words_accuracy,
        max(case when name = 'gain_over_counted_words' then "value" end) as gain_over_words,
        max(case when name = 'gain_over_counted_words' then low end) as gain_over_words_low,
        max(case when name = 'gain_over_counted_words' then high end) as gain_over_words_high,
        sum(case when kind = 'test' then 1 else 0 end) as test_count,
        sum(case when kind = 'test' and not passed then 1 else 0 end) as failed_count,
        sum(case when kind = 'test' and not passed and stops <> 'nothing' then 1 else 0 end) as blocking_count
    from lakehouse.gold.classifier_results
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
        row_number() over (partition by classifier order by event_key desc, model_version desc) as age
    from (
        select
            classifier,
            model_version,
            event_key
        from lakehouse.gold.classifier_versions
        where promoted
        union all
        select
            c.classifier,
            c.model_version,
            d.event_key
        from lakehouse.gold.model_stages as d
        inner join (
            select distinct
                classifier,
                model_version
            from lakehouse.gold.classifier_versions
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
