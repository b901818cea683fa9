"""GPU kernels before the first call that needs them: which there are, and compiling them ahead. Needs no GPU."""

import ctypes
import json
from typing import Any, Callable, Dict, Iterable, List, Optional

from . import _library
from ._context import Context, default_context
from ._errors import Error, InvalidArgumentError
from ._library import BLOCKS, DTYPES, call_for_text, check, encode, library, require_fits

_FORMS = {"dense": _library.GROUPS_NONE, "offsets": _library.GROUPS_OFFSETS, "row_group": _library.GROUPS_ROW_GROUP,
          "group_end": _library.GROUPS_GROUP_END, "masked": _library.GROUPS_MASKED}


def _code(name: str, value: str, codes: Dict[str, int], allowed: Iterable[str]) -> int:
    if value not in allowed:
        raise InvalidArgumentError(f"configs: {name} is {value!r}; it needs one of {', '.join(allowed)}")
    return codes[value]


def configs(*, n: int = 0, k: int = 0, max_m: int = 0, min_m: int = 1, num_groups: int = 1, layout: str = "dense",
            alignment: int = 128, dtype: str = "bf16", scale_b: str = "128x128", batch_invariant: bool = False,
            max_sms: int = 0, device: str = "", context: Optional[Context] = None) -> List[str]:
    """The tags of GPU kernels: with no arguments of all that there are, casts included; with n, k and max_m of those that
    calls with a weight matrix [n, k] (grouped: num_groups of them) and min_m to max_m rows can ask for.

    layout: "dense", "offsets", "row_group", "group_end" or "masked". Rows are those of a; masked: those expected in a group.
    alignment: row_group and group_end. dtype: of d, "bf16" or "fp32". scale_b: "128x128" or "1x128". batch_invariant,
    max_sms: as gemm. device: "h200", "h100", "h800", "h20" or "gh200"; "" = this machine's GPU, an H200 where there is none.
    Raises ValueError for sizes without meaning.
    """
    tags, count = ctypes.POINTER(ctypes.c_char_p)(), ctypes.c_int64()
    if n == 0 and k == 0 and max_m == 0:
        check(library.fathom_all_configs(ctypes.byref(tags), ctypes.byref(count)))
    else:
        require_fits(64, "configs", n=n, k=k, num_groups=num_groups, min_m=min_m, max_m=max_m, alignment=alignment)
        require_fits(32, "configs", max_sms=max_sms)
        asked = _library.GemmRange(
            struct_size=ctypes.sizeof(_library.GemmRange), n=n, k=k, num_groups=num_groups, min_m=min_m, max_m=max_m,
            group_alignment=alignment, group_form=_code("layout", layout, _FORMS, _FORMS),
            d_dtype=_code("dtype", dtype, DTYPES, ("bf16", "fp32")),
            scale_b_block=_code("scale_b", scale_b, BLOCKS, ("128x128", "1x128")), max_sms=max_sms,
            flags=_library.GEMM_BATCH_INVARIANT if batch_invariant else 0, device=encode(device))
        check(library.fathom_gemm_configs((context or default_context())._handle, ctypes.byref(asked), ctypes.byref(tags),
                                          ctypes.byref(count)))
    return [(tags[i] or b"").decode() for i in range(count.value)]


def compile(configs: Optional[Iterable[str]] = None, *, jobs: int = 0,
            progress: Optional[Callable[[int, int], None]] = None, context: Optional[Context] = None) -> List[Dict[str, Any]]:
    """Makes kernels ahead of the first call that needs them: from the cache, or compiled and put there.

    configs: tags, as configs() lists them; None = all. jobs: kernels compiled at once; 0 = one for each thread of the
    context. progress: called as progress(done, total) after each, one call at a time, maybe on another thread; what it raises
    stops the compilation and comes out here. Other Python threads run meanwhile.

    Returns for each kernel a dict: config, name, bytes, registers, spill_bytes, ms (to compile or read it), cached (it was
    there already), on_disk (a cache keeps it). Raises fathom.CompileError with the compiler's words, ValueError for a tag
    that there is not.
    """
    tags = None if configs is None else [tag.encode() for tag in configs]
    if tags is not None and not tags:
        return []
    require_fits(32, "compile", jobs=jobs)
    raised: List[BaseException] = []

    def report(_: Any, done: int, total: int) -> int:
        try:
            if progress is not None:
                progress(done, total)
            return 0
        except BaseException as error:  # it must not leave a callback of C; it is raised below
            raised.append(error)
            return 1

    args = _library.CompileArgs(struct_size=ctypes.sizeof(_library.CompileArgs), jobs=jobs)
    if progress is not None:
        args.progress = _library.CompileProgress(report)
    if tags is not None:
        args.configs, args.num_configs = (ctypes.c_char_p * len(tags))(*tags), len(tags)
    try:
        text = call_for_text(library.fathom_compile, (context or default_context())._handle, ctypes.byref(args))
    except Error:
        if raised:
            raise raised[0] from None
        raise
    kernels: List[Dict[str, Any]] = json.loads(text)["kernels"]
    return kernels
