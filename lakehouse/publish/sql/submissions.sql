-- grain: one row per submitted content, by its newest verdict
-- owner: team:archive
-- unit: fair_score 0 to 1; size_bytes byte; counts 1
-- column is_accepted: 1 where the verdict is accepted, 0 elsewhere.
-- column fair_score: Share of FAIR indicator points reached, 0 to 1, cut to tenths of a percent as reports and the catalogue tell it.
select
    submission,
    dataset,
    dataset_version,
    title,
    licence,
    verdict,
    case when verdict = 'accepted' then 1 else 0 end as is_accepted,
    -- Never rounded up: what is below a threshold must not read as at it (lakehouse/percent.py).
    floor(fair_score * 1000 + 0.000001) / 1000 as fair_score,
    error_count,
    warning_count,
    personal_count,
    row_count,
    size_bytes,
    rules_version,
    content_sha256,
    validated_at
from (
    select
        submission,
        dataset,
        dataset_version,
        title,
        licence,
        verdict,
        fair_score,
        error_count,
        warning_count,
        personal_count,
        row_count,
        size_bytes,
        rules_version,
        content_sha256,
        validated_at,
        -- Verdicts of one time are of one judgement: an acceptance only takes errors away, so fewer of them is newer.
        row_number() over (
            partition by submission, content_sha256
            order by validated_at desc, error_count, rules_version
        ) as age
    from lakehouse.archive.submissions
) as judged
where age = 1
