"""What a run has done, for commands, logs and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..queue.expand import Slice
from .dry_run import Step


@dataclass(slots=True)
class DryRunSummary:
    """The dry runs that were made beside: how many, recipients looked at, and by job id why there is none."""

    jobs: int = 0
    recipients: int = 0
    seconds: float = 0.0
    errors: dict[int, str] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.jobs += step.finished
        self.recipients += step.recipients
        if step.error:
            self.errors[step.job_id] = step.error


@dataclass(slots=True)
class ExpandSummary:
    """
    What a run has expanded: finished jobs, recipients read, messages of cancelled jobs marked, messages that
    were put back into the queue; errors by job id.
    """

    jobs: int = 0
    recipients: int = 0
    cancelled: int = 0
    reopened: int = 0
    seconds: float = 0.0
    errors: dict[int, str] = field(default_factory=dict)
    dry_runs: DryRunSummary = field(default_factory=DryRunSummary)

    def add(self, step: Slice) -> None:
        self.jobs += step.finished
        self.recipients += step.recipients
        if step.error:
            self.errors[step.job_id] = step.error


@dataclass(slots=True)
class SendSummary:
    """How the messages of a run ended. `trouble` says why a relay could not be used; the run should exit non-zero."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    suppressed: int = 0
    in_doubt: int = 0
    given_back: int = 0
    seconds: float = 0.0
    trouble: str | None = None
    finished_jobs: list[int] = field(default_factory=list)

    @property
    def handled(self) -> int:
        """How many messages came to a result."""
        return self.sent + self.deferred + self.failed + self.suppressed + self.in_doubt
