"""What is said of a name that there is not."""

from __future__ import annotations

import pytest

from search_spaces.wording import accepted
from trainables.tasks import TASKS

ADDITION = list(TASKS["addition"].config_class.model_fields)
GPT2 = list(TASKS["gpt2"].config_class.model_fields)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("learning_rate", "lr"),
        ("batch_size", "batch"),
        ("n_layer", "n_layers"),
        ("layers", "n_layers"),
        ("num_heads", "n_heads"),
        ("epochs", "steps"),
        ("n_embd", "d_model"),
        ("block_size", "context"),
        ("vocab_size", "vocabulary"),
        ("weight_decy", "weight_decay"),
        ("warm_up", "warmup"),
    ],
)
def test_what_other_programs_call_a_parameter_and_slips_are_understood(theirs: str, ours: str) -> None:
    """And nothing but the one name is said: a list of all others would hide it."""
    assert accepted(theirs, GPT2) == f"; did you mean {ours}?"


def test_only_what_there_is_is_suggested() -> None:
    assert "context" not in ADDITION
    said = accepted("block_size", ADDITION)
    assert "did you mean" not in said


def test_a_few_names_are_listed_beside_the_one_that_is_suggested() -> None:
    assert accepted("trails", ["trials", "seeds"]) == "; did you mean trials? Accepted: trials, seeds"


def test_a_name_that_is_like_none_gets_them_all() -> None:
    assert accepted("smoothing", GPT2) == f"; accepted: {', '.join(GPT2)}"
