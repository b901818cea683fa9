"""Upstream's compiled extension is here a list of the same functions."""

from . import _names

library_root = cuda_home = None


def init(library_root_path, cuda_home_path):
    """Keeps both paths, as upstream does; nothing here needs them."""
    global library_root, cuda_home
    library_root, cuda_home = library_root_path, cuda_home_path


globals().update({name: getattr(_names, name) for name in _names.__all__})
