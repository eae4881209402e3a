"""Studies that are made step by step: what is finished already is not done again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress, Within


def go_through(
    steps: Iterable[str], names: Sequence[str], progress: Progress, do: Callable[[str, Progress], object]
) -> None:
    """Do steps in their order.

    Args:
        steps: all that there are.
        names: those to do; all when empty.
        progress: told each step as a stage.
        do: does the step of a name, with the progress within it.

    Raises:
        SettingsError: an unknown step.
    """
    known = list(steps)
    unknown = set(names) - set(known)
    if unknown:
        raise SettingsError(f"There is no step {', '.join(sorted(unknown))}. Steps: {', '.join(known)}.")
    for name in known:
        if not names or name in names:
            do(name, Within(progress, name))
