# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A table as shown by a terminal, in Markdown and in HTML; in each, what is best is bold."""

from __future__ import annotations

import html as hypertext
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vastares_ros.core.errors import printable_lines

from .tables import Cell, Table

if TYPE_CHECKING:
    import rich.table


def terminal(table: Table) -> rich.table.Table:
    """A table that `rich.console.Console.print` takes."""
    from rich.table import Table as RichTable
    from rich.text import Text

    def plain(text: str, style: str = "") -> Text:
        return Text.assemble((printable_lines(text), style))

    def line(cells: Sequence[Cell]) -> list[Text]:
        return [plain(cell.text, "bold" * cell.best) for cell in cells]

    shown = RichTable(
        title=plain(table.title) if table.title else None,
        title_justify="left",
        caption=plain(table.note) if table.note else None,
        caption_justify="left",
    )
    for i, name in enumerate(table.head):
        label, prose = i < table.labels, i >= len(table.head) - table.prose
        shown.add_column(plain(name), justify="left" if label or prose else "right", no_wrap=label)
    for row in table.rows:
        shown.add_row(*line(row))
    if table.mean:
        shown.add_section()
        shown.add_row(*line(table.mean))
    return shown


def markdown(table: Table) -> str:
    """A pipe table; its title is a heading above."""
    figures = len(table.head) - table.labels - table.prose
    rule = ["---"] * table.labels + ["---:"] * figures + ["---"] * table.prose
    lines = [[name.replace("\n", " ") for name in table.head], rule]
    lines += [[f"**{cell.text}**" if cell.best else cell.text for cell in row] for row in _all_rows(table)]
    parts = [f"## {table.title}"] * bool(table.title)
    parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    parts += [table.note] * bool(table.note)
    return "\n\n".join(parts) + "\n"


def html(table: Table) -> str:
    """A table element, with title and note."""
    escape = hypertext.escape
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    body = "".join(
        "<tr>"
        + "".join(f"<td><b>{escape(c.text)}</b></td>" if c.best else f"<td>{escape(c.text)}</td>" for c in row)
        + "</tr>"
        for row in _all_rows(table)
    )
    title = f"<h2>{escape(table.title)}</h2>" * bool(table.title)
    note = f"<p>{escape(table.note)}</p>" * bool(table.note)
    return f'{title}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def _all_rows(table: Table) -> list[tuple[Cell, ...]]:
    return [*table.rows, *([table.mean] if table.mean else [])]
