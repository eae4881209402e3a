"""The panel's row about Python packages: what is missing, and the button that installs it after a question."""

from slicer.i18n import tr as _


class PackagesSection:
    """``onChanged()`` is called after an installation."""

    def __init__(self, ui, logic, say) -> None:
        self.ui = ui
        self.onChanged = lambda: None
        self._packages = logic.packages
        self._say = say
        ui.installButton.clicked.connect(self.install)

    def refresh(self) -> None:
        """Look again at what is installed. Opens the section if something is missing."""
        self._packages.lookAgain()
        missing = self._packages.missing()
        self.ui.packagesLabel.text = self._packages.statusText()
        self.ui.installButton.enabled = bool(missing)
        if missing:
            self.ui.packagesCollapsibleButton.collapsed = False

    def install(self, *_args) -> None:
        """Install what is missing."""
        try:
            done = self._packages.install()
        except RuntimeError as error:
            self._say(str(error), error=True)
            return
        self._say(_("The packages were installed.") if done else _("Restart Slicer to go on."))
        self.refresh()
        self.onChanged()
