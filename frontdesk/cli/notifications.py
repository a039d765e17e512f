"""`./ketalink notifications`: who is told of new requests and alarms, and what did not get through."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from frontdesk.cli.console import CommandFailed, opened_database, out, print_table
from frontdesk.db import utc_now
from frontdesk.outbox import store
from frontdesk.outbox.configured import configured
from frontdesk.outbox.destination import DeliveryFailed
from frontdesk.outbox.notices import trial
from frontdesk.outbox.words import destination_name, error_words
from frontdesk.settings import load_settings

notifications = typer.Typer(
    name="notifications",
    help="E-mails and webhook calls about new requests and alarms: what waits, what failed, a test.",
    no_args_is_help=True,
)

NOBODY = "Nobody is told of new requests and alarms. Set NOTIFY_EMAILS or WEBHOOK_URL; docs/notifications.md says how."


@notifications.command("list")
def list_notifications(
    limit: Annotated[int, typer.Option(min=1, help="At most this many of each.")] = 50,
) -> None:
    """List the notifications that were given up, and those that wait. Times are the clinic's."""
    settings = load_settings()
    destinations = configured(settings)
    with opened_database(settings) as database, database.session() as session:
        given_up, dead = store.given_up(session, limit), store.count_given_up(session)
        waiting, count = store.waiting(session, limit), store.count_waiting(session)
    if not destinations:
        out.print(NOBODY)
    else:
        out.print("Told are: " + ", ".join(destination_name(each.name) for each in destinations) + ".", markup=False)
    out.print(f"{dead} given up, {count} waiting.")
    if not dead + count:
        return
    zone = ZoneInfo(settings.clinic_timezone)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ID", "Event", "Since", "To", "State", "Attempts", "Why"):
        table.add_column(heading, no_wrap=heading != "Why")
    for delivery in (*given_up, *waiting):
        table.add_row(
            delivery.id,
            delivery.event.kind.value,
            f"{delivery.event.created_at.astimezone(zone):%Y-%m-%d %H:%M}",
            destination_name(delivery.destination),
            "given up" if delivery.dead_at else "waiting",
            str(delivery.attempts),
            error_words(delivery.last_error) if delivery.last_error else "",
        )
    print_table(table)
    if dead:
        out.print("Try them again with: ./ketalink notifications retry")


@notifications.command()
def retry(
    delivery: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One notification, as `list` shows it. Absent: all.")
    ] = None,
) -> None:
    """Try what was given up again, from the first attempt on. The front desk sends it when it runs."""
    settings = load_settings()
    with opened_database(settings) as database, database.session() as session:
        if delivery is None:
            count = store.retry_all(session, utc_now())
        else:
            try:
                store.retry(session, delivery, utc_now())
            except store.DeliveryNotFound as error:
                raise CommandFailed(
                    f"No notification that was given up has the ID {delivery}. See: ./ketalink notifications list"
                ) from error
            count = 1
    out.print(f"{count} to be tried again." if count else "Nothing was given up.")


@notifications.command()
def test() -> None:
    """Send a test to each destination, and say what became of it. It holds nothing of any patient."""
    destinations = configured(load_settings())
    if not destinations:
        raise CommandFailed(NOBODY)
    failed = 0
    for destination in destinations:
        try:
            destination.send(trial())
        except DeliveryFailed as error:
            failed += 1
            out.print(f"{destination_name(destination.name)}: failed, {error_words(error.kind)}", markup=False)
        else:
            out.print(f"{destination_name(destination.name)}: taken", markup=False)
    if failed:
        raise CommandFailed(f"{failed} of {len(destinations)} failed. Check the settings; docs/notifications.md.")
