"""The command tree. It names modules; none is imported before one of its commands is needed."""

from __future__ import annotations

from pachlocal.cli.pachctl.groups import LazyGroup
from pachlocal.cli.pachctl.v14.table import PLACES as _OLD_COMMANDS

# verb: (what it does, {noun: where the command is})
_VERBS: dict[str, tuple[str, dict[str, str]]] = {
    "create": (
        "Make a repo, branch, pipeline, project or secret.",
        {
            "branch": "branches:create_branch",
            "pipeline": "specification:create_pipeline",
            "project": "projects:create_project",
            "repo": "repos:create_repo",
            "secret": "secrets:create_secret",
        },
    ),
    "update": (
        "Change a repo, pipeline or project.",
        {
            "pipeline": "specification:update_pipeline",
            "project": "projects:update_project",
            "repo": "repos:update_repo",
        },
    ),
    "edit": ("Change a pipeline in an editor.", {"pipeline": "specification:edit_pipeline"}),
    "list": (
        "Print one line for each of many.",
        {
            "branch": "branches:list_branch",
            "commit": "commits:list_commit",
            "datum": "datums:list_datum",
            "file": "files:list_file",
            "job": "jobs:list_job",
            "pipeline": "pipelines:list_pipeline",
            "project": "projects:list_project",
            "repo": "repos:list_repo",
            "secret": "secrets:list_secret",
            "transaction": "transactions:list_transaction",
        },
    ),
    "inspect": (
        "Print all there is to know about one.",
        {
            "branch": "branches:inspect_branch",
            "commit": "commits:inspect_commit",
            "datum": "datums:inspect_datum",
            "file": "files:inspect_file",
            "job": "jobs:inspect_job",
            "pipeline": "pipelines:inspect_pipeline",
            "project": "projects:inspect_project",
            "repo": "repos:inspect_repo",
            "secret": "secrets:inspect_secret",
            "transaction": "transactions:inspect_transaction",
        },
    ),
    "delete": (
        "Remove something, or everything.",
        {
            "all": "everything:delete_all",
            "branch": "branches:delete_branch",
            "commit": "history:delete_commit",
            "file": "files:delete_file",
            "job": "jobs:delete_job",
            "pipeline": "pipelines:delete_pipeline",
            "project": "projects:delete_project",
            "repo": "repos:delete_repo",
            "secret": "secrets:delete_secret",
            "transaction": "transactions:delete_transaction",
        },
    ),
    "debug": ("Take a datum along, to run it elsewhere.", {"datum": "capsule:debug_datum"}),
    "put": ("Write files into a repo.", {"file": "put:put_file"}),
    "get": ("Read files out of a repo.", {"file": "get:get_file"}),
    "find": ("Look for the commits that changed a file.", {"commit": "history:find_commit"}),
    "copy": ("Copy files within the store.", {"file": "files:copy_file"}),
    "glob": ("List the files that match a pattern.", {"file": "files:glob_file"}),
    "diff": ("Compare files of two commits.", {"file": "diff:diff_file"}),
    "start": (
        "Open a commit or a transaction, or let a stopped pipeline go on.",
        {
            "commit": "commits:start_commit",
            "pipeline": "pipelines:start_pipeline",
            "transaction": "transactions:start_transaction",
        },
    ),
    "finish": (
        "Close a commit, or make a transaction happen.",
        {
            "commit": "commits:finish_commit",
            "transaction": "transactions:finish_transaction",
        },
    ),
    "resume": (
        "Go on with an open transaction.",
        {"transaction": "transactions:resume_transaction"},
    ),
    "stop": (
        "Stop a pipeline or a job, or adding to a transaction.",
        {
            "job": "jobs:stop_job",
            "pipeline": "pipelines:stop_pipeline",
            "transaction": "transactions:stop_transaction",
        },
    ),
    "wait": (
        "Wait until a commit or a job has ended.",
        {"commit": "waiting:wait_commit", "job": "waiting:wait_job"},
    ),
    "subscribe": ("Print commits as they come.", {"commit": "waiting:subscribe_commit"}),
    "squash": ("Merge commits into their children.", {"commit": "history:squash_commit"}),
    "next": ("Ask a worker for the next datum.", {"datum": "batching:next_datum"}),
    "rerun": ("Do a pipeline's work again.", {"pipeline": "pipelines:rerun_pipeline"}),
    "restart": ("Start a running datum anew.", {"datum": "datums:restart_datum"}),
    "run": ("Let a cron pipeline tick now.", {"cron": "pipelines:run_cron"}),
}

_CONFIG_VERBS = {
    "get": (
        "Print one context.",
        {
            "active-context": "contexts:get_active_context",
            "context": "contexts:get_context",
        },
    ),
    "list": ("Print one line for each.", {"context": "contexts:list_context"}),
}

_COMMANDS = {
    "completion": "shells:completion",
    "fsck": "fsck:fsck",
    "help": "helping:help_",
    "logs": "logs:logs",
    "plan": "plan:plan",
    "version": "version:version",
    "why": "why:why",
}


def _build() -> LazyGroup:
    group = LazyGroup(
        name="pachctl",
        places=_COMMANDS,
        unlisted=_OLD_COMMANDS,
        help="Work with Pachyderm: version data, and run pipelines on what changes.\n\n"
        "The server is looked for at PACHD_ADDRESS, then in the active context of PACH_CONFIG "
        "(~/.pachyderm/config.json), then at grpc://127.0.0.1:30650.\n\n"
        "The commands of Pachyderm 1.4 (create-repo, put-file …) work as well; "
        "`pachctl help 1.4` lists them.",
    )
    for verb, (text, places) in _VERBS.items():
        group.add_command(LazyGroup(name=verb, places=places, help=text))
    config = LazyGroup(name="config", places={}, help="Show which servers are known.")
    for verb, (text, places) in _CONFIG_VERBS.items():
        config.add_command(LazyGroup(name=verb, places=places, help=text))
    group.add_command(config)
    return group


pachctl = _build()
