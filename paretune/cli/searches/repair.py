"""``paretune repair``: damaged files of a search."""

from __future__ import annotations

from analysis.names import shown_name
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Results, RunName


def repair(
    name: RunName,
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Set aside what is damaged in a search's folder.

    Lines of rows that cannot be read move to a file of their own, as in trials.jsonl.damaged, with their
    number and the time; nothing is thrown away. Files such as plan.json and metrics.json are made anew where
    it is certain what they said. Trials whose rows or reports are lost run again when the search is resumed.
    `paretune resume` does the same by itself before it begins.

    \b
    Examples:
      paretune repair parameter-cliff
      paretune repair results/parameter-cliff --json
    """
    import paretune
    from paretune.terminal.printing import make_console, print_json

    done = paretune.repair(name, results=results, allow_task_code=allow_task_code)
    if as_json:
        print_json({"search": done.folder.name, "folder": str(done.folder), "repaired": list(done.sentences)})
        return OK
    console = make_console()
    shown = shown_name(done.folder)
    if not done.was_damaged:
        console.print(f"Nothing is damaged in {shown}.", soft_wrap=True, markup=False)
        return OK
    for sentence in done.sentences:
        console.print(sentence, soft_wrap=True, markup=False)
    console.print(f"\nNext:  paretune resume {shown}", soft_wrap=True, markup=False)
    return OK
