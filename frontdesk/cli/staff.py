"""`./ketalink staff`: the accounts of those who sign in at `/staff`."""

import getpass
import sys
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from frontdesk.audit.log import COMMAND_LINE, Action, record
from frontdesk.cli.console import CommandFailed, opened_database
from frontdesk.console import accounts, second_factor, sessions
from frontdesk.console.models import Role, Staff
from frontdesk.db import utc_now
from frontdesk.settings import load_settings

staff = typer.Typer(name="staff", help="Accounts for the staff console at /staff.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address: the name they sign in with.")]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input instead of having one made."),
]


@staff.command()
def add(
    email: Email,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.STAFF,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make an account. Without --password-stdin a password is made and shown once."""
    with opened_database(load_settings()) as database:
        password = _read_password() if password_stdin else accounts.random_password()
        try:
            with database.session() as session:
                account = accounts.create_account(session, email, password, role)
                record(session, utc_now(), COMMAND_LINE, Action.ACCOUNT_ADDED, account.id, role=role.value)
        except accounts.EmailTaken as error:
            raise CommandFailed(
                f"{error} has an account already. Set a new password with: ./ketalink staff password {error}"
            ) from error
        except (accounts.UnusableEmail, accounts.UnusablePassword) as error:
            raise CommandFailed(f"No account was made. {error}") from error
    typer.echo(f"Made the account {account.email} ({account.role}).")
    _show(password, made=not password_stdin)
    if load_settings().needs_second_factor:
        typer.echo("The first sign-in leads to the page that sets up the second factor: have a phone at hand.")


@staff.command("list")
def list_accounts() -> None:
    """List the accounts."""
    with opened_database(load_settings()) as database, database.session() as session:
        everyone = accounts.everyone(session)
    if not everyone:
        typer.echo("No accounts yet. Make one with: ./ketalink staff add you@example.com --role admin")
    width = max((len(account.email) for account in everyone), default=0)
    for account in everyone:
        off = "  switched off" if account.disabled_at else ""
        typer.echo(f"{account.email:<{width}}  {account.role:<7}  since {account.created_at:%Y-%m-%d}{off}")


@staff.command()
def password(email: Email, password_stdin: PasswordStdin = False) -> None:
    """Set a new password and sign the person out everywhere."""
    with opened_database(load_settings()) as database:
        new = _read_password() if password_stdin else accounts.random_password()
        try:
            with database.session() as session:
                account = accounts.set_password(session, email, new)
                record(session, utc_now(), COMMAND_LINE, Action.PASSWORD_CHANGED, account.id)
        except accounts.AccountNotFound as error:
            raise CommandFailed(f"Nobody has the account {email}. See: ./ketalink staff list") from error
        except accounts.UnusablePassword as error:
            raise CommandFailed(f"The password stays as it was. {error}") from error
    typer.echo(f"Set a new password for {account.email}, who is now signed out everywhere.")
    _show(new, made=not password_stdin)


@staff.command()
def role(email: Email, role: Annotated[Role, typer.Argument(metavar="ROLE", help="staff, manager or admin.")]) -> None:
    """Give an account another role, whoever has it; the console lets nobody change their own."""
    with opened_database(load_settings()) as database, database.session() as session:
        account = _found(session, email)
        before, account.role = account.role, role
        record(session, utc_now(), COMMAND_LINE, Action.ROLE_CHANGED, account.id, before=before, after=role.value)
    typer.echo(f"{account.email} was {before}, and is now {role}.")


@staff.command("reset-second-factor")
def reset_second_factor(email: Email) -> None:
    """Take away the second factor of somebody who lost phone and recovery codes, and sign them out everywhere."""
    with opened_database(load_settings()) as database, database.session() as session:
        account = _found(session, email)
        had = second_factor.remove(session, account.id)
        sessions.end_all(session, account.id)
        record(session, utc_now(), COMMAND_LINE, Action.SECOND_FACTOR_REMOVED, account.id)
    said = "has no second factor any more, and is signed out" if had else "had no second factor, and is signed out"
    typer.echo(f"{email} {said}.")


def _found(session: Session, email: str) -> Staff:
    account = accounts.find(session, email)
    if account is None:
        raise CommandFailed(f"Nobody has the account {email}. See: ./ketalink staff list")
    return account


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    try:
        # As UTF-8 whatever the terminal's locale: browsers send it so.
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CommandFailed("The password on standard input is not UTF-8 text.") from error


def _show(password: str, made: bool) -> None:
    if made:
        typer.echo(f"Password: {password}")
        typer.echo("It is shown only now. Sign in at /staff.")
