"""The panel's row about Python packages: what is missing, and the button that installs it after a question."""

from slicer.i18n import tr as _

from ..parameters import BoundParameters
from ..setup.packages import Packages
from ..widgets.form import loadForm
from ..widgets.say import Say
from ..widgets.signals import Signal


class PackagesSection:
    """``changed``: signal: something was installed."""

    def __init__(self, packages: Packages, parameters: BoundParameters, say: Say) -> None:
        self.widget, self.ui = loadForm("Packages")
        self.changed = Signal()
        self._packages = packages
        self._parameters = parameters
        self._say = say
        self._task = "flair"  # what packages are needed for
        self.ui.installButton.clicked.connect(self.install)
        parameters.changed.connect(self._taskChanged)

    def refresh(self) -> None:
        """Look again at what is installed."""
        self._packages.lookAgain()
        self._show()

    def install(self, *_args) -> None:
        """Install what is missing."""
        try:
            done = self._packages.install(self._task)
        except RuntimeError as error:
            self._say(str(error), error=True)
            return
        self._say(_("The packages were installed.") if done else _("Restart Slicer to go on."))
        self.refresh()
        self.changed.emit()

    def _taskChanged(self) -> None:
        if self._parameters.task != self._task:
            self._task = self._parameters.task
            self._show()

    def _show(self) -> None:
        """Opens the section if something is missing."""
        missing = self._packages.missing(self._task)
        self.ui.packagesLabel.text = self._packages.statusText(self._task)
        self.ui.installButton.enabled = bool(missing)
        if missing:
            self.ui.packagesCollapsibleButton.collapsed = False
