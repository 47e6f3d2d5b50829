"""Anything at all is done with the plugin, by chance: it goes on, and no layer is lost.

So many sequences as the variable PSF_DISTILLER_SEQUENCES says, from the number on that
PSF_DISTILLER_FIRST_SEQUENCE says.
"""

import os
import sys
import threading

import pytest
from napari.utils.notifications import ErrorNotification, notification_manager
from person import Person, read, shown
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QPushButton
from random_use import RandomUser

from napari_psf_distiller import SimulatedBeads

COUNT = int(os.environ.get("PSF_DISTILLER_SEQUENCES", "2"))
FIRST = int(os.environ.get("PSF_DISTILLER_FIRST_SEQUENCE", "0"))
ACTIONS = 20

# So often what is under way is cancelled: once it is, only what waited for it begins.
ROUNDS = 10

# What a thread of an executor is in that waits.
IDLE = "_worker"


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_whatever_is_done_it_goes_on(person: Person, field: SimulatedBeads, seed: int) -> None:
    notification_manager.records.clear()
    threads = set(threading.enumerate())
    user = RandomUser(person, field, seed)
    user.uses(ACTIONS)
    comes_to_rest(person)
    raised = [
        record.exception
        for record in notification_manager.records
        if isinstance(record, ErrorNotification)
    ]
    assert raised == [], user.done
    assert user.lost() == [], user.done
    # None waits for what will never come.
    assert cancelling() == [], user.done
    assert user.dead() == [], user.done
    assert at_work(set(threading.enumerate()) - threads) == [], user.done


def cancelling() -> list[QPushButton]:
    """Return the buttons by which something that is under way can be cancelled."""
    return [one for one in shown(QPushButton) if read(one) == "Cancel" and one.isEnabled()]


def at_work(threads: set[threading.Thread]) -> list[str]:
    """Return which threads do something: not those that are kept for what may be next."""
    frames = sys._current_frames()
    found = [(one.name, frames.get(one.ident or 0)) for one in threads]
    return [name for name, frame in found if frame and frame.f_code.co_name != IDLE]


def comes_to_rest(person: Person) -> None:
    """Cancel what is under way, and wait until nothing is, nor any layer is still being added.

    More than once: a sample that is being made is distilled when it is there.
    """
    before = None
    for _ in range(ROUNDS):
        for button in cancelling():
            button.click()
        person.waits(lambda: QThreadPool.globalInstance().waitForDone(0))
        person.rests(1)
        if before == (before := list(person.viewer.layers)) and not cancelling():
            return
