"""What of Pachyderm's API is served, call by call: the source of docs/compatibility.md.

`python -m pachlocal.api.compatibility` prints the page. A call is served when there is code for it;
what isn't served at all, or not in full, has its reason here, which callers are told, too.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from pachlocal.api.cluster import INACTIVE_SERVICES
from pachlocal.api.service import is_served, unserved_reason

# Served, except for this.
PARTLY = {
    "pfs_v2.API.Fsck": "`fix` and the zombie checks have no effect; damage found is set aside",
    "pfs_v2.API.GetFile": "to a URL only for an open file that this machine's `pachctl` hands over",
    "pfs_v2.API.GetFileTAR": "no URL to write to; `offset` has no effect",
    "pfs_v2.API.ListRepo": "`page` has no effect",
    "pfs_v2.API.ModifyFile": "URLs: http, https, and file below a shared folder",
    "pps_v2.API.ListPipeline": "`page` and a `commit_set` that isn't empty have no effect",
    "pps_v2.API.RunPipeline": "always an error, as on the real server since 2.0",
}

# Services of a cluster that nothing here stands for.
ABSENT = ("logs.API", "pjs.API", "proxy.API", "snapshot.API", "storage.Fileset")

_PAGE = """\
# Compatibility

What pachlocal serves of the API of Pachyderm 2.7 to 2.12, call by call. This page is printed by
`python -m pachlocal.api.compatibility`; a test checks that it is current.

A call that isn't served answers UNIMPLEMENTED with a sentence that says what to do instead.

## Differences on purpose

- **One machine.** What is about Kubernetes in a spec (tolerations, pod patches, scheduling …) is
  kept and shown and has no effect.
- **Finishing is immediate.** A commit is finished when FinishCommit returns; the state FINISHING is
  never seen.
- **A pipeline must name its image.** The real server takes `ubuntu:20.04` when a spec has none,
  which is seldom meant.
- **A failed job's output commit is empty**, so that nobody reads half of a result.
- **Links in `/pfs/out` must stay in `/pfs`.** The real worker follows any.
- **A folder that is deleted without a `datum` is gone**, whoever wrote what is in it. On the real
  server the files of other writers than the default one stay.
- **Files that a pipeline wrote have the default `datum`**, not the ID of the datum that wrote them.
- **Paths are at most 200 folders deep.**
- **Jobs go with their output commit** when it is squashed or dropped.
- **File sets live in the database**, at most 30 minutes.
- **Cron ticks that were missed share a commit**, so that a laptop that was closed for a night
  doesn't wake up to a thousand jobs. No tick is left out.
- **A branch trigger fires with the commit that fires it**: what is downstream belongs to the same
  commit set when that commit was started and finished in one call.
- **Lazy inputs are ordinary files**, not named pipes.
- **Anybody may commit to a spout's output branch**, not just the spout.
- **A service is reached at `127.0.0.1`**, port `external_port`, whatever its `type`. If one of its
  ports isn't said it is the other. A port that is taken makes the pipeline `crashing`, with the
  reason, and is tried again. Without Docker the program shares the machine's network: what listens
  on all addresses there, and not on `127.0.0.1`, other machines reach too.
- **A service's program starts again whenever it ends**, after a pause that grows from a second to a
  minute. The real worker gives up after four failures, or one success.
- **A service whose input isn't one datum fails that job.** On the real server the job runs for
  ever, and nothing is served.
- **A service goes on with the data that it has when a newer input failed.**
- **A spout with a `service` has one worker and no input.** The real server gives it no data either.
- **A secret can't be shown everywhere** without a container: not below a folder that the machine
  has itself, such as `/etc`.

"""


def page(services: Sequence[tuple[ServiceDescriptor, object]]) -> str:
    """Return the page, in Markdown."""
    return _PAGE + "\n".join(_lines(services))


def _lines(services: Sequence[tuple[ServiceDescriptor, object]]) -> Iterator[str]:
    for service, implementation in sorted(services, key=lambda it: it[0].full_name):
        yield f"## {service.full_name}\n"
        yield "| call | |"
        yield "| --- | --- |"
        for method in service.methods:
            yield f"| {method.name} | {_status(method, is_served(method, implementation))} |"
        yield ""
    inactive = ", ".join(f"`{name}`" for name in INACTIVE_SERVICES)
    yield "## Other services\n"
    yield f"- {inactive}: every call says that the service is not activated."
    yield "- `grpc.health.v1.Health` and gRPC reflection are served."
    absent = ", ".join(f"`{name}`" for name in ABSENT)
    yield f"- {absent}: not served.\n"


def _status(method: MethodDescriptor, served: bool) -> str:
    if not served:
        return f"not served: {unserved_reason(method)}"
    note = PARTLY.get(method.full_name)
    return f"partly: {note}" if note else "served"


def main() -> None:
    """Print the page."""
    from pachlocal.api.handover import Handover
    from pachlocal.api.pfs.sources import Sources
    from pachlocal.api.server import services
    from pachlocal.pfs.filesystem import FileSystem
    from pachlocal.pps.logs import LogWriter
    from pachlocal.pps.scheduler import Scheduler
    from pachlocal.runtime.process import ProcessRuntime

    with tempfile.TemporaryDirectory() as folder:
        files = FileSystem(Path(folder))
        logs = LogWriter(files.database)
        scheduler = Scheduler(files, ProcessRuntime(Path(folder) / "scratch", {}), logs)
        sys.stdout.write(page(services(files, scheduler, Sources(Handover()))))
        logs.close()
        files.close()


if __name__ == "__main__":
    main()
