"""The method of a search: its space, rules, hardware and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.report.provenance import days, distinct, machines, sessions_of, sessions_table, versions
from analysis.report.sections import Section
from analysis.report.space import defaults_quotes, fixed_table, space_table
from analysis.report.tables import shown
from analysis.rows import SearchRows
from analysis.spent import hours, spent
from analysis.text import plural, rounded_percent
from analysis.times.sharing import told_fake_gpus
from analysis.wording import metric_text

_CPU_SECONDS = "cpu_seconds"


def facts_of(rows: SearchRows) -> list[str]:
    """Return how large the search was and when it ran, in a few words each."""
    trials = rows.trials
    if trials.empty:
        return ["no trial yet"]
    configurations = int(trials["configuration"].nunique())
    least, most = int(trials["params"].min()), int(trials["params"].max())
    facts = [
        plural(len(trials), "trial"),
        plural(configurations, "configuration"),
        f"{least:,} parameters" if least == most else f"{least:,} to {most:,} parameters",
    ]
    if (cost := spent(rows).trials) is not None:
        facts.append(f"{hours(cost)} of processor time")
    if when := days(sessions_of(rows)):
        facts.append(when)
    return facts


def shared_devices(rows: SearchRows) -> int:
    """Return how many trials ran at a time at most, as far as it is known; 1 if each ran alone."""
    most = max((int(session.get("concurrency") or 1) for session in sessions_of(rows)), default=1)
    return max(most, int(rows.plan.search.concurrency or 1))


def method_section(rows: SearchRows) -> Section:
    """Return the method and cost of the search."""
    sessions = sessions_of(rows)
    tables = [space_table(rows), fixed_table(rows), sessions_table(sessions)]
    return Section(
        key="method",
        title="Method",
        facts=[*_plan_facts(rows), *_machine_facts(rows, sessions), *_cost_facts(rows)],
        tables=[shown(table) for table in tables if len(table.frame)],
        quotes=defaults_quotes(rows),
    )


def _plan_facts(rows: SearchRows) -> list[tuple[str, str]]:
    plan = rows.plan
    facts = [("Configurations", _sampler(rows))]
    learned = rows.store.learned()
    if learned is not None:
        known = [f"{source['learned']} of {source['name']}" for source in learned["sources"]]
        facts.append(("Known from the start", f"configurations of earlier searches: {', '.join(known)}"))
    bounds = plan.constraints.params
    if bounds is not None:
        ends = [f"at least {bounds.min:,}"] if bounds.min is not None else []
        ends += [f"at most {bounds.max:,}"] if bounds.max is not None else []
        facts.append(("Constraint", f"{' and '.join(ends)} parameters; others were never trained"))
    seeds = f"{plan.search.seeds_in_words} per configuration"
    if plan.search.race is not None:
        seeds += (
            ", more where it was undecided whether more than half of them reach the target, and that "
            f"mattered (a sequential test with error {plan.search.race.error:g})"
        )
    elif plan.search.most_seeds > 1:
        seeds += ", the same for every configuration"
    elif plan.question is not None:
        seeds = f"chosen by the question ({plan.question.kind}), trial by trial"
    facts.append(("Seeds", seeds))
    facts.append(("Early stopping", _early_stopping(rows)))
    if plan.target is not None:
        after = "ends there" if plan.stop_at_target else "continues to the end of its budget"
        times = "once" if plan.target_hold == 1 else f"at {plan.target_hold} evaluations in a row"
        facts.append(("Target", f"a trial that holds it {times} is solved, and {after}"))
    if plan.share_prefixes:
        facts.append(("SharedPrefixes", "trials that differ only in their horizon share its constant part"))
    return facts


def _sampler(rows: SearchRows) -> str:
    plan = rows.plan
    if plan.only:
        return f"{len(plan.only):,} stated one by one"
    first = len(plan.tried_first)
    stated = f"; {plural(first, 'configuration')} listed to be tried first" if first else ""
    search = plan.search
    options = ", ".join(f"{option} {value}" for option, value in search.sampler_options.items())
    beside = f" ({options})" if options else ""
    return f"{_SAMPLERS[search.sampler_name]}{beside}, seed {search.seed}{stated}"


_SAMPLERS = {
    "tpe": "chosen by Optuna's TPE from earlier results",
    "gp": "chosen by Optuna's Gaussian process from earlier results",
    "cma_es": "chosen by Optuna's CMA-ES from earlier results",
    "nsga2": "chosen by Optuna's NSGA-II from earlier results",
    "nsga3": "chosen by Optuna's NSGA-III from earlier results",
    "qmc": "spread evenly by Optuna's quasi-random sequence",
    "random": "drawn at random",
    "grid": "of the grid of all combinations, in random order",
}


def _early_stopping(rows: SearchRows) -> str:
    rule = rows.plan.early_stopping
    if rule is None:
        return "none: every trial uses its budget"
    if rule.at is not None:
        where = f"at {', '.join(rounded_percent(share) for share in rule.at)} of its own steps"
    else:
        where = f"from {rule.grace_period:,} steps on, each rung {rule.reduction_factor:g} times the last"
        where += "" if rule.max_steps is None else f", up to {rule.max_steps:,}"
    names = [
        f"the {'largest' if one.direction == 'max' else 'smallest'} {metric_text(one.metric)}"
        for one in rule.compared
    ]
    halted = "is stopped" if rule.below_cut == "stop" else "waits until it is"
    told = [
        f"asynchronous successive halving (ASHA) {where}: a trial that is not among the best "
        f"1/{rule.reduction_factor:g} so far {halted}",
        f"compared is {' and '.join(names)}",
    ]
    if rule.metrics is not None:
        is_weighted = rule.metrics[0].weight is not None
        told[-1] += ", by the mean of the ranks" if is_weighted else ", by which trials dominate which"
    if rule.within is not None:
        told.append("among trials of about the same size")
    if rule.reserve:
        told.append(
            f"{rounded_percent(rule.reserve)} of the trials, drawn by lot, run on wherever they stand"
        )
    return "; ".join(told)


def _machine_facts(rows: SearchRows, sessions: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    facts = [("Hardware", text) for text in machines(sessions)]
    facts += [("Versions", text) for text in versions(sessions)]
    resources = rows.plan.resources
    gpu = f", {resources.told_gpu}" if resources.gpu else ""
    cores = "1 processor core" if resources.cpu == 1 else f"{resources.cpu:g} processor cores"
    facts.append(("For each trial", cores + gpu))
    facts += [("GPU", fake)] if (fake := told_fake_gpus(rows)) is not None else []
    if "engine" in rows.trials.columns:
        facts += [("Engine", text) for text in distinct(rows.trials["engine"].dropna().unique())]
    return facts


def _cost_facts(rows: SearchRows) -> list[tuple[str, str]]:
    cost = spent(rows)
    if cost.trials is None:
        return []
    meaning = rows.metrics[_CPU_SECONDS]["description"]
    facts = [("Cost", f"{hours(cost.trials)} of processor time in total{cost.which}: {meaning}")]
    if (together := shared_devices(rows)) > 1 or rows.plan.resources.may_share:
        at_a_time = f"up to {together} trials ran at a time" if together > 1 else "trials shared a GPU"
        facts.append(
            (
                "Elapsed time",
                f"{at_a_time}, so elapsed times are those of trials that shared a machine: they do not "
                "compare; steps and processor seconds do",
            )
        )
    return facts
