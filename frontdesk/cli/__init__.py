"""The operator's command line: `./ketalink`, or `python -m frontdesk.cli`."""

import sys

import typer
from sqlalchemy.exc import SQLAlchemyError

from frontdesk.cli.audit import audit
from frontdesk.cli.backup import backup, restore
from frontdesk.cli.console import CommandFailed
from frontdesk.cli.doctor import doctor
from frontdesk.cli.evaluation.command import evaluate
from frontdesk.cli.keys import keys
from frontdesk.cli.leads import leads
from frontdesk.cli.notifications import notifications
from frontdesk.cli.privacy import privacy
from frontdesk.cli.purge import purge
from frontdesk.cli.review import review
from frontdesk.cli.serve import serve
from frontdesk.cli.sms import sms
from frontdesk.cli.sms_simulator import sms_simulator
from frontdesk.cli.staff import staff
from frontdesk.cli.talk import ask, chat
from frontdesk.cli.train import train
from frontdesk.db import DatabaseUnavailable
from frontdesk.logs import configure_logging
from frontdesk.settings import SettingsError

app = typer.Typer(
    name="ketalink",
    help="Runs and looks after the clinic's assistant. Settings come from the environment and .env.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, train, evaluate, ask, chat, doctor, purge, backup, restore):
    app.command()(command)
app.command("sms-simulator")(sms_simulator)
app.add_typer(audit)
app.add_typer(leads)
app.add_typer(keys)
app.add_typer(notifications)
app.add_typer(privacy)
app.add_typer(review)
app.add_typer(sms)
app.add_typer(staff)


def main() -> None:
    """Run the command line; what cannot be done ends it with one message and exit code 1."""
    # To stderr and only what is wrong: stdout is what was asked for.
    configure_logging("ketalink", "WARNING")
    try:
        app(prog_name="./ketalink")
    except (CommandFailed, SettingsError, DatabaseUnavailable) as error:
        _stop(str(error))
    except SQLAlchemyError as error:
        # Its text may hold what is in the database.
        _stop(f"The database failed ({type(error).__name__}). Run ./ketalink doctor.")


def _stop(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(1)
