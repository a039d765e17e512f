"""`./ketalink review …`: what staff decided in the console, as a change to the project that a person commits."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
import yaml
from rich.text import Text
from sqlalchemy.orm import Session

from frontdesk.audit.log import COMMAND_LINE, Action, record
from frontdesk.cli.console import CommandFailed, opened_database, out
from frontdesk.content.answers import Answers
from frontdesk.content.models import Proposal
from frontdesk.db import utc_now
from frontdesk.processes import PROJECT
from frontdesk.review.export import Change, add_examples, add_stories, replace_wordings
from frontdesk.review.models import Review, SavedTest, Verdict
from frontdesk.review.topics import topics
from frontdesk.settings import load_settings

review = typer.Typer(name="review", help="What staff made of conversations and answers.", no_args_is_help=True)


@review.callback()
def _several() -> None:
    """Keep `export` a command of its own."""


@review.command("export")
def export(
    patch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a patch for `git apply` instead of changing the files.")
    ] = None,
) -> None:
    """Write reviewed examples to data/nlu/, kept conversations to tests/, proposed wording to data/answers/."""
    settings = load_settings()
    with opened_database(settings) as database, database.session() as session:
        change = Change(PROJECT)
        try:
            counts = _fill(change, session, utc_now())
            changed = change.changed()
            if patch is None:
                change.write()
            elif changed:
                patch.write_text(change.patch(), encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
            raise CommandFailed(f"Nothing was exported: {error}") from error
    for reason in change.left_out:
        out.print(Text(f"Left out: {reason}."))
    if not changed:
        out.print("There is nothing new to export.")
        return
    out.print(f"{counts[0]} examples, {counts[1]} conversation tests and {counts[2]} wordings.")
    for path in changed:
        out.print(f"  {path.as_posix()}", style="dim")
    if patch is not None:
        out.print(Text(f"Written as a patch: git apply {patch}"))
    out.print("Look at it (git diff), then ./ketalink train --gate, and commit it.")


def _fill(change: Change, session: Session, now: datetime) -> tuple[int, int, int]:
    """Put everything that waits into the change, and note that it is exported; what is left out is told once."""
    known = topics(PROJECT, Answers(PROJECT))
    reviews = session.scalars(
        sa.select(Review)
        .where(Review.exported_at.is_(None), Review.verdict == Verdict.EXAMPLE.value)
        .order_by(Review.reviewed_at)
    ).all()
    saved = session.scalars(sa.select(SavedTest).where(SavedTest.exported_at.is_(None)).order_by(SavedTest.saved_at))
    tests = saved.all()
    waiting = sa.select(Proposal).where(Proposal.exported_at.is_(None)).order_by(Proposal.proposed_at)
    proposals = session.scalars(waiting).all()
    answers = PROJECT / "data" / "answers"
    counts = (
        add_examples(change, known, [(one.topic or "", one.text or "") for one in reviews]),
        add_stories(change, known, [test.story for test in tests]),
        replace_wordings(
            change,
            [
                (answers / f"{one.topic.partition('/')[0]}.yml", one.topic, one.channel, one.replaces, one.text)
                for one in proposals
            ],
        ),
    )
    for one in reviews:
        one.exported_at = now
    for test in tests:
        test.exported_at = now
    for proposal in proposals:
        proposal.exported_at = now
    if any(counts):
        record(session, now, COMMAND_LINE, Action.REVIEWS_EXPORTED, count=sum(counts))
    return counts
