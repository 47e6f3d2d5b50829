"""What makes the command line easy: examples, questions back, colours, bars that end."""

import io
import re
import shlex
import sys

import pytest

from napari_psf_distiller.cli.colours import coloured_labels, coloured_word, has_colours
from napari_psf_distiller.cli.examples import EXAMPLES
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.cli.parser import argument_parser
from napari_psf_distiller.io import write_image
from napari_psf_distiller.simulate import simulate_beads


class Terminal(io.StringIO):
    """A stream that someone looks at."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def colours_are_wanted(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("example", [one for some in EXAMPLES.values() for one in some])
def test_each_example_can_be_typed(example):
    program, *arguments = shlex.split(example)
    assert program == "psf-distiller"
    if "--list" not in arguments:
        assert argument_parser().parse_args(arguments).command


@pytest.mark.parametrize("command", EXAMPLES)
def test_each_help_ends_with_its_examples(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    printed = capsys.readouterr().out
    *_, last = EXAMPLES[command]
    assert printed.endswith(f"  {last}\n")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("distll a.tif", "invalid choice: 'distll': did you mean distill?"),
        ("zzz", "invalid choice: 'zzz'; choose from demo, distill"),
        ("presets showw x", "invalid choice: 'showw': did you mean show?"),
        (
            "distill a.tif -o x --wavelenght 0.5",
            "there is no option --wavelenght: did you mean --wavelength? "
            "(see psf-distiller distill --help)",
        ),
        ("distill a.tif -o x --wavelenght=0.5", "did you mean --wavelength?"),
        ("distill a.tif -o x --microscope confocl", "did you mean confocal?"),
        ("devices --qqq", "there is no option --qqq (see"),
        ("devices more", "unrecognized arguments: more"),
    ],
)
def test_what_was_nearly_meant_is_asked(typed, told, capsys):
    assert main(typed.split()) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1


def test_the_other_spelling_is_understood():
    one, other = (
        vars(argument_parser().parse_args([name, "a.tif", "-o", "out"]))
        for name in ("distil", "distill")
    )
    assert one == other


def test_errors_and_warnings_have_colours_in_a_terminal():
    assert coloured_word("error: No.", Terminal()) == "\x1b[1;31merror:\x1b[0m No."
    assert coloured_word("warning: Well.", Terminal()) == "\x1b[33mwarning:\x1b[0m Well."
    assert coloured_word("Find beads ...", Terminal()) == "Find beads ..."


def test_labels_are_bold_in_a_terminal():
    text = coloured_labels("PSF:    a: b\nFWHM:   1", Terminal())
    assert text == "\x1b[1mPSF:\x1b[0m    a: b\n\x1b[1mFWHM:\x1b[0m   1"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_declined(name, value, monkeypatch):
    assert has_colours(Terminal())
    monkeypatch.setenv(name, value)
    assert not has_colours(Terminal())


def test_a_file_gets_no_colours():
    assert coloured_labels("PSF: a", io.StringIO()) == "PSF: a"
    assert coloured_word("error: No.", io.StringIO()) == "error: No."


def test_the_bar_of_a_step_that_is_done_ends_at_its_end(tmp_path, monkeypatch):
    field = simulate_beads((24, 64, 64), beads=4, seed=1)
    write_image(tmp_path / "beads.tif", field.image, spacing=field.spacing)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    options = ["-o", str(tmp_path / "out"), "--device", "numpy"]
    assert main(["distill", str(tmp_path / "beads.tif"), *options]) == 0
    # The joint fit needs fewer iterations than it may do.
    *_, last = re.findall(r"Distil PSF: +(\d+)%", screen.getvalue())
    assert last == "100"
