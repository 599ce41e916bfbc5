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
from pachlocal.api.service import ABSENT, is_served, unserved_reason

# Served, except for this.
PARTLY = {
    "pfs_v2.API.Fsck": "`fix` has no effect, as in 2.11 and later; damage found is set aside",
    "pfs_v2.API.GetFile": "to a URL only for an open file that this machine's `pachctl` hands over",
    "pfs_v2.API.GetFileTAR": "no URL to write to; `offset` has no effect",
    "pfs_v2.API.ModifyFile": "URLs: http, https, and file below a shared folder",
}

_PAGE = """\
# Compatibility

This page lists, call by call, what pachlocal serves of the API of Pachyderm 2.7 to 2.12. It is
printed by `python -m pachlocal.api.compatibility`; a test checks that it is current.

A call that isn't served returns UNIMPLEMENTED with a sentence that says what to do instead.

## Intended differences

- **Every refusal has a code.** Where the real server returns UNKNOWN, or fails with INTERNAL,
  pachlocal returns FAILED_PRECONDITION or INVALID_ARGUMENT. The wording is the same, without the
  steps and rows of the real server's internals: `repo default/test not found`, where the real
  CreateBranch says `repo (id=0, project=default, name=test, type=user) not found`.
- **A spec that no cluster could run is refused when it is sent**: invalid amounts of memory or
  CPUs, negative `datum_tries`, ports out of range, an invalid glob. The real server accepts it, and
  the pipeline or its jobs fail later.
- **Meaningless values are refused** with INVALID_ARGUMENT: a negative `number` or `tail`, values
  that an enum doesn't have, times out of range. The real server takes some of them to mean "all".
- **A pipeline has at most 256 workers**, whatever its spec says.
- **A spec has limits**: 1 MiB, 50,000 values, 1,000 inputs; a glob may have 4,096 characters and 50
  nested groups, a cron expression 500 characters. A literal path isn't a glob, and may be longer.
- **`join_on` and `group_by` may only refer to groups that the glob has.** The real server
  substitutes nothing for others, which makes all keys equal.
- **A join or group holds at most 2,000,000 files in memory**; a pipeline with more is `crashing`,
  with the reason, as is any other pipeline that can't be planned. Its job fails.
- **A time limit of more than ten years means no limit**, and memory is capped at 2^63-1 bytes, as
  in Kubernetes.
- **One machine.** The parts of a spec that concern Kubernetes (tolerations, pod patches, scheduling
  …) are stored and shown, but have no effect.
- **There is no S3 gateway and no object store**: an input with `s3`, `s3_out`, `egress` and
  `determined` are refused when the spec is sent, with what to do instead. On the real server a job
  whose egress can't succeed is `egressing` forever.
- **A job runs the code that its image's folder had when the job started**, if images have folders
  instead of being built, and each datum records that version of the code. A cluster knows only
  images. See docs/code.md.
- **Without Docker an image is its folder**, with files where the simple instructions of its
  Dockerfile put them. Programs that its RUN would install must be on the machine, or among the
  folder's [dependencies](environments.md).
- **Finishing is immediate.** A commit is finished when FinishCommit returns; the state FINISHING
  never occurs.
- **A failed job's output commit is empty**, so that nobody reads half of a result.
- **With Docker, links in `/pfs/out` must stay in `/pfs`**: other files are the container's. Without
  Docker they may lead anywhere but to `/proc`, `/sys` and folders that `/pfs/out` itself is in. The
  real worker follows any link.
- **A folder that is deleted without a `datum` is deleted entirely**, whoever wrote its files. On
  the real server, files with a datum tag other than the default one remain.
- **Files that a pipeline wrote have the default `datum`**, not the ID of the datum that wrote them.
- **Paths are at most 200 folders deep.**
- **A jq filter has ten seconds** for all its messages together, and 1 GiB of memory. The real
  server allows ten seconds for each message, and its own jq differs in a few errors.
- **Jobs are deleted with their output commit** when it is squashed or dropped.
- **File sets are kept in the database**, for at most 30 minutes.
- **More than 24 missed cron ticks share a commit**, so that a laptop that was closed overnight
  doesn't wake up to a thousand jobs. If more than 100,000 were missed, only the latest are made up
  for. On the real server each has a commit.
- **Lazy inputs are ordinary files**, not named pipes.
- **A job that waits for workers is `created`**, whatever its place in the queue; when it begins,
  its code is chosen and its time limit starts. On the real server as many jobs as there are workers
  are `running`, though their datums wait.
- **Without Docker pachlocal doesn't pull images**: one that doesn't exist doesn't make a pipeline
  `crashing`.
- **Without Docker a limit of GPUs has no effect**: commands use those of the machine. With Docker,
  as on a cluster, a pipeline that asks for GPUs where there are none is `crashing`.
- **The jobs of a failed pipeline are killed at once**, so that nobody waits for them. On the real
  server those of later commits stay open until the pipeline changes.
- **`ListDatum` shows all datums of a running job**, waiting ones as `starting`, so that one sees
  what is still to come. The real server shows a datum when its set of datums is done.
- **`/pfs/NAME` and `/pfs/out` are folders**; on a cluster they are links to folders, into which
  `find /pfs/NAME` and Python's `rglob` from `/pfs` don't descend: write `find /pfs/NAME/`.
- **A datum's `.env` in the repo `NAME.meta`** has the variables of the spec, the job and the datum,
  but not those of the worker and the server's address. `FILESET_ID` isn't set, since no call here
  reads it.
- **A file's hash depends on its content alone**, but differs from the real server's: it is the
  BLAKE3 hash under which the content is stored. The real server's is the BLAKE2b-256 of the
  BLAKE2b-256 of a file below 1 MB, or of those of a larger file's chunks; a folder's is that of all
  files below it. To return it, each written byte would have to be hashed again (at 0.6 GB/s, where
  BLAKE3 reaches 4.2) and the hash stored for each file. Only compare hashes of the same server.
- **Load tests aren't served** (`RunPFSLoadTest`, `RunPPSLoadTest`): they load a cluster's object
  store and database, and pachlocal has neither; `make bench` measures pachlocal.
- **ForgetCommit isn't served**: it removes an output commit's data and leaves the commit, whose
  files then can't be read. No pachctl command calls it. Drop or squash the commit instead.
- **Anybody may commit to a spout's output branch**, not just the spout.
- **Other users of the machine are refused** with UNAUTHENTICATED, in the words of a cluster with
  authentication, although `auth_v2` says that it isn't activated. See docs/security.md.
- **A service is reached at `127.0.0.1`**, port `external_port`, whatever its `type`. If one of its
  two ports isn't set, it equals the other. If a port is taken, the pipeline is `crashing`, with the
  reason, and tries again. Without Docker the program shares the machine's network: if it listens on
  all addresses instead of `127.0.0.1`, other machines can reach it too.
- **A service's program is restarted whenever it ends**, after a pause that grows from a second to a
  minute. The real worker gives up after four failures, or one success.
- **If a service's input isn't exactly one datum, its job fails.** On the real server the job runs
  forever, and nothing is served.
- **If a newer input failed, a service continues with its current data.**
- **A spout with a `service` has one worker and no input.** The real server gives it no data either.
- **Without a container, a secret can't be mounted everywhere**: not below a folder that the machine
  itself has, such as `/etc`.

## Pachyderm's own Console

Its source for 2.12 was built unchanged and opened in front of the [HTTP front](http.md). A proxy
between them adds the token, and sends `/api`, `/pfs`, `/archive`, `/jsonschema` and what follows
`/proxyForward` to the front and everything else to Console's backend. Everything that was tested
works: the landing page, the DAG, lists of repos, pipelines and jobs with their runtimes, the file
browser with its preview, datums with their pages, logs, creating a repo and a pipeline with its
effective spec, the pages of defaults, deleting a file, uploads, and downloads. Its calls to
`auth_v2` are answered as by a cluster without authentication.

A file below 64 KB can be uploaded only if the proxy gives `/upload` a cookie `dashAuthToken`, such
as the session token. Without one, whatever the server, the backend first asks who the user is.
Meanwhile such a file arrives completely, and the backend then takes the event `close`, which
Node.js has emitted since version 16 once a request is read, to mean that the browser has
disconnected. `pachctl put file`, `curl -T` and [our own page](console.md) can upload such files
too.

## pachctl

The `pachctl` that comes with pachlocal has the commands of Pachyderm's own, and some more (`why`,
`plan`, `metrics`, `get code`, those of 1.4). These commands only say in one line what to do
instead, and exit with 1:

- `auth`, `idp`: they ask the server, which says that there is no access control; for a licensed
  cluster use Pachyderm's own pachctl. `enterprise` and `license` are deprecated there, too.
- `kube-events`, `loki`, `mount`, `unmount`, `config import-kube`, `create pipeline --push-images`.
- `create|delete|inspect|list snapshot`: `pachlocal export` and `import` save and restore a store.
- `debug analyze`, `local`, `log-level`, `trace`, and `run pfs-load-test`, `pps-load-test`.

Other differences: `draw pipeline` also draws repos, and shortens names only if `--box-width` is
given; a spec without a command or an input causes a warning; messages give the position in a spec
(`model.json:4:7`), and for a name that doesn't exist suggest a similar one; `put file`, `copy file`
and `finish commit` end with 1 if the commit that they finished isn't valid; a write that creates a
branch says so if its name is nearly another's; `list job` cuts reasons on a terminal only.

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
    absent = [f"- `{name}` is not served: {reason}." for name, reason in ABSENT.items()]
    yield "\n".join(absent) + "\n"


def _status(method: MethodDescriptor, served: bool) -> str:
    if not served:
        return f"not served: {unserved_reason(method)}"
    note = PARTLY.get(method.full_name)
    return f"partly: {note}" if note else "served"


def main() -> None:
    """Print the page."""
    from pachlocal.api.handover import HandoverServer
    from pachlocal.api.pfs.sources import Sources
    from pachlocal.api.server import services
    from pachlocal.pfs.filesystem import FileSystem
    from pachlocal.pps.run.scheduler import Scheduler
    from pachlocal.pps.tables.logs import LogWriter
    from pachlocal.runtime.process import ProcessRuntime

    with tempfile.TemporaryDirectory() as folder:
        files = FileSystem(Path(folder))
        logs = LogWriter(files.database)
        scheduler = Scheduler(files, ProcessRuntime(Path(folder) / "scratch", {}), logs)
        sys.stdout.write(page(services(files, scheduler, Sources(HandoverServer()))))
        logs.close()
        files.close()


if __name__ == "__main__":
    main()
