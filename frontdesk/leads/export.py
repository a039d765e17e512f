"""Requests as a file for other programs: JSON lines, or a table that no spreadsheet runs anything of."""

import csv
import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TextIO

# What a spreadsheet would run as a formula, plain and full-width, and the characters it skips before one.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
CSV_COLUMNS = (
    "reference",
    "created_at",
    "channel",
    "status",
    "full_name",
    "phone",
    "email",
    "patient_type",
    "reason",
    "preferred_time_text",
    "preferred_time_date",
    "preferred_time_part_of_day",
    "consent_given",
    "consent_at",
    "consent_text",
    "notes",
    "assigned_to",
)


class ExportFormat(StrEnum):
    """How requests can be exported."""

    JSONL = "jsonl"
    CSV = "csv"


def write_jsonl(records: Iterable[dict[str, Any]], file: TextIO) -> int:
    """Write one JSON object a line; return how many."""
    written = 0
    for record in records:
        written += 1
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return written


def write_csv(records: Iterable[dict[str, Any]], file: TextIO, with_heading: bool = True) -> int:
    """Write a table that is safe to open in a spreadsheet; return the number of requests."""
    table = csv.writer(file)
    if with_heading:
        table.writerow(CSV_COLUMNS)
    written = 0
    for record in records:
        written += 1
        flat = _flat(record)
        table.writerow([_safe_cell(flat[column]) for column in CSV_COLUMNS])
    return written


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose values are cells: `preferred_time.date` becomes `preferred_time_date`, notes one text."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    flat["notes"] = "\n".join(f"{note['at']} {note['author']}: {note['text']}" for note in record["notes"])
    return flat


def _safe_cell(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe makes it text, also for `+1516…`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text
