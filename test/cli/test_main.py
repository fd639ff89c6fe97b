"""How `vastares` picks a verb and how a verb ends."""

import errno
import io
import os
import subprocess
import sys

import pytest

from vastares_ros import __version__
from vastares_ros.cli.main import NODES, VERBS, main
from vastares_ros.core.errors import BagError


@pytest.fixture
def verb(tmp_path, monkeypatch):
    """Makes the verb `fake` of a module's text, a node if asked."""

    def make(text: str, node: bool = False) -> str:
        (tmp_path / "fake_verb.py").write_text(text)
        monkeypatch.setitem(VERBS, "fake", ("fake_verb", "a verb of this test"))
        if node:
            monkeypatch.setattr("vastares_ros.cli.main.NODES", ("fake",))
        return "fake"

    monkeypatch.syspath_prepend(tmp_path)
    yield make
    sys.modules.pop("fake_verb", None)


def failing(statement: str) -> str:
    return f"def add_arguments(parser): pass\ndef run(args):\n    {statement}\n"


def test_verb_gets_its_arguments_and_gives_its_status(verb):
    name = verb('def add_arguments(p): p.add_argument("--status", type=int)\ndef run(args): return args.status\n')
    assert main([name, "--status", "7"]) == 7


def test_arguments_of_the_process_are_the_default(verb, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["vastares", verb(failing("return 5"))])
    assert main() == 5


def test_wrong_arguments_end_with_status_2(verb, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([verb(failing("return 0")), "--no-such-option"])
    assert "vastares fake: error: unrecognized arguments: --no-such-option" in capsys.readouterr().err


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
    assert all(f"  {verb} " in err and summary in err for verb, (_, summary) in VERBS.items())


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"]])
@pytest.mark.process
def test_help_and_version_import_no_verb_and_nothing_heavy(argv):
    program = (
        "import sys\nfrom vastares_ros.cli.main import VERBS, main\n"
        f"try: main({argv!r} or None)\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'torch', 'rclpy', *(module for module, _ in VERBS.values())} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout if argv == ["--version"] else "evaluate" in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.process
def test_closed_pipe_is_quiet(verb, tmp_path, unbuffered):
    verb(failing("print('more than anybody reads')"))
    program = (
        "from vastares_ros.cli.main import VERBS, main\n"
        "VERBS['fake'] = ('fake_verb', '')\n"
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
    if VERBS[name][0].startswith("vastares_ros.nodes"):
        pytest.importorskip("rclpy", reason="rclpy is not installed")
    try:
        assert main([name, "--help"]) == 0
    except SystemExit as end:
        assert end.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: vastares {name} ")
    assert "--ros-args" in out if name in NODES else "--help" in out
