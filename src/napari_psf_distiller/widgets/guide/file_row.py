"""The guide's files: it saves the PSF, exports recipe and report, and loads a recipe."""

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.export import exporters
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.widgets.files.saving import ask_for_file, ask_where
from napari_psf_distiller.widgets.guide.files import PSFMade
from napari_psf_distiller.widgets.guide.parameters import HEAD
from napari_psf_distiller.widgets.parts.flow import flowing_row
from napari_psf_distiller.widgets.running.background import Background

__all__ = ["WITH_THE_PSF", "FileRow"]

# What needs a PSF, and of that what stands where the PSF is told of.
WRITING = ("Save PSF", "Export recipe", "Export report")
WITH_THE_PSF = ("Save PSF", "Export report")


class FileRow(QWidget):
    """Buttons for what the guide reads and writes; files are worked on in a thread.

    Parameters
    ----------
    made : callable
        Returns the PSF to write, or raises an `InputError`.
    say : callable
        Shows a sentence in the guide.
    use : callable
        Takes a recipe that was loaded.
    reset : callable
        Sets all parameters to their defaults.
    suggest : callable
        Returns the name to suggest for a file.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By their text; those of `WITH_THE_PSF` are for another place.
    note : QLineEdit
        What is written into PSF, recipe and report besides.
    """

    def __init__(
        self,
        made: Callable[[], PSFMade],
        say: Callable[[str], None],
        use: Callable[[Recipe], None],
        reset: Callable[[], None],
        suggest: Callable[[], str],
    ) -> None:
        super().__init__()
        self._made, self._say, self._use, self._suggest = made, say, use, suggest
        self.buttons: dict[str, QPushButton] = {}
        actions: dict[str, tuple[Callable[[], None], str]] = {
            "Save PSF": (
                self._ask_psf,
                "Write the PSF as ImageJ's TIFF, OME-TIFF or OME-Zarr, with all that is known "
                "of it, or in a format of another program.",
            ),
            "Export recipe": (
                self._ask_export_recipe,
                "Write what was done as a file, which psf-distiller replay does again.",
            ),
            "Export report": (
                self._ask_report,
                "Write pictures, figures and parameters of the PSF as one HTML file.",
            ),
            "Load recipe": (
                self._ask_recipe,
                "Set all parameters from a recipe, such as one that was exported.",
            ),
            "Reset to defaults": (reset, "Set all parameters to this project's best values."),
        }
        self.note = QLineEdit()
        self.note.setAccessibleName("note")
        self.note.setPlaceholderText("note for PSF, recipe and report: who, which slide, ...")
        self.note.setToolTip(
            "Whatever is to be kept with the PSF: who took the image, which slide, which "
            "objective. It is written into its files, and stands at the top of the report."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.note)
        for text, (action, tooltip) in actions.items():
            button = QPushButton(text)
            button.setToolTip(tooltip)
            button.clicked.connect(action)
            self.buttons[text] = button
        below = [button for text, button in self.buttons.items() if text not in WITH_THE_PSF]
        layout.addWidget(flowing_row(below))

    def enable_writing(self, enabled: bool) -> None:
        """Enable what needs a PSF."""
        for text in WRITING:
            self.buttons[text].setEnabled(enabled)

    def load_recipe(self, path: Path) -> None:
        """Set all parameters from a recipe's file."""
        Background(self._use, self._tell).ask(lambda: Recipe.load(path))

    def save_psf(self, path: Path) -> None:
        """Write the newest PSF of the image in the format that the name asks for."""
        self._write_file(path, PSFMade.save)

    def export_recipe(self, path: Path) -> None:
        """Write how the newest PSF of the image was made."""
        self._write_file(path, PSFMade.export_recipe)

    def export_report(self, path: Path) -> None:
        """Write the report on the newest PSF of the image."""
        self._write_file(path, PSFMade.export_report)

    def _write_file(self, path: Path, write: Callable[[PSFMade, Path], None]) -> None:
        try:
            made = self._made()
        except InputError as error:
            self._tell(str(error))
            return
        note = self.note.text().strip()
        self._say(f"Writing {path.name}.")
        Background[None](lambda _: self._wrote(path), self._tell).ask(
            lambda: write(made.described(note), path)
        )

    def _wrote(self, path: Path) -> None:
        self._say(f"Written: {path.name}.")
        show_info(f"{HEAD}: written {path}")

    def _tell(self, message: str) -> None:
        self._say(message)
        show_error(f"{HEAD}: {message}")

    def _ask_psf(self) -> None:
        # Of names that have .psf napari reads voxel size and recipe too.
        kinds = {name: f".psf{exporter.suffixes[0]}" for name, exporter in exporters().items()}
        ask_where(self, "Save the PSF", self._suggest(), kinds, self.save_psf)

    def _ask_export_recipe(self) -> None:
        kinds = {"Recipe": ".json"}
        name = f"{self._suggest()} recipe"
        ask_where(self, "Export the recipe", name, kinds, self.export_recipe)

    def _ask_report(self) -> None:
        kinds = {"HTML": ".html"}
        name = f"{self._suggest()} report"
        ask_where(self, "Export the report", name, kinds, self.export_report)

    def _ask_recipe(self) -> None:
        ask_for_file(self, "Load a recipe", "Recipe (*.json)", self.load_recipe)
