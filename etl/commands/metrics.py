"""What `status` found, in the form that Prometheus' node exporter collects from a file."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Connection

from etl import __version__
from etl.commands.files import replacing
from etl.commands.status import AccountStatus, Status
from etl.errors import one_line
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated

OUTCOMES = ("running", "succeeded", "partial", "failed", "interrupted", "died")
READABLE = 0o644
"""The collector is somebody else."""


def write_metrics(found: Status, incomplete: Mapping[str, int], name: str) -> None:
    """Write the metrics to the file of that name, which takes the place of an older one as a whole."""
    registry = CollectorRegistry()
    _Metrics(registry, now=datetime.now(UTC)).note(found, incomplete)
    with replacing(name, mode=READABLE) as file:
        file.write(generate_latest(registry))


def incomplete_imports(connection: Connection) -> dict[str, int]:
    """Count by account the finished imports whose records are not all here."""
    with translated():
        return {row.account: row.imports for row in connection.execute(statement("incomplete_imports"))}


class _Metrics:
    """The metrics by name; what is not known has no value."""

    def __init__(self, registry: CollectorRegistry, *, now: datetime) -> None:
        self._now = now

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"talkdesk_etl_{name}", words, labels, registry=registry)

        of_resource = ("account", "resource")
        self.last_success = gauge("last_success_timestamp_seconds", "End of the last good sync.", *of_resource)
        self.loss = gauge("loss_timestamp_seconds", "When the source forgets what was not read.", *of_resource)
        self.rows = gauge("rows", "Rows stored.", *of_resource)
        self.rejected = gauge("rejected_items", "Items that could not be loaded.", *of_resource)
        self.gaps = gauge("coverage_gaps", "Times in which imports may have come and gone unseen.", "account")
        self.incomplete = gauge("incomplete_imports", "Finished imports whose records are not all here.", "account")
        self.duration = gauge("last_run_duration_seconds", "How long the last run took.", "account")
        self.outcome = gauge("last_run_outcome", "1 for what became of the last run.", "account", "outcome")
        gauge("build_info", "The version that wrote this.", "version").labels(__version__).set(1)

    def note(self, found: Status, incomplete: Mapping[str, int]) -> None:
        """Set the values of every account."""
        for name, account in found.accounts.items():
            label = one_line(name)
            self._note_resources(label, account)
            self.gaps.labels(label).set(len(account.gaps))
            self.incomplete.labels(label).set(incomplete.get(name, 0))
            self._note_last_run(label, account)

    def _note_resources(self, name: str, account: AccountStatus) -> None:
        for resource, state in account.resources.items():
            self.rows.labels(name, resource).set(state.rows)
            self.rejected.labels(name, resource).set(state.rejected)
            if state.last_success_at is not None:
                self.last_success.labels(name, resource).set(state.last_success_at.timestamp())
            if state.hours_until_loss is not None:
                at = self._now + timedelta(hours=float(state.hours_until_loss))
                self.loss.labels(name, resource).set(at.timestamp())

    def _note_last_run(self, name: str, account: AccountStatus) -> None:
        if (run := account.last_run) is None:
            return
        if run.finished_at is not None:
            self.duration.labels(name).set((run.finished_at - run.started_at).total_seconds())
        for outcome in OUTCOMES:
            self.outcome.labels(name, outcome).set(run.outcome == outcome)
