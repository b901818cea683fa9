"""Upstream's Triton kernels for the A100: none of them is here."""

from ..not_here import NOT_HERE_LEGACY, refusing

globals().update({name: refusing(f"legacy.{name}", why) for name, why in NOT_HERE_LEGACY.items()})
__all__ = list(NOT_HERE_LEGACY)
