"""What microbp answers when something is done wrong, and where in it the answer was made."""

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import microbp.__main__ as command_line


class Answer(NamedTuple):
    """The error that came, or None, and its text as it stands in the catalogue."""

    error: BaseException | None
    text: str


class CommandFailed(Exception):
    """A command of the command line ended with another code than 0."""


def answer(wrong: Callable[[], object]) -> Answer:
    """Do something wrong, in an empty folder of its own, and catch what is answered."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning is an answer too
        os.chdir(folder)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                wrong()
        except CommandFailed as failed:
            return Answer(failed, str(failed))
        except Exception as error:
            parted = "\n" if "\n" in str(error) else " "  # so that marks stand below what they mark
            return Answer(error, f"{type(error).__name__}:{parted}{error}")
        finally:
            os.chdir(before)
    return Answer(None, "nothing was wrong")


def command(*words: str) -> None:
    """Run a command; CommandFailed with its exit code and what it said, caused by the error it met."""
    said, met = io.StringIO(), []
    sentence_of = command_line._sentence

    def noted(error: Exception) -> str:
        met.append(error)
        return sentence_of(error)

    command_line._sentence = noted
    try:
        with redirect_stderr(said):
            code = command_line.main(words)
    except SystemExit as error:
        code = error.code
        met.append(error)
    finally:
        command_line._sentence = sentence_of
    if code:
        text = said.getvalue()
        text = text[text.rindex("\nmicrobp") + 1 :] if "\nmicrobp" in text else text
        raise CommandFailed(f"exit {code}, {text.strip()}") from (met[-1] if met else None)


def all_errors(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was caused by, and what was being handled when it was raised."""
    seen: set[int] = set()
    waiting = [error]
    for each in waiting:  # which grows while it is walked
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
