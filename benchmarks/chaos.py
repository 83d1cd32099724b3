"""A drill: searches are killed at random and resumed until they are over; is anything lost or there twice?

    python benchmarks/chaos.py --minutes 60 --seed 0 --output benchmarks/chaos.json
    python benchmarks/chaos.py --minutes 5 --output /tmp/drill.json
    python benchmarks/chaos.py --minutes 10 --only plain --kills notice driver --output /tmp/drill.json

One search of tiny adders after the other runs as a command: plain, with early stopping that ends trials
or pauses them, with seeds that race, with a question, and on a cluster of two nodes. Each is killed
several times: its worker, driver, raylet, GCS, node, head node, everything at once; SIGTERM with and
without notice, Ctrl-C once and twice, processes put to sleep, a full disk. Kinds and moments are drawn
from the seed. What runs when a moment has come differs from machine to machine, so two drills are alike
and not the same.

Afterwards, beside the next search, each trial runs once more alone, without Ray, and its rows are
compared with that: its ending, and all of its reports, bit for bit but for times and memory. The
configurations are compared with those of a search that nobody killed. Writes JSON, and a page of the same
name in Markdown. Ctrl-C ends the drill, and what was found until then is written. Everything lies in a
temporary folder, which stays if something was found. Exits with 1 if rows are wrong, missing or double.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from chaos_check import Verdict, check
from chaos_kills import KINDS
from chaos_processes import kernels_of
from chaos_report import by_kind, page_of, totals_of
from chaos_searches import SPACES, Deck, Drawn, Killed, Killing, as_record, drawn, space_of

from paretune.record.provenance import describe_session


def main() -> int:
    """Run the drill, and write what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="no kill comes later")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("chaos.json"), help="the page lies beside it")
    parser.add_argument("--folder", type=Path, help="where it works, new; a temporary folder by default")
    parser.add_argument("--only", nargs="+", choices=SPACES, default=list(SPACES), help="kinds of searches")
    parser.add_argument("--kills", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of kills")
    parser.add_argument("--most-kills", type=int, default=6, help="of one search")
    parser.add_argument("--searches", type=int, default=10**6, help="at most so many")
    parser.add_argument("--trials", type=int, default=24, help="of each search")
    parser.add_argument("--at-a-time", type=int, default=2, help="trials of a search on this machine")
    parser.add_argument("--rest", type=float, default=0.0, help="seconds before a search is resumed")
    parser.add_argument("--without-reference", action="store_true", help="leave out the unharmed search")
    parser.add_argument("--before", type=Path, help="JSON of an earlier drill, to be shown beside this one")
    options = parser.parse_args()
    folder = options.folder or short_folder()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    drill = Drill(folder.resolve(), options)
    failed = False
    try:
        drill.run()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except Exception:
        # An hour's kills are not to be lost over a mistake of the drill.
        traceback.print_exc()
        failed = True
    record = drill.close()
    if options.before is not None:
        record["before"] = by_kind(json.loads(options.before.read_text(encoding="utf-8")))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(page_of(record), encoding="utf-8")
    counts = [record["totals"][f"rows {name}"] for name in ("wrong", "missing", "double")]
    print(
        f"\n{record['totals']['kills']} kills, {record['totals']['resumes']} resumes, "
        f"{record['totals']['trials']} trials: {counts[0]} wrong, {counts[1]} missing, {counts[2]} double"
    )
    if not any(counts) and options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif any(counts):
        print(f"see {folder}")
    return int(failed or any(counts))


def short_folder() -> Path:
    """Return where a drill works: a short path, as those of Ray's sockets must not exceed 107 characters."""
    return Path(tempfile.gettempdir()) / f"d{os.getpid()}"


class Drill:
    """Searches that are killed, one after the other, and checked beside the next.

    Args:
        folder: where it works.
        options: the command line's.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._began = time.monotonic()
        self._moment = datetime.now(UTC).isoformat(timespec="seconds")
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._checked: list[tuple[Killed, Future[Verdict]]] = []
        self._reference: Path | None = None
        self._closing: list[Callable[[], None]] = []

    def run(self) -> None:
        """Search and kill until the time is over."""
        options = self._options
        if not options.without_reference:
            self._search("reference", "plain", [], random.Random(0))
            unharmed = self._checked[-1][0]
            self._reference = unharmed.folder if unharmed.is_over else None
        dice = random.Random(options.seed)
        kinds = Deck(options.only, dice)
        decks = {place: Deck(self._kills_of(place), dice) for place in ("local", "cluster")}
        for number in range(1, options.searches + 1):
            if not self._has_time():
                break
            kind = next(kinds)
            deck = decks["cluster" if kind == "cluster" else "local"]
            kills = drawn(deck, dice, dice.randint(min(3, options.most_kills), options.most_kills))
            self._search(f"{number:03}-{kind}", kind, kills, random.Random(f"{options.seed}/{number}"))

    def close(self) -> dict[str, Any]:
        """End what still runs, wait for the checks, and return what was found."""
        for close in self._closing:
            close()
        seconds = time.monotonic() - self._began
        searches = []
        for search, verdict in self._checked:
            rows = vars(verdict.result())
            searches.append({**as_record(search), "rows": rows})
        self._pool.shutdown()
        session = describe_session()
        record = {
            "command": shlex.join(["python", "benchmarks/chaos.py", *sys.argv[1:]]),
            "began": self._moment,
            "seconds": round(seconds, 1),
            "seed": self._options.seed,
            "disks": sorted({search.disk for search, _ in self._checked if search.disk}),
            **{name: session[name] for name in ("paretune", "commit", "python", "packages", "hardware")},
        }
        record["hardware"] = {k: v for k, v in record["hardware"].items() if k != "host"}
        return record | {"totals": totals_of({"searches": searches}), "searches": searches}

    def _has_time(self) -> bool:
        return time.monotonic() - self._began < 60 * float(self._options.minutes)

    def _kills_of(self, place: str) -> list[str]:
        chosen = [name for name in self._options.kills if KINDS[name].where in ("both", place)]
        return chosen or ["driver"]

    def _search(self, name: str, kind: str, kills: list[Drawn], dice: random.Random) -> None:
        options = self._options
        minutes = (time.monotonic() - self._began) / 60
        print(
            f"[{minutes:.1f} min] {name}: {', '.join(kill.kind for kill in kills) or 'unharmed'}", flush=True
        )
        search = Killed(name=name, kind=kind, folder=self._folder / "r" / name / kind)
        space = space_of(kind, options.trials, options.at_a_time)
        killing = Killing(self._folder, search, space, kills, dice, self._has_time, options.rest)
        self._closing = [killing.close, killing.remove]
        killing.run()
        self._closing = []
        # Off its disk, which is given back.
        kept = self._folder / "k" / name / kind
        if search.folder.exists():
            shutil.copytree(search.folder, kept, ignore=shutil.ignore_patterns("ray", "tensorboard"))
        killing.remove()
        cache, kernels = self._folder / "alone", kernels_of(self._folder)
        search.folder = kept
        # A question places its trials itself.
        reference = None if kind == "question" else self._reference
        checking = self._pool.submit(check, kept, reference, cache, kernels)
        self._checked.append((search, checking))
        checking.add_done_callback(lambda done: self._say(search, vars(done.result())))

    def _say(self, search: Killed, rows: dict[str, Any]) -> None:
        counts = ", ".join(f"{len(rows[name])} {name}" for name in ("wrong", "missing", "double"))
        print(f"  checked {search.name}: {rows['compared']:,} reports: {counts}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
