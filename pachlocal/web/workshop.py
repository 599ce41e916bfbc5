"""/workshop: the steps of the workshop in a project, and who is at which one, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import grpc
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pachlocal.errors import CliError
from pachlocal.web import metadata as meta
from pachlocal.web.statuses import plain
from pachlocal.web.upstream import Upstream

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.session import Session

# What looks at the workshop is imported by who asks for it: it would make each front larger.


class Workshop:
    """Looks at the workshop on one server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/workshop/steps/{project}", self.steps),
            Route("/workshop/room", self.room),
        ]

    async def steps(self, request: Request) -> Response:
        """Answer with all steps and how far they are, as `pachlocal workshop verify` says it."""
        project = request.path_params["project"]
        return await self._answer(request, lambda session: _steps(session, project))

    async def room(self, request: Request) -> Response:
        """Answer with where each learner is, as `pachlocal workshop room` says it."""
        return await self._answer(request, _room)

    async def _answer(self, request: Request, look: Callable[[Session], Any]) -> Response:
        pairs = dict(meta.of_request(request, self._upstream.settings.token))
        settings = replace(self._upstream.settings, token=str(pairs.get("authn-token", "")))

        def found() -> Any:
            from pachlocal.cli.pachctl.client.session import Session

            with closing(Session(settings)) as session:
                return look(session)

        try:
            return JSONResponse(await run_in_threadpool(found))
        except CliError as problem:
            return Response(f"{problem}\n", 400, media_type="text/plain")
        except grpc.RpcError as problem:
            return plain(cast("grpc.Call", problem))


def _steps(session: Session, project: str) -> list[dict[str, Any]]:
    from pachlocal.proto import pfs_pb2
    from pachlocal.workshop.checks import StepProgress
    from pachlocal.workshop.state import WorkshopState
    from pachlocal.workshop.steps import by_need, typed

    named = pfs_pb2.InspectProjectRequest(project=pfs_pb2.Project(name=project))
    session.server.pfs.InspectProject(named)  # there may be none
    state = WorkshopState(session, project)
    code = state.language()
    checked = [(step, *step.check(state)) for step in by_need()]
    open_steps = (step for step, progress, _, _ in checked if progress is not StepProgress.DONE)
    following = next(open_steps, None)
    return [
        {
            "number": step.number,
            "title": step.title,
            "time": step.time,
            "optional": step.optional,
            "progress": progress.value,
            "next": step is following,
            "found": text,
            "commands": [typed(line, code) for line in cure or step.acts or step.looks],
        }
        for step, progress, text, cure in sorted(checked, key=lambda found: found[0].number)
    ]


def _room(session: Session) -> list[dict[str, Any]]:
    from pachlocal.workshop.room import learners

    return [
        {
            "project": one.project,
            "step": one.step_text,
            "progress": one.progress.value,
            "found": one.found,
            "lastCommit": one.last_commit and one.last_commit.isoformat(),
        }
        for one in learners(session)
    ]
