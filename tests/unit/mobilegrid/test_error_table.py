"""The one table from errors to exit codes."""

import errno

import click
import msgspec
import pytest
from click.testing import CliRunner
from typing_extensions import override

from ledger.kernel import errors
from ledger.kernel.refusal import Refusal, RefusalCode
from mobilegrid.cli.base import Command, Member
from mobilegrid.cli.main import EXIT_CODES, Root

CASES = [
    (errors.Refused(Refusal(RefusalCode.CASE_OPEN)), 1),
    (errors.NotFound("no such thing"), 1),
    (errors.Malformed("not a number", field="energy", place="row 5"), 1),
    (errors.Misconfigured("setting x"), 2),
    (errors.TamperEvidence("it differs"), 3),
    (errors.ProofInvalid("step E5"), 3),
    (errors.SignatureInvalid("no known key"), 3),
    (errors.CheckpointInvalid("another log"), 3),
    (errors.ReplayDiffers("bytes differ", position=7), 3),
    (errors.InvariantBroken("our bug"), 3),
    (errors.Conflict("head moved"), 4),
    (errors.Unavailable("away"), 4),
    (OSError(errno.ENOSPC, "No space left on device", "x.csv"), 4),
    (KeyboardInterrupt(), 130),
    (click.Abort(), 130),
    (ZeroDivisionError("secret detail"), 3),
]

NAMES = [type(error).__name__ for error, _ in CASES]

_thrown: list[BaseException] = []


@click.command(cls=Command)
def throws() -> None:
    """Raise what the test put down."""
    raise _thrown[-1]


class OneCommand(Root):
    """The root of the program with one command that raises."""

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return throws


def invoke(error: BaseException, *options: str):
    _thrown.append(error)
    root = OneCommand("root", "A root.", {"throws": Member("nowhere:throws", "Raise.")})
    return CliRunner().invoke(root, ["throws", *options])


@pytest.mark.parametrize(("error", "code"), CASES, ids=NAMES)
def test_every_error_ends_in_one_sentence_and_its_exit_code(error, code):
    result = invoke(error)
    assert result.exit_code == code
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert "secret detail" not in result.stderr


def test_the_whole_error_tree_has_exit_codes():
    def tree(kind):
        return {kind, *(below for child in kind.__subclasses__() for below in tree(child))}

    covered = tuple(kind for kind, _ in EXIT_CODES)
    missing = [kind for kind in tree(errors.MobileGridError) if not issubclass(kind, covered)]
    assert missing == [errors.MobileGridError]


@pytest.mark.parametrize(("error", "code"), CASES[:13], ids=NAMES[:13])
def test_with_json_an_error_is_an_object_on_stderr(error, code):
    result = invoke(error, "--json")
    found = msgspec.json.decode(result.stderr)["error"]
    assert found["kind"] == type(error).__name__
    assert found["exit_code"] == code
    assert found["message"]


def test_the_object_carries_what_the_error_knows():
    def facts(error):
        return msgspec.json.decode(invoke(error, "--json").stderr)["error"]

    assert facts(CASES[0][0])["refusal"] == "case_open"
    assert facts(CASES[2][0])["field"] == "energy"
    assert facts(CASES[2][0])["place"] == "row 5"
    assert facts(errors.ReplayDiffers("x", position=7))["position"] == 7
    assert "position" not in facts(errors.ReplayDiffers("x"))


def test_verbose_shows_where_an_unexpected_error_comes_from():
    result = invoke(ZeroDivisionError("secret detail"), "--verbose")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert "secret detail" in result.stderr


def test_wrong_usage_exits_with_2():
    assert invoke(errors.NotFound("x"), "--no-such-option").exit_code == 2


def test_a_reader_that_goes_away_is_no_error_of_ours():
    result = invoke(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert result.exit_code == 1
    assert "Error" not in result.output
