"""Settle many claims in two processes. Every claim computes what it would by itself, so no number depends on it."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import torch

from theory.ledger import Claim, Finding, Row, Run, select, settle

PROCESSES = 2
# Claims that read the same cached runs, which are made once where these are settled in one process.
SHARED = {
    "map": ("exp-map", "claim-7", "claim-12"),
    "curves": ("exp-curves", "claim-13", "claim-15", "figure-2", "figure-4", "figure-5"),
}
Settled = tuple[str, Finding, str, float]  # the fields of a `Row`, with the claim's id


def settle_all(chosen: list[Claim], run: Run) -> Iterator[Row]:
    """A row for each claim, in no particular order. Raises `ValueError`, naming the claim, where one does not stand.

    The map's claims and those of other files are settled in this process: the map's runs are made in two processes
    already, and a claim of one's own may not be there to import. The others are settled in two more.
    """
    ours = [claim for claim in chosen if claim.source.startswith("theory/")]
    rest = [claim for claim in ours if claim.id not in SHARED["map"]]
    if run.size == "quick" or len(rest) < PROCESSES:  # to start a process takes seconds
        yield from (settle(claim, run) for claim in chosen)
        return
    known = {claim.id: claim for claim in chosen}
    here = {claim.id: claim for claim in chosen if claim not in rest}
    if "exp-map" in here:  # first: it is the longest, and keeps two processes busy
        yield settle(here.pop("exp-map"), run)
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        waiting = [pool.submit(_settled, ids, run) for ids in together([claim.id for claim in rest])]
        try:
            yield from (settle(claim, run) for claim in here.values())
            for future in as_completed(waiting):
                for id, finding, verdict, seconds in future.result():
                    yield Row(known[id], finding, verdict, seconds)
        finally:
            pool.shutdown(cancel_futures=True)


def together(ids: list[str]) -> list[list[str]]:
    """Ids in groups that read the same runs, the larger groups first: they take longer.

    >>> together(["eq-1", "figure-2", "exp-curves"])
    [['figure-2', 'exp-curves'], ['eq-1']]
    """
    name_of = {id: name for name, shared in SHARED.items() for id in shared}
    groups: dict[str, list[str]] = {}
    for id in ids:
        groups.setdefault(name_of.get(id, id), []).append(id)
    return sorted(groups.values(), key=len, reverse=True)


def _settled(ids: list[str], run: Run) -> list[Settled]:
    rows = [settle(claim, run) for claim in select(ids)]
    return [(row.claim.id, row.finding, row.verdict, row.seconds) for row in rows]
