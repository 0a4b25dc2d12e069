"""What a rebuild says: every output, identical or not, and whether that is a failure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from onscreen.versions.rebuild import Output

_FILES = 10  # of a folder that are named
_OTHER_CPU = "On another kind of CPU networks give other last digits, from the first stage on: compare on the kind of machine that made dvc.lock."


def print_verdict(outputs: Sequence[Output]) -> bool:
    """Print a line an output, then what differs and why. Returns whether nothing differs but what bit_stable.py lists."""
    screen = Console(soft_wrap=True, highlight=False, markup=False)
    for output in outputs:
        screen.print(f"{_word(output):<10}  {output.stage}  {output.path}  {output.then}" + _other(output))
    differ = [output for output in outputs if not output.identical]
    for output in differ:
        screen.print(_told(output))
    bad = [output for output in differ if is_failure(output)]
    same = f"{len(outputs) - len(differ)} of {len(outputs)} outputs are identical"
    screen.print(f"{same}; {len(bad)} should be and are not" if bad else f"{same}{'; the others may differ' if differ else ''}")
    if bad:
        screen.print(_OTHER_CPU)
    return not bad


def is_failure(output: Output) -> bool:
    """Whether an output differs by its stage's own doing, and is not known to."""
    return not (output.identical or output.reason or output.follows)


def _word(output: Output) -> str:
    if output.identical:
        return "identical"
    return "may differ" if output.reason else "follows" if output.follows else "DIFFERS"


def _other(output: Output) -> str:
    return "" if output.identical else f" -> {output.now or 'not made'}"


def _told(output: Output) -> str:
    named = ", ".join(output.files[:_FILES]) + (f" and {len(output.files) - _FILES} more" if len(output.files) > _FILES else "")
    what = f"{output.stage}: {output.path}" + (f" ({named})" if named else "")
    if output.reason:
        return f"{what} may differ: {output.reason}"
    return f"{what} follows from an input that differs" if output.follows else f"{what} differs, and the stage's inputs do not"
