"""`python -m studio.jobs.runner QUEUE DEVICE`: begins the waiting jobs of a device one by one, and notes how each ends.

It belongs to no server and no browser. It ends when nothing waits; who puts a job in begins it anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from studio.jobs.job_queue import environment_of_jobs
from studio.jobs.job_state import cut_off_words, state_of
from studio.jobs.kept_job import (
    ENDED,
    LOG,
    SAID,
    STARTED,
    Ended,
    JobFiles,
    Started,
    jobs_in,
    keep,
    read_job,
)
from studio.jobs.locks import Held, device_lock, held, queue_lock, runner_lock, taken
from studio.jobs.process_marks import ProcessMark, mark_of
from studio.languages.translation import noted

LOOK_EVERY = 0.2  # seconds
DEAD_ALREADY = ProcessMark(number=0, began="", machine="")


class Runner:
    """Runs the jobs of one device of a queue."""

    def __init__(self, queue: Path, device: str) -> None:
        self._queue, self._device = queue, device
        self._is_told_to_end = False

    def run(self) -> None:
        """Until nothing waits, or the system asks this process to end: then the job in hand is waited for."""
        with held(queue_lock(self._queue)):
            presence = taken(runner_lock(self._queue, self._device))
        if presence is None:
            return
        signal.signal(signal.SIGTERM, self._told)
        while files := self._next(presence):
            if device := self._device_for(files):
                try:
                    self._run(files)
                finally:
                    device.release()

    def _told(self, number: int, frame: FrameType | None) -> None:
        self._is_told_to_end = True

    def _next(self, presence: Held) -> JobFiles | None:
        """The job whose turn it is; None, and no longer the runner, where there is none. Nobody can come between."""
        while True:
            with held(queue_lock(self._queue)):
                mine = [one for one in jobs_in(self._queue) if one.job.device == self._device]
                waiting = [one for one in mine if state_of(one).name == "waiting"]
                if not waiting or self._is_told_to_end:
                    presence.release()
                    return None
                running = [one for one in mine if one.started is not None and one.ended is None]
                for one in running:
                    self._note_if_gone(one)
                if not any(state_of(one).is_open for one in running):
                    if self._may_begin(waiting[0]):
                        return waiting[0]
                    continue
            time.sleep(LOOK_EVERY)  # a job whose runner was killed still uses the device

    @staticmethod
    def _note_if_gone(files: JobFiles) -> None:
        if state_of(files).name == "cut off":
            keep(files.folder, ENDED, Ended(code=None, at=time.time(), how="cut off", words=cut_off_words(files)))

    def _may_begin(self, files: JobFiles) -> bool:
        """Whether what it comes after ended well; else it is noted as not begun."""
        before = self._queue / files.job.after
        if not files.job.after or ((ended := read_job(before).ended) is not None and ended.code == 0):
            return True
        values = {"job": read_job(before).job.title}
        _note_not_begun(files.folder, noted("was not begun, because `{job}` before it did not end well"), values)
        return False

    def _device_for(self, files: JobFiles) -> Held | None:
        """The device, once nobody else has it; None where the job was taken out of the queue meanwhile."""
        while True:
            if (device := taken(device_lock(self._device))) is not None:
                return device
            if self._is_told_to_end or read_job(files.folder).ended is not None:
                return None
            time.sleep(LOOK_EVERY)

    def _run(self, files: JobFiles) -> None:
        job, folder = files.job, files.folder
        command = [sys.executable, "-P", "-m", job.module, *job.arguments]
        with held(queue_lock(self._queue)):
            if read_job(folder).ended is not None:
                return
            try:
                with (folder / LOG).open("wb") as log, (folder / SAID).open("wb") as answer:
                    process = subprocess.Popen(
                        command,
                        cwd=job.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=answer,
                        stderr=log,
                        start_new_session=True,
                        env={**environment_of_jobs(), **job.environment},
                    )
            except OSError as error:
                words = noted("could not be begun ({reason}: {file}); mend that, and begin it again")
                _note_not_begun(folder, words, {"reason": str(error.strerror), "file": str(error.filename)})
                return
            marks = [mark_of(number) or DEAD_ALREADY for number in (process.pid, os.getpid())]
            keep(folder, STARTED, Started(process=marks[0], runner=marks[1], at=time.time()))
        code = process.wait()
        keep(folder, ENDED, Ended(code=code, at=time.time()))


def _note_not_begun(folder: Path, words: str, values: dict[str, str]) -> None:
    keep(folder, ENDED, Ended(code=None, at=time.time(), how="not begun", words=words, values=values))


def main() -> None:
    """The runner of the queue and the device that are named."""
    Runner(Path(sys.argv[1]), sys.argv[2]).run()


if __name__ == "__main__":
    main()
