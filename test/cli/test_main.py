# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How `vastares` picks a verb and how a verb ends."""

import errno
import io
import json
import os
import signal
import subprocess
import sys

import pytest

from vastares_ros import __version__
from vastares_ros.cli.main import main
from vastares_ros.cli.verbs import FRICTION_MODELS, VERBS, Verb, help_of
from vastares_ros.core.errors import BagError
from vastares_ros.core.sampling import RATE_TOLERANCE
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import write_dataset
from vastares_ros.models.rigid_body import ObserverConfig
from vastares_ros.physics import friction


@pytest.fixture
def verb(tmp_path, monkeypatch):
    """Makes the verb `fake` of a module's text, with an option --status, or a node if asked."""

    def make(text: str, node: bool = False) -> str:
        (tmp_path / "fake_verb.py").write_text(text)
        declare = None if node else lambda parser: parser.add_argument("--status", type=int)
        monkeypatch.setitem(VERBS, "fake", Verb("a verb of this test", "fake_verb", declare))
        return "fake"

    monkeypatch.syspath_prepend(tmp_path)
    yield make
    sys.modules.pop("fake_verb", None)


def failing(statement: str) -> str:
    return f"def run(args):\n    {statement}\n"


def test_verb_gets_its_arguments_and_gives_its_status(verb):
    name = verb("def run(args): return args.status\n")
    assert main([name, "--status", "7"]) == 7


def test_arguments_of_the_process_are_the_default(verb, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["vastares", verb(failing("return 5"))])
    assert main() == 5


def test_wrong_arguments_end_with_status_2(verb, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([verb(failing("return 0")), "--no-such-option"])
    expected = "vastares fake: error: unrecognized arguments: --no-such-option: see vastares fake --help\n"
    assert capsys.readouterr().err == expected


def test_node_gets_ros_arguments_untouched(verb):
    name = verb("def main(args):\n    assert args == ['--ros-args', '-p', 'bundle:=B']\n    return 3\n", node=True)
    assert main([name, "--ros-args", "-p", "bundle:=B"]) == 3


@pytest.mark.parametrize(("node", "parameter"), [("estimator", "contact_factor"), ("training", "train_config")])
def test_node_help_lists_the_parameters(node, parameter, capsys):
    assert main([node, "--help"]) == 0
    assert parameter in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            f"from {BagError.__module__} import BagError; raise BagError('no topic /arm in x.bag')",
            "no topic /arm in x.bag",
        ),
        (
            "raise PermissionError(13, 'Permission denied', 'out/b')",
            "out/b: Permission denied: check the path, who may use it, and the free space",
        ),
        (
            f"raise OSError({errno.ENOSPC}, 'No space left on device')",
            "[Errno 28] No space left on device: check the path, who may use it, and the free space",
        ),
    ],
)
def test_error_is_one_line(verb, capsys, statement, message):
    assert main([verb(failing(statement))]) == 2
    assert capsys.readouterr().err == f"vastares fake: error: {message}\n"


def test_bug_keeps_its_traceback(verb):
    with pytest.raises(ZeroDivisionError):
        main([verb(failing("1 / 0"))])


