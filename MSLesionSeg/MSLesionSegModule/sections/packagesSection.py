"""The panel's row about Python packages: what is missing, and the button that installs it after a question."""

from slicer.i18n import tr as _


class PackagesSection:
    """``onChanged()`` is called after an installation. ``task`` is what packages are needed for."""

    def __init__(self, ui, logic, say) -> None:
        self.ui = ui
        self.onChanged = lambda: None
        self.task = "flair"
        self._packages = logic.packages
        self._say = say
        ui.installButton.clicked.connect(self.install)

    def setTask(self, task: str) -> None:
        """Say what another task needs."""
        if task != self.task:
            self.task = task
            self._show()

    def refresh(self) -> None:
        """Look again at what is installed."""
        self._packages.lookAgain()
        self._show()

    def install(self, *_args) -> None:
        """Install what is missing."""
        try:
            done = self._packages.install(self.task)
        except RuntimeError as error:
            self._say(str(error), error=True)
            return
        self._say(_("The packages were installed.") if done else _("Restart Slicer to go on."))
        self.refresh()
        self.onChanged()

    def _show(self) -> None:
        """Opens the section if something is missing."""
        missing = self._packages.missing(self.task)
        self.ui.packagesLabel.text = self._packages.statusText(self.task)
        self.ui.installButton.enabled = bool(missing)
        if missing:
            self.ui.packagesCollapsibleButton.collapsed = False
