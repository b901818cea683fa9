"""fathom.balance: the published sample, equality with the NumPy port of the tests, tables of three kinds, errors."""

import fathom.balance
import numpy as np
import pytest

LOADS = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
SIZES = {"num_replicas": 16, "num_groups": 4, "num_nodes": 2, "num_gpus": 8}
PUBLISHED = [[5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1], [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1]]


def test_the_published_sample():
    plan = fathom.balance.plan(LOADS, policy="published", **SIZES)
    assert plan.phy2log == PUBLISHED
    for layer in range(2):
        for expert in range(12):
            slots = [slot for slot in range(16) if PUBLISHED[layer][slot] == expert]
            assert sorted(slot for slot in plan.log2phy[layer][expert] if slot >= 0) == slots
            assert plan.logcnt[layer][expert] == len(slots)


@pytest.mark.parametrize("kind", [np.asarray, lambda loads: np.asarray(loads, np.int32).T.copy().T])
def test_numpy_in_numpy_out(kind):
    plan = fathom.balance.plan(kind(LOADS), policy="published", **SIZES)
    assert plan.phy2log.dtype == np.int64
    np.testing.assert_array_equal(plan.phy2log, PUBLISHED)
    assert plan.router_table(1).shape == (8, 12, plan.log2phy.shape[2])


def test_a_better_plan_reports_how_good_it_is():
    published = fathom.balance.plan(LOADS, policy="published", **SIZES).report(0)
    better = fathom.balance.plan(LOADS, **SIZES).report(0)
    assert better.bound <= better.max_load <= published.max_load
    assert better.mean_load == pytest.approx(sum(LOADS[0]) / 8)


def test_a_change_of_plan_keeps_its_limit_and_its_transfers_make_it():
    rng = np.random.default_rng(20261121)
    loads = rng.random((3, 32)).astype(np.float32)
    sizes = {"num_replicas": 48, "num_gpus": 8}
    before = fathom.balance.plan(loads, **sizes)
    after = fathom.balance.plan(loads * rng.random((3, 32)), current=before.phy2log, max_moves=4, **sizes)
    for layer in range(3):
        transfers = after.transfers(layer)
        assert after.report(layer).moves <= 4
        for transfer in transfers:
            assert before.phy2log[layer, transfer.from_slot] == transfer.expert == after.phy2log[layer, transfer.to_slot]
        for gpu in range(8):
            here = slice(gpu * 6, gpu * 6 + 6)
            arrived = {transfer.expert for transfer in transfers if transfer.to_slot // 6 == gpu}
            assert set(after.phy2log[layer, here]) <= set(before.phy2log[layer, here]) | arrived
        rounds = [transfer.round for transfer in transfers]
        assert rounds == sorted(rounds)
        assert len({(transfer.round, transfer.to_slot // 6) for transfer in transfers}) == len(transfers)


def test_the_router_table_names_slots_of_the_expert():
    plan = fathom.balance.plan(np.asarray(LOADS, np.float32), **SIZES)
    table = plan.router_table(0)
    for gpu in range(8):
        for expert in range(12):
            slots = [slot for slot in table[gpu, expert] if slot >= 0]
            assert slots and all(plan.phy2log[0, slot] == expert for slot in slots)


@pytest.mark.parametrize("change, word", [({"num_gpus": 7}, "7"), ({"num_replicas": 11}, "11"), ({"policy": "best"}, "published"),
                                          ({"current": [[0] * 15] * 2}, "current has shape"),
                                          ({"gpu_speed": [1.0]}, "one number for each"), ({"max_moves": -1}, "max_moves"),
                                          ({"time_budget_s": -1.0}, "time_budget_s"), ({"num_gpus": 2**64 + 8}, "num_gpus"), ({"num_nodes": 0}, "num_nodes"),
                                          ({"current": [[0] * 15 + [12]] * 2}, "slot 15 holds expert 12")])
def test_sizes_that_cannot_be_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        fathom.balance.plan(LOADS, **{**SIZES, **change})


@pytest.mark.parametrize("loads, word", [([[1.0, -1.0]], "-1"), ([[1.0, float("nan")]], "nan"), ([[1.0], [1.0, 2.0]], "lengths"),
                                         (np.ones(4), "two dimensions"), ([1.0, 2.0], "two dimensions")])
def test_loads_without_meaning_are_refused(loads, word):
    with pytest.raises(ValueError, match=word):
        fathom.balance.plan(loads, num_replicas=2, num_gpus=1)
