-- grain: one row per finding code and place of a submission
-- owner: team:archive
-- unit: occurrences rows or files; level_order 1 is worst
-- column dataset: Dataset name.
-- column dataset_version: Version label.
-- column verdict: accepted or refused, of the submission.
-- column level_order: 1 for errors, 2 for warnings, 3 for notes.
select
    f.submission,
    s.dataset,
    s.dataset_version,
    s.verdict,
    f.level,
    case f.level when 'error' then 1 when 'warning' then 2 else 3 end as level_order,
    f.code,
    f.place,
    f.occurrences,
    f.first_row,
    f.message,
    f.how_to_fix,
    f.validated_at
from lakehouse.archive.findings as f
inner join kpi.submissions as s
    on f.submission = s.submission and f.content_sha256 = s.content_sha256 and f.rules_version = s.rules_version
