"""The forms of a report: text and HTML for people, Markdown for a run's page, SARIF for code-scanning pages."""
