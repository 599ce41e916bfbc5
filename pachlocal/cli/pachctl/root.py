"""The command tree. It names modules; none is imported before one of its commands is needed."""

from __future__ import annotations

import click

from pachlocal import __version__
from pachlocal.cli.pachctl.groups import LazyGroup
from pachlocal.cli.pachctl.topics import topic
from pachlocal.cli.pachctl.v14.table import PLACES as _OLD_COMMANDS

# verb: (what it does, {noun: where the command is})
_VERBS: dict[str, tuple[str, dict[str, str]]] = {
    "create": (
        "Create a repo, branch, pipeline, project or secret, or set defaults.",
        {
            "defaults": "pps.defaults:set_defaults",
            "branch": "pfs.branches:create_branch",
            "pipeline": "pps.specification:create_pipeline",
            "project": "pfs.projects:create_project",
            "repo": "pfs.repos:create_repo",
            "secret": "pps.secrets:create_secret",
            "snapshot": "server.elsewhere:snapshot",
        },
    ),
    "update": (
        "Change a repo, pipeline, project or defaults.",
        {
            "defaults": "pps.defaults:set_defaults",
            "pipeline": "pps.specification:update_pipeline",
            "project": "pfs.projects:update_project",
            "repo": "pfs.repos:update_repo",
        },
    ),
    "edit": (
        "Change a pipeline in an editor, or the metadata of objects.",
        {
            "metadata": "server.metadata:edit_metadata",
            "pipeline": "pps.editing:edit_pipeline",
        },
    ),
    "check": ("Report problems of pipelines.", {"status": "server.cluster:check_status"}),
    "validate": ("Check specifications.", {"pipeline": "pps.validating:validate_pipeline"}),
    "list": (
        "List objects, one a line.",
        {
            "branch": "pfs.branches:list_branch",
            "commit": "pfs.commits:list_commit",
            "datum": "pps.datums:list_datum",
            "file": "pfs.files:list_file",
            "job": "pps.jobs:list_job",
            "pipeline": "pps.pipelines:list_pipeline",
            "project": "pfs.projects:list_project",
            "repo": "pfs.repos:list_repo",
            "secret": "pps.secrets:list_secret",
            "snapshot": "server.elsewhere:snapshot",
            "transaction": "server.transactions:list_transaction",
        },
    ),
    "inspect": (
        "Describe one object in full.",
        {
            "branch": "pfs.branches:inspect_branch",
            "cluster": "server.cluster:inspect_cluster",
            "commit": "pfs.commits:inspect_commit",
            "datum": "pps.datums:inspect_datum",
            "defaults": "pps.defaults:inspect_defaults",
            "file": "pfs.files:inspect_file",
            "job": "pps.jobs:inspect_job",
            "pipeline": "pps.pipelines:inspect_pipeline",
            "project": "pfs.projects:inspect_project",
            "repo": "pfs.repos:inspect_repo",
            "secret": "pps.secrets:inspect_secret",
            "snapshot": "server.elsewhere:snapshot",
            "transaction": "server.transactions:inspect_transaction",
        },
    ),
    "delete": (
        "Remove something, or everything.",
        {
            "all": "server.delete_all:delete_all",
            "branch": "pfs.branches:delete_branch",
            "commit": "pfs.history:delete_commit",
            "defaults": "pps.defaults:delete_defaults",
            "file": "pfs.files:delete_file",
            "job": "pps.jobs:delete_job",
            "pipeline": "pps.pipelines:delete_pipeline",
            "project": "pfs.projects:delete_project",
            "repo": "pfs.repos:delete_repo",
            "secret": "pps.secrets:delete_secret",
            "snapshot": "server.elsewhere:snapshot",
            "transaction": "server.transactions:delete_transaction",
        },
    ),
    "debug": (
        "Pack a datum to run it elsewhere, or collect a server's diagnostics.",
        {
            "analyze": "server.elsewhere:analyze",
            "binary": "server.debugging:binary",
            "datum": "pps.capsule:debug_datum",
            "dump": "server.debugging:dump",
            "local": "server.elsewhere:local",
            "log-level": "server.elsewhere:log_level",
            "profile": "server.debugging:profile",
            "template": "server.debugging:template",
            "trace": "server.elsewhere:trace",
        },
    ),
    "draw": ("Draw a DAG with characters.", {"pipeline": "pps.drawing:draw_pipeline"}),
    "put": ("Write files into a repo.", {"file": "pfs.put:put_file"}),
    "get": (
        "Read files of a repo, or the code of a job.",
        {"code": "pps.code:get_code", "file": "pfs.get:get_file"},
    ),
    "find": ("Look for the commits that changed a file.", {"commit": "pfs.history:find_commit"}),
    "copy": ("Copy files within the store.", {"file": "pfs.files:copy_file"}),
    "glob": ("List the files that match a pattern.", {"file": "pfs.files:glob_file"}),
    "diff": ("Compare files of two commits.", {"file": "pfs.diff:diff_file"}),
    "start": (
        "Start a commit or a transaction, or a stopped pipeline again.",
        {
            "commit": "pfs.commits:start_commit",
            "pipeline": "pps.pipelines:start_pipeline",
            "transaction": "server.transactions:start_transaction",
        },
    ),
    "finish": (
        "Finish a commit, or execute a transaction.",
        {
            "commit": "pfs.commits:finish_commit",
            "transaction": "server.transactions:finish_transaction",
        },
    ),
    "resume": (
        "Resume an open transaction.",
        {"transaction": "server.transactions:resume_transaction"},
    ),
    "stop": (
        "Stop a pipeline or a job, or adding to a transaction.",
        {
            "job": "pps.jobs:stop_job",
            "pipeline": "pps.pipelines:stop_pipeline",
            "transaction": "server.transactions:stop_transaction",
        },
    ),
    "wait": (
        "Wait until a commit or a job has ended.",
        {"commit": "server.waiting:wait_commit", "job": "server.waiting:wait_job"},
    ),
    "subscribe": ("Print commits as they come.", {"commit": "server.waiting:subscribe_commit"}),
    "squash": ("Merge commits into their children.", {"commit": "pfs.history:squash_commit"}),
    "next": ("Ask a worker for the next datum.", {"datum": "pps.next_datum:next_datum"}),
    "rerun": (
        "Run a pipeline again on its current input.",
        {"pipeline": "pps.pipelines:rerun_pipeline"},
    ),
    "restart": (
        "Restart a running datum, or a cluster.",
        {"cluster": "server.cluster:restart_cluster", "datum": "pps.datums:restart_datum"},
    ),
    "run": (
        "Trigger a cron pipeline now.",
        {
            "cron": "pps.pipelines:run_cron",
            "pfs-load-test": "server.elsewhere:pfs_load_test",
            "pps-load-test": "server.elsewhere:pps_load_test",
        },
    ),
}

