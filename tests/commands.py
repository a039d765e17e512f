"""Running `./ketalink` within the test's own process: what it prints, and how it ends."""

import io
import sys

import pytest

from frontdesk.cli import main
from frontdesk.settings import Settings


class Ketalink:
    """The command line with some settings."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch = monkeypatch
        self._capsys = capsys
        monkeypatch.setitem(Settings.model_config, "env_file", None)
        for name in Settings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("COLUMNS", "200")
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Work with these settings from now on."""
        for name in ("data_dir", "database_url", "tracker_database_url"):
            self._patch.setenv(name.upper(), str(getattr(settings, name) or ""))
        for name in ("encryption_keys", "lookup_secret"):
            value = getattr(settings, name)
            self._patch.setenv(name.upper(), value.get_secret_value() if value else "")

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that can be done; return its standard output."""
        code, out, err = self._main(arguments, stdin)
        assert code == 0, out + err
        return out

    def errors(self, *arguments: str) -> str:
        """Run a command that can be done; return its standard error."""
        code, out, err = self._main(arguments, "")
        assert code == 0, out + err
        return err

    def refused(self, *arguments: str) -> str:
        """Run a command that cannot be done; return what it says about it."""
        code, out, err = self._main(arguments, "")
        assert code == 1, out + err
        return err

    def _main(self, arguments: tuple[str, ...], stdin: str) -> tuple[object, str, str]:
        self._patch.setattr(sys, "argv", ["ketalink", *arguments])
        self._patch.setattr(sys, "stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *self._capsys.readouterr()
