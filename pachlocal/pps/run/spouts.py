"""Spouts: pipelines without input, whose program runs indefinitely and writes their output."""

from __future__ import annotations

from pachlocal.pps.run.long_running import LongRunningProgram, Setting
from pachlocal.pps.worker.workers import WorkerStatus


class SpoutRunner:
    """Keeps the programs of one version of one spout running, one for each worker."""

    def __init__(self, setting: Setting) -> None:
        """Start them."""
        self.pipeline = setting.pipeline
        self._slots = [setting.slot(number) for number in range(setting.pipeline.spec.workers)]
        setting.tell("spout spawner started")
        self._programs: list[LongRunningProgram] = []
        try:
            for slot in self._slots:
                self._programs.append(LongRunningProgram(setting, slot))
        except RuntimeError:  # no more threads: whoever starts us tries again
            self.stop()
            self.join()
            raise

    def stop(self) -> None:
        """Begin to stop: what runs is ended."""
        for program in self._programs:
            program.stop()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        for program in self._programs:
            program.join()

    def statuses(self) -> list[WorkerStatus]:
        """Return what each worker does."""
        return [slot.status for slot in self._slots]

    def restart(self, job: str, datum: bytes) -> bool:
        """Tell that there are no datums."""
        del job, datum
        return False
