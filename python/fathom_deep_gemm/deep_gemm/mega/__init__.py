"""Mega MoE, which is for Blackwell only: names to import, refused when called."""

from ..not_here import NOT_HERE, SymmBuffer, refusing

_NAMES = [name for name in NOT_HERE if "mega_moe" in name]
globals().update({name: refusing(name, NOT_HERE[name]) for name in _NAMES})
__all__ = ["SymmBuffer", *_NAMES]
