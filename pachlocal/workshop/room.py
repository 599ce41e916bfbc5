"""Who is at which step, when each learner has a project of one server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.proto import pfs_pb2
from pachlocal.workshop.checks import StepProgress
from pachlocal.workshop.state import WorkshopState
from pachlocal.workshop.steps import STEPS, WorkshopStep, by_need

_TIMEOUT_S = 10.0
_DEFAULT = "default"  # the project that is always there, and nobody's
_REPOS = ("training", "attributes", "model", "inference", "report")


class Learner(NamedTuple):
    """Where somebody is in the workshop.

    Attributes:
        project: Whose it is.
        step: The first step that is to be done; None if all are done.
        progress: How far that step is.
        found: What was found there.
        last_commit: When the newest commit on a master branch was started; None if there is none.
    """

    project: str
    step: WorkshopStep | None
    progress: StepProgress
    found: str
    last_commit: datetime | None

    @property
    def step_text(self) -> str:
        """The step, such as "8 Parallelize"."""
        if self.step is None:
            return "-"
        optional = " (optional)" if self.step.optional else ""
        return f"{self.step.number} {self.step.title}{optional}"


def learners(session: Session) -> Iterator[Learner]:
    """Yield a learner for each project that holds something of the workshop, by name.

    Whoever hasn't begun has a project that holds nothing at all.
    """
    pfs = session.server.pfs
    listed = pfs.ListProject(pfs_pb2.ListProjectRequest(), timeout=_TIMEOUT_S)
    repos = pfs.ListRepo(pfs_pb2.ListRepoRequest(type="user"), timeout=_TIMEOUT_S)
    held: dict[str, set[str]] = {info.project.name: set() for info in listed}
    for info in repos:
        held.setdefault(info.repo.project.name, set()).add(info.repo.name)
    for project, names in sorted(held.items()):
        has_begun = not names.isdisjoint(_REPOS)
        if has_begun or (not names and project != _DEFAULT):
            yield _learner(WorkshopState(session, project), project)


def _learner(state: WorkshopState, project: str) -> Learner:
    """Find the first step that isn't done."""
    for step in by_need():
        progress, text, _ = step.check(state)
        if progress is not StepProgress.DONE:
            return Learner(project, step, progress, text, _last(state))
    return Learner(project, None, StepProgress.DONE, f"all {len(STEPS)} steps", _last(state))


def _last(state: WorkshopState) -> datetime | None:
    heads = [head for repo in _REPOS if state.has_repo(repo) and (head := state.head(repo))]
    return max((head.started.ToDatetime(timezone.utc) for head in heads), default=None)
