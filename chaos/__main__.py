"""``python -m chaos``: run the cases, judge, write the figures. Exit code 0 when every promise was kept.

Through make: ``make chaos``, ``make chaos SEED=7 CASES=R1,R5``, ``make chaos QUICK=1``, ``make chaos DATABASE=mysql``
(or ``both``), ``make chaos WITHOUT=lease``. ``--page`` puts the figures into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
import traceback

from chaos.oracles import Verdict, watch_statuses
from chaos.registry import Case, Size, Skipped, cases
from chaos.report import Figures, save, table, where, write_cases, write_page
from chaos.rig import Rig
from chaos.sabotage import MECHANISMS
from tests.support.servers import NotAvailable


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_case(rig: Rig, found: Case, seed: int, size: Size, place: str) -> Figures:
    """Run one case on a fresh platform; an error of the rig is a failure too. ``place``: see ``report.where``."""
    _say(f"{found.name} on {rig.kind}: {found.fault}")
    began = time.monotonic()
    site = rig.site(f"{seed}/{found.name}")
    said = "ok"
    try:
        watch_statuses(site)
        verdict = found.act(site, size)
    except Skipped as reason:
        verdict, said = Verdict(), "skipped"
        site.notes.append(str(reason))
    except Exception as error:
        verdict, said = Verdict(http_5xx=site.tally.errors), "failed"
        verdict.breaches.append(f"{type(error).__name__}: {error}")
        _say(traceback.format_exc())
    if verdict.breaches:
        said = "failed"
        logs = rig.folder.parent / f"chaos-{found.name}-{rig.kind}-{seed}.log"
        logs.write_text(site.platform.logs(), encoding="utf-8")
        _say(f"    the processes' newest lines: {logs}")
    rig.end(site)
    for breach in verdict.breaches[:20]:
        _say(f"    BREACH: {breach}")
    for note in site.notes:
        _say(f"    {note}")
    return Figures(
        case=found.name,
        database=rig.kind,
        seed=seed,
        jobs=verdict.jobs,
        faults=site.faults,
        lost_lines=verdict.lost_lines,
        doubled_lines=verdict.doubled_lines,
        double_runs=verdict.double_runs,
        unfinished=verdict.unfinished,
        orphans=verdict.orphans,
        http_5xx=verdict.http_5xx,
        verdict=said,
        seconds=round(time.monotonic() - began, 1),
        notes=site.notes,
        breaches=verdict.breaches[:20],
        where=place,
    )


def _chosen(arguments: argparse.Namespace) -> list[Case]:
    known = cases()
    if arguments.without and not arguments.cases:
        return [known[MECHANISMS[arguments.without][0]]]
    if not arguments.cases:
        return [found for found in known.values() if found.in_quick or not arguments.quick]
    names = [name.strip().upper() for name in arguments.cases.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--cases", default="", help="R1,R5")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--database", choices=["mariadb", "mysql", "both"], default="mariadb")
    parser.add_argument("--without", choices=sorted(MECHANISMS))
    parser.add_argument("--page", action="store_true", help="put the figures into docs/reliability.md")
    parser.add_argument("--write-cases", action="store_true", help="only put the list of cases into that page")
    arguments = parser.parse_args()
    if arguments.write_cases:
        write_cases()
        return 0
    chosen, size = _chosen(arguments), Size(arguments.quick)
    figures: list[Figures] = []
    _say(f"seed {arguments.seed}; the same again: make chaos SEED={arguments.seed}")
    for kind in ("mariadb", "mysql") if arguments.database == "both" else (arguments.database,):
        rig = Rig(kind, without=arguments.without, log=_say)
        try:
            place = where(rig.version())
            for found in chosen:
                figures.append(run_case(rig, found, arguments.seed, size, place))
                if not arguments.without:
                    save(figures)
        except NotAvailable as error:
            sys.exit(f"{kind}: {error}")
        finally:
            rig.stop()
    print(table(figures))
    if arguments.page:
        write_page()
    failed = [row["case"] for row in figures if row["verdict"] == "failed"]
    if arguments.without:
        print(f"without {MECHANISMS[arguments.without][1]}: {'noticed' if failed else 'NOT NOTICED'}")
        return 0 if failed else 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
