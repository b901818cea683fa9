"""Layouts of scales: column-major with an aligned pitch, as TMA reads them, and four UE8M0 exponents packed in an int32.

The GEMMs here take scales in either order, so nobody has to call these for the sake of a result; an aligned scale is read
fastest. torch operations on any device. Sees errors, settings and math.
"""

import contextlib

import torch

from ..errors import refuse
from ..settings import (
    get_k_alignment_for_contiguous_layout,
    get_m_alignment_for_contiguous_layout,
    get_mk_alignment_for_contiguous_layout,
    get_theoretical_mk_alignment_for_contiguous_layout,
    set_mk_alignment_for_contiguous_layout,
)
from .math import align, ceil_div

TMA_ALIGNMENT = 16  # bytes, of every pitch that TMA reads


def _region(name):
    """While a profiler runs, gives a helper's kernels the name under which upstream's benchmark looks for them."""
    profiled = torch.autograd._profiler_enabled()  # not public, but as old as torch 2.0
    return torch.profiler.record_function(name) if profiled else contextlib.nullcontext()


def get_tma_aligned_size(x, element_size):
    """x rounded up to whole 16 bytes of elements."""
    if TMA_ALIGNMENT % element_size:
        refuse("get_tma_aligned_size", f"the element size is {element_size}; it must divide {TMA_ALIGNMENT}")
    return align(x, TMA_ALIGNMENT // element_size)


def _check_scale(function, sf, dtype=torch.float32):
    if not isinstance(sf, torch.Tensor):
        raise TypeError(f"deep_gemm.{function}: sf is a {type(sf).__name__}; it must be a torch.Tensor")
    if sf.dtype != dtype or sf.dim() not in (2, 3):
        refuse(function, f"sf is {sf.dtype} with shape {list(sf.shape)}; it must be {dtype} [mn, k] or [groups, mn, k]")


def _aligned_strides(sf_shape, element_size):
    mn, k = sf_shape[-2:]
    pitch = get_tma_aligned_size(mn, element_size)
    return (1, pitch) if len(sf_shape) == 2 else (pitch * k, 1, pitch)


def get_mn_major_tma_aligned_tensor(sf):
    """fp32 [.., mn, k]: the same values with strides (aligned mn * k, 1, aligned mn); sf itself where it has them."""
    _check_scale("get_mn_major_tma_aligned_tensor", sf)
    strides = _aligned_strides(sf.shape, 4)
    if sf.stride() == strides and sf.data_ptr() % TMA_ALIGNMENT == 0:
        return sf
    groups = sf.size(0) if sf.dim() == 3 else 1
    memory = sf.new_empty(groups * strides[-1] * sf.size(-1))
    with _region("transpose_fp32"):
        return memory.as_strided(sf.shape, strides).copy_(sf)


get_col_major_tma_aligned_tensor = get_mn_major_tma_aligned_tensor


def get_mn_major_tma_aligned_packed_ue8m0_tensor(sf, psum_layout=None):
    """fp32 [.., mn, k] -> the exponents, int32 [.., mn, ceil(k / 4)], four along k in each, in the aligned layout."""
    function = "get_mn_major_tma_aligned_packed_ue8m0_tensor"
    _check_scale(function, sf)
    if psum_layout is not None:
        raise NotImplementedError(f"deep_gemm.{function}: psum_layout is for Blackwell only; upstream refuses it on Hopper")
    mn, k = sf.shape[-2:]
    groups = sf.size(0) if sf.dim() == 3 else 1
    words, pitch = ceil_div(k, 4), get_tma_aligned_size(mn, 4)
    with _region("pack_fp32_into_ue8m0"):
        # Laid out as it will lie in memory: [group, word, row, byte of the word].
        memory = torch.zeros((groups, words, pitch, 4), dtype=torch.uint8, device=sf.device)
        exponents = (sf.contiguous().view(torch.int32) >> 23).to(torch.uint8).view(groups, mn, k)
        rows = memory.permute(0, 2, 1, 3)[:, :mn]
        whole = k // 4
        rows[:, :, :whole] = exponents[:, :, :whole * 4].reshape(groups, mn, whole, 4)
        if k % 4:
            rows[:, :, whole, :k % 4] = exponents[:, :, whole * 4:]
        shape = (*sf.shape[:-1], words)
        return memory.view(torch.int32).view(-1).as_strided(shape, _aligned_strides(shape, 4))


def get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor(sf, grouped_layout=None, ks_cpu=None, gran_k=128,
                                                           k_alignment=None, use_psum_layout=False, *, ks_tensor=None,
                                                           ks=None):
    """fp32 [sum of k / gran_k, mn] -> int32 [sum of ceil(k / (4 gran_k)), mn]: each group's rows packed by four.

    ks_cpu (of old: ks) are the groups' k on the host; grouped_layout (of old: ks_tensor), the same on the device, is not read.
    """
    function = "get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor"
    sizes = ks if ks_cpu is None else ks_cpu
    if use_psum_layout:
        raise NotImplementedError(f"deep_gemm.{function}: use_psum_layout is for Blackwell only; upstream refuses it on Hopper")
    _check_scale(function, sf)
    if not sizes:
        refuse(function, "ks_cpu is missing; it must be the list of the groups' k")
    rows = [k // gran_k for k in sizes]
    if any(k % gran_k for k in sizes) or sum(rows) != sf.size(0) or sf.dim() != 2 or sf.size(1) % 4:
        refuse(function, f"sf has shape {list(sf.shape)} for ks_cpu = {list(sizes)} and gran_k = {gran_k}; it needs "
                         f"[{sum(ceil_div(k, gran_k) for k in sizes)}, mn], mn and every k / gran_k whole multiples of 4 and 1")
    # Row r of sf goes to byte `place[r] % 4` of output row `place[r] // 4`.
    place, start = [], 0
    for count in rows:
        place += range(start, start + count)
        start += align(count, 4)
    with _region("pack_fp32_into_ue8m0"):
        exponents = (sf.contiguous().view(torch.int32) >> 23).to(torch.uint8)
        padded = torch.zeros((start, sf.size(1)), dtype=torch.uint8, device=sf.device)
        padded[torch.tensor(place, dtype=torch.int64, device=sf.device)] = exponents
        return padded.view(start // 4, 4, -1).transpose(1, 2).contiguous().view(torch.int32).squeeze(2)


def transform_sf_into_required_layout(sf, mn, k, recipe=None, num_groups=None, is_sfa=None, disable_ue8m0_cast=False,
                                      psum_layout=None, recipe_ab=None):
    """A scale as the Hopper GEMMs like it: 1 x 128 aligned and column-major, 128 x 128 as it is.

    recipe is (gran_m, gran_n, gran_k), with is_sfa to say whose scale it is, or (gran_mn, gran_k); recipe_ab is the
    latter's name of January 2026. disable_ue8m0_cast changes nothing on Hopper.
    """
    function = "transform_sf_into_required_layout"
    _check_scale(function, sf)
    if psum_layout is not None:
        raise NotImplementedError(f"deep_gemm.{function}: psum_layout is for Blackwell only; upstream refuses it on Hopper")
    recipe = recipe_ab if recipe is None else recipe
    if not isinstance(recipe, (tuple, list)):
        raise TypeError(f"deep_gemm.{function}: recipe is a {type(recipe).__name__}; it must be a tuple of numbers, say (1, 128, 128)")
    recipe = tuple(recipe)
    if len(recipe) == 2 and is_sfa is not None and recipe_ab is None:
        refuse(function, f"recipe is {recipe} and is_sfa is {is_sfa}; a pair says itself whose scale it is: leave is_sfa out")
    if len(recipe) not in (2, 3):
        refuse(function, f"recipe is {recipe}; it must be (gran_m, gran_n, gran_k) or (gran_mn, gran_k)")
    gran_mn = recipe[0] if len(recipe) == 2 or is_sfa else recipe[1]
    gran_k = recipe[-1]
    if (gran_mn, gran_k) not in ((1, 128), (128, 128)):
        refuse(function, f"the scale is one per {gran_mn} x {gran_k}; on Hopper it must be one per 1 x 128 or 128 x 128")
    shape = (ceil_div(mn, gran_mn), ceil_div(k, gran_k))
    shape = shape if num_groups is None else (num_groups, *shape)
    if tuple(sf.shape) != shape:
        refuse(function, f"sf has shape {list(sf.shape)}; for mn = {mn}, k = {k} and one scale per {gran_mn} x {gran_k} it needs "
                         f"{list(shape)}")
    if gran_mn == 1:
        return get_mn_major_tma_aligned_tensor(sf)
    if not sf.is_contiguous() and not sf.transpose(-1, -2).is_contiguous():
        refuse(function, f"sf has strides {list(sf.stride())}; a 128 x 128 scale must be contiguous in either order: copy it")
    return sf