_CONFIG_VERBS = {
    "get": (
        "Print one context, or another setting.",
        {
            "active-context": "server.contexts:get_active_context",
            "active-enterprise-context": "server.contexts:get_active_enterprise_context",
            "context": "server.contexts:get_context",
            "metrics": "server.contexts:get_metrics",
        },
    ),
    "list": ("Print one line for each.", {"context": "server.contexts:list_context"}),
    "set": (
        "Create a context, or choose the active one.",
        {
            "active-context": "server.configuring:set_active_context",
            "active-enterprise-context": "server.configuring:set_active_enterprise_context",
            "context": "server.configuring:set_context",
            "metrics": "server.configuring:set_metrics",
        },
    ),
    "update": ("Change a context.", {"context": "server.configuring:update_context"}),
    "delete": ("Remove a context.", {"context": "server.configuring:delete_context"}),
}

_COMMANDS = {
    "auth": "server.elsewhere:auth",
    "buildinfo": "server.version:buildinfo",
    "connect": "server.configuring:connect",
    "completion": "server.completion:completion",
    "enterprise": "server.elsewhere:enterprise",
    "exit": "shell:exit_",
    "fsck": "pfs.fsck:fsck",
    "help": "help:help_",
    "idp": "server.elsewhere:idp",
    "kube-events": "server.elsewhere:kube_events",
    "license": "server.elsewhere:license_",
    "logs": "pps.logs:logs",
    "loki": "server.elsewhere:loki",
    "metrics": "pps.metrics:metrics",
    "mount": "server.elsewhere:mount",
    "plan": "pps.plan:plan",
    "shell": "shell:shell",
    "unmount": "server.elsewhere:unmount",
    "version": "server.version:version",
    "why": "pps.why:why",
}


def _build() -> LazyGroup:
    group = LazyGroup(
        name="pachctl",
        places=_COMMANDS,
        unlisted=_OLD_COMMANDS,
        topics=topic,
        help="Work with Pachyderm: version data, and run pipelines on changes.\n\n"
        "The server's address comes from PACHD_ADDRESS, else from the active context in "
        "PACH_CONFIG (~/.pachyderm/config.json), else it is grpc://127.0.0.1:30650.\n\n"
        "The commands of Pachyderm 1.4 (create-repo, put-file …) work as well; "
        "`pachctl help 1.4` lists them.",
    )
    for verb, (text, places) in _VERBS.items():
        group.add_command(LazyGroup(name=verb, places=places, help=text))
    config = LazyGroup(
        name="config",
        places={"import-kube": "server.elsewhere:import_kube"},
        help="Manage contexts: the servers that commands use.",
    )
    for verb, (text, places) in _CONFIG_VERBS.items():
        config.add_command(LazyGroup(name=verb, places=places, help=text))
    group.add_command(config)
    return click.version_option(__version__)(group)


pachctl = _build()
