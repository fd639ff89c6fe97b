# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration: `make docs` builds the site into out/docs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vastares_ros import __version__

project = "vastares_ros"
author = "vastares_ros maintainers"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["research/*.py", "generate.py"]
html_theme = "furo"
html_title = "vastares_ros"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_mock_imports = ["rclpy"]
napoleon_google_docstring = True
napoleon_use_ivar = True


def write_verbs(app) -> None:
    """Write reference/verbs.md, the help of every verb, from the parsers themselves."""
    from vastares_ros.cli.verbs import VERBS, help_of

    parts = [f"## vastares {verb}\n\n```text\n{help_of(verb)}```\n" for verb in VERBS]
    page = Path(app.srcdir, "reference", "verbs.md")
    text = "# Help of every verb\n\n" + "\n".join(parts)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def escape_bars(app, what, name, obj, options, lines: list[str]) -> None:
    """Absolute values, |x|, in docstrings are not substitutions of reStructuredText."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def setup(app) -> None:
    """Register what is written at build time; called by Sphinx."""
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("builder-inited", write_verbs)
