-- grain: one row per model version and recorded training step
-- owner: team:models
-- unit: bits per byte bit/byte; tokens_per_second 1/s
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last and not in quarantine; 0 for others.
-- column published_at: When the model version was published (UTC).
select
    c.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    c.step,
    c.train_bits_per_byte,
    c.validation_bits_per_byte,
    c.tokens_per_second,
    m.published_at
from lakehouse.gold.training_curve as c
inner join kpi.model_versions as m
    on c.model_version = m.model_version
