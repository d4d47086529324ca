"""Claims in two processes: the same rows as one by one, errors that name the claim, shared runs in one process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from theory import at_once
from theory.at_once import SHARED, settle_all, together
from theory.ledger import Check, Finding, Run, claims, select, settle


def test_shared_runs_are_those_of_claims_and_stay_together():
    assert {id for ids in SHARED.values() for id in ids} <= set(claims())
    groups = together(list(claims()))
    assert sorted(id for group in groups for id in group) == sorted(claims())
    assert {frozenset(group) for group in groups if len(group) > 1} == {frozenset(ids) for ids in SHARED.values()}
    assert len(groups[0]) == max(map(len, SHARED.values()))  # the longest first


def test_another_process_settles_what_this_one_does_and_this_one_a_claim_of_one_s_own(monkeypatch):
    monkeypatch.setattr(at_once, "PROCESSES", 1)  # besides this one; to start it is all that takes time here
    mine = replace(select(["eq-1"])[0], id="exp-mine", source="mine.py", settle=lambda run: Finding("mine", holds=[
        Check(what="a", measured=1.0, test="<", limit=2.0, control="planted", control_measured=3.0)
    ]))  # fmt: skip
    chosen = [*select(["eq-5", "eq-6", "A3"]), mine]
    found = {row.claim.id: row for row in settle_all(chosen, Run())}
    assert next(iter(found)) == "exp-mine"  # a process of its own could not have imported it
    for claim in chosen:
        alone = settle(claim, Run())
        assert found[claim.id].finding == alone.finding
        assert found[claim.id].verdict == alone.verdict


def test_the_map_is_settled_first_and_a_claim_that_does_not_stand_is_named(monkeypatch):
    order = []

    def settled(claim, run):
        order.append(claim.id)
        if claim.id == "claim-7":
            raise ValueError("claim-7: void check")
        return claim.id

    monkeypatch.setattr(at_once, "settle", settled)
    monkeypatch.setattr(at_once, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))  # which starts at once
    monkeypatch.setattr(at_once, "_settled", lambda ids, run: [])
    chosen = select(["claim-7", "exp-map"])
    with pytest.raises(ValueError, match="claim-7: void check"):
        list(settle_all(chosen, Run()))
    assert order == ["claim-7"]  # alone they need no more processes, and come as they are asked for
    order.clear()
    with pytest.raises(ValueError, match="claim-7: void check"):
        list(settle_all([*chosen, *select(["eq-5", "A3"])], Run()))
    assert order == ["exp-map", "claim-7"]
