"""Spouts: pipelines without input, whose program runs on and fills their output by itself."""

from __future__ import annotations

from pachlocal.pps.lasting import LastingProgram, Setting
from pachlocal.pps.workers import WorkerStatus


class SpoutRunner:
    """Keeps the programs of one version of one spout running, one for each worker."""

    def __init__(self, setting: Setting) -> None:
        """Start them."""
        self._slots = [setting.slot(number) for number in range(setting.pipeline.spec.workers)]
        setting.tell("spout spawner started")
        self._programs = [LastingProgram(setting, slot) for slot in self._slots]

    def stop(self) -> None:
        """Begin to stop: what runs is ended."""
        for program in self._programs:
            program.stop()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        for slot, program in zip(self._slots, self._programs, strict=True):
            program.join()
            slot.close()

    def statuses(self) -> list[WorkerStatus]:
        """Return what each worker does."""
        return [slot.status for slot in self._slots]

    def restart(self, job: str, datum: bytes) -> bool:
        """Tell that there are no datums."""
        del job, datum
        return False
