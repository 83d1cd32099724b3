"""What every task must keep: `python -m pytest examples/parity_task`."""

from parity import Parity

from paretune.testing import TaskContract


class TestParity(TaskContract):
    """Runs every check; a task with large defaults states a quick `config` here."""

    task = Parity()
