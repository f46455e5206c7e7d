"""``python -m benchmarks [NAME...] [--full]``: measure, then print one table.

Owns which benchmarks there are and in which order. Without names all of them run, in under five
minutes; ``--full`` lets ``scale`` go up to 1 000 Rollouts, and ``sequential`` make 10 000 releases
of each kind (a quarter of an hour). A missed target is marked, not an error:
what else the machine does is part of every number.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import (
    bench_analysis,
    bench_decode,
    bench_memory,
    bench_pure,
    bench_reconcile,
    bench_sequential,
    bench_start,
    bench_writes,
    scale,
)
from benchmarks.table import Row, machine, table


def _benchmarks(*, full: bool) -> dict[str, Callable[[], Iterator[Row]]]:
    return {
        "start": bench_start.run,
        "pure": bench_pure.run,
        "reconcile": bench_reconcile.run,
        "decode": bench_decode.run,
        "writes": bench_writes.run,
        "memory": bench_memory.run,
        "analysis": bench_analysis.run,
        "sequential": partial(
            bench_sequential.run, bench_sequential.FULL if full else bench_sequential.FEW
        ),
        "scale": partial(scale.run, scale.FULL_COUNTS if full else scale.COUNTS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_benchmarks(full=False)))
    parser.add_argument(
        "--full", action="store_true", help="scale: 1000 Rollouts, too; sequential: 10000 releases"
    )
    chosen = parser.parse_args()
    known = _benchmarks(full=chosen.full)
    if unknown := [name for name in chosen.names if name not in known]:
        parser.error(f"there is no benchmark {unknown[0]}: choose from {', '.join(known)}")
    rows = [row for name in chosen.names or known for row in known[name]()]
    print(table(rows))
    print(f"\nmeasured on {machine()}")


if __name__ == "__main__":
    main()
