"""`python -m frontdesk` runs the front desk alone; `./ketalink serve` runs it with all the rest."""

import sys

import uvicorn

from frontdesk.app import create_app
from frontdesk.db import DatabaseUnavailable
from frontdesk.logs import configure_logging
from frontdesk.settings import SettingsError, load_settings

STOP_WITHIN_SECONDS = 5


def main() -> int:
    """Run the front desk; return the exit code."""
    try:
        settings = load_settings()
        configure_logging("frontdesk", settings.log_level)
        app = create_app(settings)
    except (SettingsError, DatabaseUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=STOP_WITHIN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
