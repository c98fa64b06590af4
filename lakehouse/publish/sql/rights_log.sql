-- grain: one row per thing that was done about personal data: a refusal, an acceptance, a withdrawal, a quarantine
-- owner: team:archive
-- unit: amount values, rows or versions, as the event says
-- column event: refused, accepted, withdrawn or model in quarantine.
-- column dataset: Dataset name; empty for a model.
-- column dataset_version: Version label, or the model version.
-- column who: Who did it; empty where the archive did.
-- column what: What happened, in words.
-- column amount: Values, rows or versions it is about, as the event says.
-- column happened_at: When (UTC).
select
    'refused' as event,
    s.dataset,
    s.dataset_version,
    cast(null as varchar) as who,
    'personal data were found' as what,
    s.personal_count as amount,
    s.validated_at as happened_at
from kpi.submissions as s
where s.verdict = 'refused' and s.personal_count > 0
union all
select
    'accepted' as event,
    substr(a.submission, 1, position('@' in a.submission) - 1) as dataset,
    substr(a.submission, position('@' in a.submission) + 1) as dataset_version,
    a.accepted_by as who,
    concat(a.code, ' in ', a.place, ': ', a.reason) as what,
    1 as amount,
    a.accepted_at as happened_at
from lakehouse.archive.acceptances as a
union all
select
    'withdrawn' as event,
    w.dataset,
    w.dataset_version,
    w.withdrawn_by as who,
    concat('one ', w.subject_kind, ', receipt ', w.receipt) as what,
    w.rows_removed as amount,
    w.withdrawn_at as happened_at
from lakehouse.archive.withdrawals as w
union all
select
    'model in quarantine' as event,
    cast(null as varchar) as dataset,
    q.model_version as dataset_version,
    cast(null as varchar) as who,
    q.reason as what,
    1 as amount,
    q.recorded_at as happened_at
from lakehouse.gold.model_quarantines as q
