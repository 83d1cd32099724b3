"""The optimizer and learning rate of each parameter."""

from __future__ import annotations

from trainables.gpt2.config import GPT2Config
from trainables.gpt2.model import GPT2, grouped_parameters
from trainables.optim.optimization import MomentumRise, ParameterGroup

_ADAM_EPS = 1e-10
"""As in the speedruns: gradients of rare tokens' embeddings are small."""


def parameter_groups(model: GPT2, config: GPT2Config) -> list[ParameterGroup]:
    """Return the groups of a configuration; each trained parameter is in exactly one of them.

    With AdamW for all, parameters with two dimensions decay and others do not. With groups, whose matrices
    Muon or AdamW trains, only these matrices decay.
    """
    groups = grouped_parameters(model)
    betas = (config.beta1, config.beta2)
    if config.optimizer == "adamw":
        trained = [parameter for group in groups.values() for parameter in group]
        return [
            ParameterGroup(name="matrices", parameters=[p for p in trained if p.ndim >= 2], betas=betas),
            ParameterGroup(
                name="scalars", parameters=[p for p in trained if p.ndim < 2], betas=betas, decays=False
            ),
        ]
    rise = MomentumRise(begin=config.momentum_start, end=config.muon_momentum, steps=config.momentum_warmup)
    rates = {"embeddings": config.embedding_lr, "head": config.head_lr, "scalars": config.scalar_lr}
    matrices = ParameterGroup(name="matrices", parameters=groups["matrices"], optimizer="muon", momentum=rise)
    if config.optimizer == "grouped_adamw":
        matrices = ParameterGroup(name="matrices", parameters=groups["matrices"], betas=betas, eps=_ADAM_EPS)
    return [
        matrices,
        *(
            ParameterGroup(
                name=name,
                parameters=groups[name],
                rate_ratio=rate / config.peak_lr,
                decays=False,
                betas=betas,
                eps=_ADAM_EPS,
            )
            for name, rate in rates.items()
        ),
    ]
