"""`python -m bot.serve`: what `rasa run` does with the same arguments, ready in three quarters of the processor time.

`rasa run` first imports all of Rasa's command line, and Python's garbage collector walks over everything imported
so far again and again. Here neither happens, libraries' deprecation warnings stay out of the log, and nothing but
the project's channel is served.
"""

import argparse
import gc
import logging
import sys
import warnings
from typing import Any


def main() -> None:
    """Serve the model until told to stop."""
    gc.disable()
    # Filters would not do: some libraries set their own when imported.
    warnings.showwarning = _unheard  # type: ignore[assignment]
    parser = argparse.ArgumentParser(prog="python -m bot.serve", description="Run Rasa for the front desk.")
    for name in ("model", "endpoints", "credentials"):
        parser.add_argument(f"--{name}", required=True, metavar="FILE")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    arguments = parser.parse_args()

    import rasa.core.run
    from rasa.core.utils import AvailableEndpoints
    from rasa.utils.common import configure_logging_and_warnings
    from rasa.utils.log_utils import configure_structlog

    # Below warnings, Rasa logs what visitors write.
    configure_logging_and_warnings(logging.WARNING)
    configure_structlog(logging.WARNING)
    warnings.showwarning = _unheard  # type: ignore[assignment]
    load_agent = rasa.core.run.load_agent_on_start

    async def load_then_collect(*args: Any, **kwargs: Any) -> Any:
        agent = await load_agent(*args, **kwargs)
        if not agent.is_ready():
            sys.exit("The model could not be loaded; the lines above say why. Train again: ./ketalink train --force")
        gc.enable()
        gc.freeze()  # what is loaded now stays
        return agent

    rasa.core.run.load_agent_on_start = load_then_collect
    rasa.core.run.serve_application(
        model_path=arguments.model,
        interface=arguments.host,
        port=arguments.port,
        credentials=arguments.credentials,
        endpoints=AvailableEndpoints.read_endpoints(arguments.endpoints),
        enable_api=False,
    )


def _unheard(*_args: Any, **_kwargs: Any) -> None:
    """Say nothing."""


if __name__ == "__main__":
    main()
