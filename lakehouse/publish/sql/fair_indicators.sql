-- grain: one row per FAIR indicator of a submission
-- owner: team:archive
-- unit: points and max_points 1; the score of any group is sum(points) / sum(max_points)
-- column dataset: Dataset name.
-- column dataset_version: Version label.
-- column verdict: accepted or refused, of the submission.
-- column principle_name: Findable, Accessible, Interoperable or Reusable.
select
    i.submission,
    s.dataset,
    s.dataset_version,
    s.verdict,
    i.principle,
    case i.principle
        when 'F' then 'Findable'
        when 'A' then 'Accessible'
        when 'I' then 'Interoperable'
        else 'Reusable'
    end as principle_name,
    i.indicator,
    i.priority,
    i.indicator_verdict,
    i.fuji_metric,
    i.question,
    i.points,
    i.max_points,
    i.evidence,
    i.next_action,
    i.validated_at
from lakehouse.archive.fair_indicators as i
inner join kpi.submissions as s
    on i.submission = s.submission and i.content_sha256 = s.content_sha256 and i.rules_version = s.rules_version
