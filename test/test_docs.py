# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every command and snippet of the documentation is run, or is marked with the reason why not.

A page is Markdown. Each code block is fenced and names its language. Blocks of `sh` and `python` are run in the order
of the page, in a temporary folder of its own. HTML comments, which readers do not see, steer that:

    <!-- test: skip (reason) -->         before a block: it is not run
    <!-- test: skip page (reason) -->    anywhere: no block of the page is run
    <!-- test: with bags dataset -->     anywhere: the folder has these from the start, see `make_material`

Of `sh`, `vastares VERB …` is run with the options of `QUICK` added, so that it takes seconds. Commands of `NOT_RUN` are
not run anywhere, for the reason given there.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from simulated import SHORT

from vastares_ros.cli.main import main
from vastares_ros.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
    if page != ROOT / "docs/reference/verbs.md"  # written when the site is built; all of it is `text`
)
RUN = ("sh", "python")
SHOWN = ("text", "yaml", "xml", "ini", "{toctree}", "{eval-rst}")
NOT_RUN = {
    "ros2": "needs a ROS installation",
    "colcon": "needs a ROS workspace; test/test_package.py builds one",
    "rosdep": "needs a ROS workspace",
    "pip": "changes the environment",
    "source": "needs a ROS installation",
    ".": "changes the shell",
    "cd": "is for a ROS workspace",
    "make": "makes an environment, or runs the tests",
    "pre-commit": "changes the checkout",
    "touch": "is for a ROS workspace",
    "python": "runs an example; test_examples.py and nodes/test_stop_on_contact.py run all of them",
    "python3.11": "makes an environment",
    "/usr/bin/python3": "makes an environment",
}
SMALL = ROOT / "test/small_network.yaml"
QUICK = {
    "simulate": SHORT,
    "train": ["--epochs", "1", "--config", str(SMALL)],
    "experiment": ["--epochs", "1", "--seeds", "1", "--jobs", "1", "--config", str(SMALL)],
    "compare": ["--jobs", "1"],
}
MARKER = re.compile(r"<!-- test: (skip page|skip|with) (.+?) -->")


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Attributes:
        language: what follows the fence.
        line: where it begins, from 1.
        text: what it holds.
        skip: why it is not run; empty if it is.
    """

    language: str
    line: int
    text: str
    skip: str

    def commands(self) -> Iterator[list[str]]:
        """The commands of a block of `sh`, as words."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words

    def runs(self) -> bool:
        """Whether something of it is run."""
        if self.skip or self.language not in RUN:
            return False
        return self.language == "python" or any(command[0] not in NOT_RUN for command in self.commands())


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    Attributes:
        blocks: its code blocks.
        needs: what its folder has from the start.
        skip: why none of it is run; empty if it is.
        unmarked: lines of code blocks that are not fenced.
    """

    blocks: tuple[Block, ...]
    needs: tuple[str, ...]
    skip: str
    unmarked: tuple[int, ...]


def read(path: Path) -> Page:
    """Take a page apart."""
    blocks, needs, unmarked = [], (), []
    page_skip = skip = ""
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for kind, what in MARKER.findall(token.content):
                assert kind == "with" or re.fullmatch(r"\(.+\)", what), f"{path}:{line}: say why, in parentheses"
                if kind == "with":
                    needs = tuple(what.split())
                elif kind == "skip":
                    skip = what
                else:
                    page_skip = what
        elif token.type == "code_block":
            unmarked.append(line)
        elif token.type == "fence":
            blocks.append(Block(token.info.strip(), line, token.content, skip))
            skip = ""
    return Page(tuple(blocks), needs, page_skip, tuple(unmarked))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


RUNNABLE = [path for path in PAGES if not read(path).skip and any(block.runs() for block in read(path).blocks)]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_block_names_its_language(path):
    page = read(path)
    assert not page.unmarked, f"{name(path)}: fence the code blocks of lines {page.unmarked}, with a language"
    for block in page.blocks:
        language = block.language.split()[0] if block.language else "none"
        assert language in RUN + SHOWN, f"{name(path)}:{block.line}: language is {language}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_are_in_blocks_that_are_run(path):
    """A command that hides in a block of another language is neither run nor marked."""
    for block in read(path).blocks:
        if block.language == "text":
            starts = [line.split()[:1] for line in block.text.splitlines()]
            hidden = [start for start in starts if start and start[0] in ("vastares", *NOT_RUN)]
            assert not hidden or path.name == "verbs.md", f"{name(path)}:{block.line}: commands are `sh`"


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("path", RUNNABLE, ids=name)
def test_blocks_of_a_page_run(path, material, tmp_path, monkeypatch, capfd):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    page = read(path)
    for need in page.needs:
        shutil.copytree(material / need, tmp_path / need)
    monkeypatch.chdir(tmp_path)
    shared: dict[str, object] = {"__name__": "__main__"}
    for block in page.blocks:
        if not block.runs():
            continue
        where = f"{name(path)}:{block.line}"
        if block.language == "python":
            exec(compile(block.text, where, "exec"), shared)
            continue
        for command in block.commands():
            if command[0] not in NOT_RUN:
                run(command, where, capfd)


def run(command: list[str], where: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Run a command of the documentation in this process."""
    assert command[0] == "vastares", f"{where}: {command[0]} is not run here: mark the block, or see NOT_RUN"
    words = [word for pattern in command[1:] for word in sorted(glob(pattern)) or [pattern]]
    verb = VERBS.get(words[0])
    assert verb is None or verb.declare, f"{where}: a node runs until it is stopped: mark the block"
    try:
        status = main([*words, *QUICK.get(words[0], [])])
    except SystemExit as exit:
        status = exit.code or 0
    said = capfd.readouterr()
    assert status == 0, f"{where}: {shlex.join(command)}\n{said.out}{said.err}"


def test_a_page_is_taken_apart(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- test: with bags -->\n\n```sh\nvastares info bags/*  # what\nros2 topic list\n```\n\n"
        "1. In a list\n\n   <!-- test: skip (no robot) -->\n   ```sh\n   vastares \\\n     play x\n   ```\n\n"
        "    in the list\n\n"
        "Text\n\n    indented\n\n```sh\nros2 topic list\n```\n"
    )
    found = read(page)
    assert found.needs == ("bags",) and not found.skip and found.unmarked == (20,)
    first, second, third = found.blocks
    assert list(first.commands()) == [["vastares", "info", "bags/*"], ["ros2", "topic", "list"]]
    assert first.runs() and not second.runs() and not third.runs()
    assert second.skip == "(no robot)" and list(second.commands()) == [["vastares", "play", "x"]]
    page.write_text("<!-- test: skip -->\n\n```sh\nvastares\n```\n")
    assert read(page).blocks[0].skip == ""


def test_an_error_of_a_command_is_an_error_of_the_test(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=r"page.md:3: vastares info nothing\n(.|\n)*nothing does not exist"):
        run(["vastares", "info", "nothing"], "page.md:3", capfd)
    with pytest.raises(AssertionError, match="mark the block"):
        run(["rm", "nothing"], "page.md:3", capfd)
    assert os.listdir(tmp_path) == []
