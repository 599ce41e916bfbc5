"""The service pps_v2.API."""

from pachlocal.api.pps.datums import DatumCalls
from pachlocal.api.pps.jobs import JobCalls
from pachlocal.api.pps.logs import LogCalls
from pachlocal.api.pps.pipelines import PipelineCalls
from pachlocal.api.pps.secrets import SecretCalls


class PpsApi(PipelineCalls, JobCalls, DatumCalls, LogCalls, SecretCalls):
    """All calls of pps_v2.API that are served."""
