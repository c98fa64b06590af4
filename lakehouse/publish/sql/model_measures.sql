-- grain: one row per model version, measure, slice and what it was measured on
-- owner: team:models
-- unit: value_measured, low, high in the unit of the measure: bits_per_byte bit/byte, bits_per_token bit, accuracies, shares and calibration_error 0 to 1, cpu_milliseconds_per_token ms, peak_memory_bytes byte; things 1
select
    f.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    f.measure,
    f.slice,
    f.measured_on,
    f."value" as value_measured,
    f.low,
    f.high,
    f."count" as things,
    f.run_id,
    f.code_commit,
    f.recorded_at as measured_at
from lakehouse.gold.model_measures as f
inner join kpi.model_versions as m
    on f.model_version = m.model_version
