-- grain: one row per model version and recorded training step
-- owner: team:models
-- unit: bits per byte bit/byte; tokens_per_second 1/s
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
