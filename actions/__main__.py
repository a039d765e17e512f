"""`python -m actions` runs the action server."""

import sys

import uvicorn

from actions.server import create_app
from frontdesk.logs import configure_logging
from frontdesk.settings import SettingsError, load_settings


def main() -> int:
    """Run the action server; return the exit code."""
    try:
        settings = load_settings()
        configure_logging("actions", settings.log_level)
        app = create_app(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=settings.actions_host,
        port=settings.actions_port,
        access_log=False,
        log_config=None,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
