"""Runs Presidio's pattern recognisers over lines from stdin, in its own environment; writes counts and seconds."""

import json
import sys
import time

from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UrlRecognizer,
    UsSsnRecognizer,
)

recognizers = [
    recognizer()
    for recognizer in (
        CreditCardRecognizer, EmailRecognizer, IbanRecognizer, IpRecognizer, PhoneRecognizer, UrlRecognizer,
        UsSsnRecognizer,
    )
]  # fmt: skip
lines = sys.stdin.read().splitlines()
begun, cpu = time.perf_counter(), time.process_time()
counts: dict[str, int] = {}
for line in lines:
    for recognizer in recognizers:
        for entity in recognizer.supported_entities:
            if recognizer.analyze(line, [entity], None):
                counts[entity] = counts.get(entity, 0) + 1
sys.stdout.write(json.dumps({"counts": counts, "wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}))
