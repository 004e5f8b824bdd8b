"""All tables of a run on one page that sorts by a click: a file without anything beside it."""

import math

import pandas as pd

from spic.files import write_bytes
from spic.report.pages import render


def write_table_page(path, title: str, tables: dict[str, pd.DataFrame]) -> None:
    """Write `tables`, {heading: table}, as one HTML page; a table without rows is left out.

    Columns that say the same in every row are left out and named above the table. Numbers have 4 digits.
    """
    shown = [_table(heading, table) for heading, table in tables.items() if len(table)]
    write_bytes(path, render("tables.html.j2", title=title, tables=shown).encode())


def _table(heading: str, table: pd.DataFrame) -> dict:
    same = [name for name in table if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    notes = [f"{name}: {_cell(table[name].iloc[0])}" for name in same if _cell(table[name].iloc[0]) is not None]
    columns = [name for name in table if name not in same]
    rows = [[_cell(value) for value in row] for row in table[columns].itertuples(index=False)]
    return {"heading": heading, "note": ", ".join(notes), "columns": columns, "rows": rows}


def _cell(value):
    """A value as JSON has it; None for what is missing, "inf" or "-inf" for what is infinite."""
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return str(float(value))
    return int(value) if float(value).is_integer() else float(f"{float(value):.4g}")
