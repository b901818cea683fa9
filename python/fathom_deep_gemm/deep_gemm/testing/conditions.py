"""What a test may ask about its machine. Sees nothing else of the package."""

import functools
import os

import torch


def get_arch_major():
    """The compute capability's first number; 9 on a machine without a GPU, since Hopper's contract is kept there too."""
    return torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else 9


def test_filter(condition):
    """Decorates a test: it runs where condition() holds, and says so where it does not."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if condition():
                return function(*args, **kwargs)
            print(f"{function.__name__}: left out, its condition does not hold here")
            return None

        return wrapper

    return decorate


test_filter.__test__ = False  # no test of pytest's


def ignore_env(name, condition):
    """Decorates a test: where condition() holds it runs with the environment variable `name` unset."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            saved = os.environ.pop(name, None) if condition() else None
            try:
                return function(*args, **kwargs)
            finally:
                if saved is not None:
                    os.environ[name] = saved

        return wrapper

    return decorate
