"""`./ketalink sms`: what a clinic needs to register its number for texting."""

import typer

from frontdesk.cli.console import out
from frontdesk.clinic import load_clinic
from frontdesk.settings import load_settings
from frontdesk.sms.a2p import registration

sms = typer.Typer(name="sms", no_args_is_help=True)


@sms.callback()
def group() -> None:
    """Text messages: what the carriers ask for. `./ketalink sms-simulator` is for trying them."""


@sms.command()
def a2p() -> None:
    """Print the texts for registering the number with the carriers (A2P 10DLC), made from the wording that is sent."""
    settings = load_settings()
    for title, text in registration(load_clinic(settings.clinic_profile), settings.public_url):
        out.print(f"## {title}\n\n{text}\n", markup=False)