def test_a_terminal_that_has_no_such_letter_shows_a_question_mark(verb, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main([verb(failing("print('N·m'); return 0"))]) == 0
    assert written.getvalue() == b"N?m\n"


def test_interrupt_ends_with_status_130(verb, capsys):
    assert main([verb(failing("raise KeyboardInterrupt"))]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("package", "advice"),
    [
        ("rclpy", "needs ROS 2: source your ROS installation, or pip install 'ros-jazzy-rclpy[fastrtps]'"),
        ("pinocchio", "needs pinocchio: pip install pin"),
    ],
)
@pytest.mark.parametrize("text", ["import {0}.thing\n", failing("import {0}.thing")], ids=["at import", "in run"])
def test_absent_package_is_named_with_its_remedy(verb, capsys, monkeypatch, package, advice, text):
    for name in (package, f"{package}.thing"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([verb(text.format(package))]) == 2
    err = capsys.readouterr().err
    assert err.startswith("vastares fake: error: this verb ") and advice in err and err.count("\n") == 1


def test_absent_module_of_ours_is_a_bug(verb):
    with pytest.raises(ModuleNotFoundError):
        main([verb("import vastares_ros.no_such_module\n")])


def test_unknown_verb_lists_the_verbs(capsys):
    assert main(["trian"]) == 2
    err = capsys.readouterr().err
    assert "'trian'" in err
    assert all(f"  {verb} " in err and entry.summary in err for verb, entry in VERBS.items())


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"]])
@pytest.mark.process
def test_help_and_version_import_no_verb_and_nothing_heavy(argv):
    program = (
        "import sys\nfrom vastares_ros.cli.main import VERBS, main\n"
        f"try: main({argv!r} or None)\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'torch', 'rclpy', *(entry.module for entry in VERBS.values())} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout if argv == ["--version"] else "evaluate" in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.process
def test_closed_pipe_is_quiet(verb, tmp_path, unbuffered):
    # a node, since what other verbs print with takes seconds to import
    verb("def main(args):\n    print('more than anybody reads')\n    return 0\n")
    program = (
        "from vastares_ros.cli.verbs import VERBS, Verb\n"
        "from vastares_ros.cli.main import main\n"
        "VERBS['fake'] = Verb('', 'fake_verb')\n"
        "raise SystemExit(main(['fake']))"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": path},
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself(name, capsys):
    try:
        assert main([name, "--help"]) == 0
    except SystemExit as end:
        assert end.code == 0
    out = capsys.readouterr().out
    assert out.strip() == help_of(name).strip() and out.startswith(f"usage: vastares {name} ")
    assert ("--ros-args" if VERBS[name].declare is None else "--help") in out


@pytest.mark.process
def test_the_help_of_no_verb_imports_anything_heavy():
    program = (
        "import sys\nfrom vastares_ros.cli.verbs import VERBS, help_of\n"
        "assert all(help_of(name) for name, verb in VERBS.items() if verb.declare)\n"
        "assert not {'numpy', 'scipy', 'torch', 'pyarrow', 'rosbags', 'rich', 'rclpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_choices_and_defaults_of_the_grammar_are_those_of_the_code():
    assert tuple(friction.FRICTION_MODELS) == FRICTION_MODELS
    text = " ".join(help_of("identify").split())
    assert f"after 1 / gain (default: {ObserverConfig.gain:g})" in text
    assert f"0 for none (default: {FilterConfig.cutoff_hz:g};" in text
    assert f"differ by more than {RATE_TOLERANCE:.0%} are refused" in " ".join(help_of("prepare").split())


def test_figures_go_to_stdout_alone_and_quiet_prints_nothing(tmp_path, dataset, capsys):
    write_dataset(tmp_path / "d", dataset)
    config = tmp_path / "small.yaml"
    config.write_text("network: {window: 4, hidden: 4, hidden_layers: 0}\nepochs: 1\n")
    train = ["train", str(tmp_path / "d"), "--config", str(config), "--validation", "three", "-o"]
    assert main([*train, str(tmp_path / "b"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["evaluate", str(tmp_path / "b"), str(tmp_path / "d"), "--json", "-"]) == 0
    assert set(json.loads(capsys.readouterr().out)["nmse_mean"]) == {"model", "mean", "ridge"}
    (tmp_path / "there.json").write_text("")
    assert main([*train, str(tmp_path / "c"), "--json", str(tmp_path / "there.json")]) == 2
    assert "there.json exists" in capsys.readouterr().err and not (tmp_path / "c").exists()


STOPPED = """
import os, signal, sys, time
from pathlib import Path
from vastares_ros.cli import main as cli
from vastares_ros.io.folders import written_folder

def run(verb, args):
    with written_folder(Path(sys.argv[1]), "marker", False) as folder:
        (folder / "half").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

cli._run = run
sys.exit(cli.main(["prepare"]))
"""


@pytest.mark.process
def test_sigterm_leaves_nothing_half_written(tmp_path):
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "d")]
    assert subprocess.run(command, check=False).returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
