"""Counts what was found of what was labelled, by kind."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass
class Score:
    """Labelled spans found or missed, and finds that are right or wrong, by kind."""

    labelled: Counter = field(default_factory=Counter)
    recalled: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    right: Counter = field(default_factory=Counter)
    missed: defaultdict = field(default_factory=lambda: defaultdict(list))

    def add(self, text, labels, finds, *, alike=()):
        """Count one text; a label is recalled when a find of its kind, or of one `alike`, overlaps it.

        `alike` holds pairs of kinds.
        """
        for kind, start, end in labels:
            self.labelled[kind] += 1
            hit = any(_same(f.kind, kind, alike) and f.start < end and f.end > start for f in finds)
            self.recalled[kind] += hit
            if not hit:
                self.missed[kind].append(text)
        for find in finds:
            self.found[find.kind] += 1
            self.right[find.kind] += any(
                _same(find.kind, kind, alike) and find.start < end and find.end > start for kind, start, end in labels
            )

    def recall(self, kind):
        return self.recalled[kind] / self.labelled[kind]

    def precision(self, kind):
        return self.right[kind] / self.found[kind]

    def table(self, title):
        """Return the counts as a Markdown table."""
        lines = [f"{title}", "", "| kind | labelled | recall | found | precision |", "|---|--:|--:|--:|--:|"]
        for kind in sorted({*self.labelled, *self.found}):
            recall = f"{self.recall(kind):.3f}" if self.labelled[kind] else ""
            precision = f"{self.precision(kind):.3f}" if self.found[kind] else ""
            lines.append(f"| {kind} | {self.labelled[kind]} | {recall} | {self.found[kind]} | {precision} |")
        return "\n".join(lines) + "\n"


def _same(found, labelled, alike):
    return found == labelled or {found, labelled} in alike
