"""The row *my microscope*: choose, keep, rename, delete and hand out microscopes by name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, FunctionGui, PushButton
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QComboBox, QInputDialog, QMenu, QMessageBox, QSizePolicy, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.microscopes import (
    MicroscopePreset,
    MicroscopePresets,
    check_preset_name,
)
from napari_psf_distiller.widgets.files.saving import ask_for_file, ask_where
from napari_psf_distiller.widgets.microscope.fields import MicroscopeFields
from napari_psf_distiller.widgets.parts.column import label_of
from napari_psf_distiller.widgets.parts.notice import Notice

__all__ = ["PresetRow"]

NONE_KEPT, NONE_CHOSEN, UNREADABLE = "none yet", "none chosen", "cannot be read"
TOOLTIP = "A microscope that you kept by name; choosing it fills in the fields below."
# Stands before the name of one from which the fields differ.
CHANGED = "changed from"
KINDS = {"Microscopes": ".json"}
FILES = "Microscopes (*.json)"


class PresetRow(QObject):
    """Lets a widget's fields for a microscope be kept by name, and filled in again.

    Parameters
    ----------
    gui : FunctionGui
        The widget that gets the row, before its parameter ``microscope``.
    fields : MicroscopeFields
    chosen : callable
        Called when a microscope was chosen, and fills the fields.

    Attributes
    ----------
    choice : ComboBox
        The microscopes' names.
    save, more : PushButton
    actions : dict of str to QAction
        Of the menu behind *more*, by their text.
    problem : Notice
        Says what went wrong, below the row.
    dialog : QDialog or None
        The one that asks, if one does.
    """

    def __init__(
        self,
        gui: FunctionGui[Any, Any],
        fields: MicroscopeFields,
        chosen: Callable[[], None],
    ) -> None:
        super().__init__(gui.native)
        self._gui, self._fields, self._on_chosen = gui, fields, chosen
        self._presets: dict[str, MicroscopePreset] = {}
        # What stands there when none is chosen.
        self._none = NONE_KEPT
        # The name that is chosen, whether its microscope was changed or not.
        self._name = ""
        self._offering, self._shown, self._sentence = False, True, ""
        self.dialog: Any = None
        self._lay_out(gui)
        self.choice.changed.connect(self._on_choice)
        self.save.changed.connect(lambda _: self._ask_to_save())
        fields.changed.connect(self._offer)
        self.read()

    def _lay_out(self, gui: FunctionGui[Any, Any]) -> None:
        self.choice = ComboBox(name="preset", choices=[NONE_KEPT], tooltip=TOOLTIP)
        native: QComboBox = self.choice.native
        native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        native.setMinimumContentsLength(5)
        native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        native.setAccessibleName("my microscope")
        native.installEventFilter(self)
        self.save = PushButton(
            text="Save", tooltip="Keep what the fields say of the microscope under a name."
        )
        self.more = PushButton(
            text="...", tooltip="Rename or delete the one that is chosen; import or export them."
        )
        self.more.native.setAccessibleName("more for my microscope")
        menu = QMenu(self.more.native)
        self.actions: dict[str, QAction] = {}
        for text, ask in {
            "Rename": self._ask_to_rename,
            "Delete": self._ask_to_delete,
            "Import": self._ask_to_import,
            "Export": self._ask_to_export,
        }.items():
            self.actions[text] = QAction(text, menu)
            self.actions[text].triggered.connect(ask)
        menu.addActions(list(self.actions.values()))
        self.more.native.setMenu(menu)
        for button in (self.save, self.more):
            button.native.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.row = Container(
            widgets=[self.choice, self.save, self.more],
            layout="horizontal",
            labels=False,
            name="my_microscope",
            label="my microscope",
            gui_only=True,
        )
        self.row.margins = (0, 0, 0, 0)
        place = gui.index("microscope")
        gui.insert(place, self.row)
        self.problem = Notice()

    @property
    def name(self) -> str:
        """The name that is chosen; "" if none is."""
        return self._name

    @property
    def changed(self) -> bool:
        """Whether the fields say something else than the microscope that is chosen."""
        return bool(self._name) and not self._fields.shows(self._presets[self._name])

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look what is kept when somebody comes to choose: another program may have changed it."""
        if event is not None and event.type() in (
            QEvent.Type.FocusIn,
            QEvent.Type.MouseButtonPress,
        ):
            self.read()
        return bool(super().eventFilter(watched, event))

    def read(self) -> None:
        """Look which microscopes are kept, and choose the one that the fields show."""
        try:
            self._presets = dict(MicroscopePresets())
        except InputError as error:
            self._presets, self._none = {}, UNREADABLE
            self._say(str(error))
        else:
            self._none = NONE_CHOSEN if self._presets else NONE_KEPT
            self._say("")
        if self._name not in self._presets:
            shown = (name for name, one in self._presets.items() if self._fields.shows(one))
            self._name = next(shown, "")
        self._offer()

    def choose(self, name: str) -> None:
        """Fill in the fields from a microscope."""
        preset = self._presets.get(name)
        self._name = name if preset is not None else ""
        if preset is None:
            self._offer()
            return
        self._fields.show(preset)
        left = self._fields.left_out(preset)
        self._say(f"It has {', '.join(left)} too, which is not used here." if left else "")
        self._on_chosen()

    def _on_choice(self, name: str | None) -> None:
        if not self._offering:
            self.choose(name or "")

    def _offer(self) -> None:
        choices = ((self._none, ""), *((name, name) for name in self._presets))
        with self._while_offering():
            # A function, since magicgui goes back to the first choices when a layer comes or goes.
            self.choice.choices = lambda _: choices
            self.choice.value = self._name
        # A narrow dock shows no long name whole.
        self.choice.tooltip = f"{self._name}. {TOOLTIP}" if self._name else TOOLTIP
        label = label_of(self.row, self._gui.native)
        assert label is not None
        label.setText(CHANGED if self.changed else self.row.label)
        for text in ("Rename", "Delete"):
            self.actions[text].setEnabled(bool(self._name))
        self.actions["Export"].setEnabled(bool(self._presets))

    @contextmanager
    def _while_offering(self) -> Iterator[None]:
        before, self._offering = self._offering, True
        try:
            yield
        finally:
            self._offering = before

    def show(self, shown: bool) -> None:
        """Show the row, or hide it where the microscope does not count."""
        self._shown = shown
        self.row.visible = shown
        self._say(self._sentence)

    def _say(self, sentence: str) -> None:
        self._sentence = sentence
        self.problem.say(escape(sentence, quote=False) if self._shown else "", to_do=True)

    def _do(self, act: Callable[[], str]) -> None:
        """Change what is kept, and choose what is named then; or say what is wrong."""
        try:
            name = act()
        except InputError as error:
            self._say(str(error))
            return
        self._name = name
        self.read()

    # --- what is asked

    def _ask_to_save(self) -> None:
        self._ask_name("Save the microscope", self._name, self._save)

    def _save(self, name: str) -> None:
        try:
            preset = self._fields.preset(self._presets.get(self._name, MicroscopePreset()))
            name = check_preset_name(name)
            taken = name in MicroscopePresets()
        except InputError as error:
            self._say(str(error))
            return

        def save() -> str:
            MicroscopePresets().save(name, preset, overwrite=taken)
            return name

        if taken:
            self._confirm(f"Replace the microscope {name!r}?", "Replace", lambda: self._do(save))
        else:
            self._do(save)

    def _ask_to_rename(self) -> None:
        old = self._name

        def rename(name: str) -> None:
            def act() -> str:
                MicroscopePresets().rename(old, name)
                return check_preset_name(name)

            self._do(act)

        self._ask_name("Rename the microscope", old, rename)

    def _ask_to_delete(self) -> None:
        name = self._name

        def delete() -> str:
            MicroscopePresets().delete(name)
            return ""

        self._confirm(f"Delete the microscope {name!r}?", "Delete", lambda: self._do(delete))

    def _ask_to_import(self) -> None:
        def add(path: Path) -> None:
            try:
                added = MicroscopePresets().add_from(path)
            except InputError as error:
                self._say(str(error))
                return
            self.read()
            # Who imports one wants to use it.
            if len(added) == 1:
                self.choose(added[0])

        self.dialog = ask_for_file(self._window, "Import microscopes", FILES, add)

    def _ask_to_export(self) -> None:
        names = (self._name,) if self._name else ()

        def export(path: Path) -> None:
            try:
                MicroscopePresets().export(path, *names)
            except InputError as error:
                self._say(str(error))
            else:
                show_info(f"Written: {path}")

        title = "Export the microscope" if names else "Export all microscopes"
        self.dialog = ask_where(self._window, title, self._name or "microscopes", KINDS, export)

    @property
    def _window(self) -> QWidget:
        row: QWidget = self.row.native
        return row

    def _ask_name(self, title: str, name: str, use: Callable[[str], None]) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(title)
        dialog.setLabelText("Name, such as Lab confocal 63x:")
        dialog.setTextValue(name)
        dialog.textValueSelected.connect(use)
        self._open(dialog)

    def _confirm(self, question: str, answer: str, act: Callable[[], None]) -> None:
        dialog = QMessageBox(self._window)
        dialog.setText(question)
        yes = dialog.addButton(answer, QMessageBox.ButtonRole.AcceptRole)
        dialog.setEscapeButton(dialog.addButton(QMessageBox.StandardButton.Cancel))
        dialog.buttonClicked.connect(lambda button: act() if button is yes else None)
        self._open(dialog)

    def _open(self, dialog: Any) -> None:
        """Open a dialog without waiting for it, so that what runs in the viewer runs on."""
        self.dialog = dialog
        dialog.finished.connect(self._forget_dialog)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _forget_dialog(self) -> None:
        self.dialog = None
