"""The module eplb over fathom.balance: the published policy, tables equal entry by entry."""

from typing import Tuple

import fathom
import torch
from fathom import balance

__all__ = ["rebalance_experts"]


class EplbError(fathom.InvalidArgumentError, AssertionError):
    """A refused call: upstream asserts, Fathom raises a ValueError; this is both."""


def rebalance_experts(weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int,
                      num_gpus: int) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """weight [layers, experts], any real type -> phy2log [layers, num_replicas], log2phy [layers, experts, most replicas]
    with -1 behind the last, logcnt [layers, experts]: int64, on the CPU. Raises EplbError, a ValueError and an
    AssertionError, for sizes that do not divide and for loads that are negative or no numbers."""
    try:
        plan = balance.plan(weight, num_replicas=num_replicas, num_groups=num_groups, num_nodes=num_nodes, num_gpus=num_gpus,
                            policy="published")
    except fathom.InvalidArgumentError as error:
        raise EplbError(str(error)) from None
    return plan.phy2log, plan.log2phy, plan.logcnt
