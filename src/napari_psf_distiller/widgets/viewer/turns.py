"""Short turns of Python's lock, while a thread of ours works beside the viewer."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["short_turns"]

# Seconds after which a thread that works in Python lets another one go on; Python's own is ten
# times as long. The viewer lets go of the lock in each of its many small calls of Qt, and so does
# a fit in each of its many small calls of NumPy, and each time they wait for their turn again.
TURN = 0.0005

# Python cuts what it is given to whole microseconds, which it does not tell exactly.
HALF = 0.5e-6


class _Turns:
    """How many want short turns, and what the turns are otherwise."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0
        self.before = TURN


_turns = _Turns()


@contextmanager
def short_turns() -> Iterator[None]:
    """Have Python's threads take short turns, until the last of those who want it is done."""
    with _turns.lock:
        if _turns.wanted == 0:
            _turns.before = sys.getswitchinterval()
            # Who set shorter ones keeps them.
            sys.setswitchinterval(min(TURN, _turns.before) + HALF)
        _turns.wanted += 1
    try:
        yield
    finally:
        with _turns.lock:
            _turns.wanted -= 1
            if _turns.wanted == 0:
                sys.setswitchinterval(_turns.before + HALF)
