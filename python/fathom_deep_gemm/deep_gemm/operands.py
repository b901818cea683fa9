"""Reading arguments in the spellings of both generations. Sees errors only."""

import torch

from .errors import refuse


def pair(function, name, operand):
    """(data, scale) of an operand."""
    if not isinstance(operand, (tuple, list)) or len(operand) != 2:
        raise TypeError(f"deep_gemm.{function}: {name} is a {type(operand).__name__}; it must be a pair (data, scale)")
    return operand


def transposed(function, name, operand):
    """The pair with the last two dimensions of both exchanged."""
    for tensor in pair(function, name, operand):
        if not isinstance(tensor, torch.Tensor) or tensor.dim() < 2:
            raise TypeError(f"deep_gemm.{function}: {name} holds {tensor!r:.60}; it must be a pair of torch tensors, matrices or batches")
    return operand[0].transpose(-1, -2), operand[1].transpose(-1, -2)


def granularity_of_b(function, recipe, recipe_a, recipe_b):
    """How many rows of b share a scale, from the recipes: 1, 128, or None where none is given."""
    if (recipe_a is None) != (recipe_b is None) or (recipe is not None and recipe_a is not None):
        refuse(function, f"recipe is {recipe}, recipe_a {recipe_a}, recipe_b {recipe_b}; give recipe alone, recipe_a and recipe_b, "
                         "or none of them")
    for name, value in (("recipe", recipe), ("recipe_a", recipe_a), ("recipe_b", recipe_b)):
        if value is not None and not isinstance(value, (tuple, list)):
            raise TypeError(f"deep_gemm.{function}: {name} is a {type(value).__name__}; it must be a tuple of numbers, say (1, 128, 128)")
    if recipe is not None:
        fine = tuple(recipe) in ((1, 1, 128), (1, 128, 128))
    elif recipe_a is not None:
        fine = tuple(recipe_a) == (1, 128) and tuple(recipe_b) in ((1, 128), (128, 128))
    else:
        return None
    if not fine:
        refuse(function, f"recipe is {recipe}, recipe_a {recipe_a}, recipe_b {recipe_b}; on Hopper a has one scale per 1 x 128 and b one "
                         "per 1 x 128 or 128 x 128: (1, 1, 128), (1, 128, 128), or a pair (1, 128) and (1 or 128, 128)")
    return recipe[1] if recipe is not None else recipe_b[0]


def check_granularity(function, wanted, b, scale_b):
    """Refuses a scale whose shape contradicts the recipe; without a recipe the shape speaks for itself."""
    shapes = getattr(b, "shape", ()), getattr(scale_b, "shape", ())
    if wanted is None or min(map(len, shapes)) < 2:  # the library has the words for what these are
        return
    rows = b.size(-2) if wanted == 1 else (b.size(-2) + 127) // 128
    if scale_b.size(-2) != rows:
        refuse(function, f"scale_b has shape {list(scale_b.shape)}; for n = {b.size(-2)} and one scale per {wanted} x 128 it needs "
                         f"{rows} rows: change the recipe or the scale")
