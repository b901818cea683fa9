"""From the counts of a grouped product to a placement: count what each expert gets, plan, and move little when loads drift.

    python3 examples/python/balance_experts.py
"""

import fathom
import numpy as np

EXPERTS, GPUS, SLOTS = 32, 4, 40  # 8 slots more than experts: room for replicas of busy ones
TOKENS, WIDTH = 512, 128


def main() -> None:
    rng = np.random.default_rng(1)
    popularity = rng.dirichlet(np.full(EXPERTS, 0.4))  # a few experts get most tokens
    weights = [fathom.quantize_128x128(rng.standard_normal((WIDTH, WIDTH), np.float32)) for _ in range(EXPERTS)]
    b = fathom.view(np.stack([q.array for q, _ in weights]), "e4m3")
    scale_b = np.stack([scale for _, scale in weights])
    loads, plan = np.zeros((1, EXPERTS), np.float32), None
    for step in range(5):
        popularity = 0.8 * popularity + 0.2 * rng.dirichlet(np.full(EXPERTS, 0.4))
        expert = np.sort(rng.choice(EXPERTS, TOKENS, p=popularity))
        offsets = np.searchsorted(expert, np.arange(EXPERTS + 1)).astype(np.int64)
        a, scale_a = fathom.quantize_1x128(rng.standard_normal((TOKENS, WIDTH), np.float32))
        fathom.grouped_gemm(a, scale_a, b, scale_b, offsets=offsets)

        loads = 0.7 * loads + np.diff(offsets)  # the group sizes of the call are the experts' loads
        unbalanced = loads.reshape(GPUS, -1).sum(1)
        plan = fathom.balance.plan(loads, num_replicas=SLOTS, num_gpus=GPUS, current=None if plan is None else plan.phy2log,
                                   max_moves=None if plan is None else 6)
        report = plan.report(0)
        rounds = {transfer.round for transfer in plan.transfers(0)} if step else set()
        print(f"step {step}: maximum over mean load {unbalanced.max() / unbalanced.mean():.2f} -> "
              f"{report.max_load / report.mean_load:.2f} (bound {report.bound / report.mean_load:.2f}), "
              f"{report.moves} experts moved in {len(rounds)} rounds")
        assert report.max_load <= unbalanced.max() and report.moves <= 6


if __name__ == "__main__":
    main()
