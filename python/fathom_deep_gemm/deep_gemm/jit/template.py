"""C++ source around a body: one function `launch` with C linkage. Sees nothing else of the package."""

import torch

#: The type of an argument in Python: how C++ spells it.
CPP_TYPES = {
    bool: "bool",
    int: "int",
    float: "float",
    torch.int: "int*",
    torch.float: "float*",
    torch.bfloat16: "__nv_bfloat16*",
    torch.float8_e4m3fn: "__nv_fp8_e4m3*",
    torch.cuda.Stream: "cudaStream_t",
}

_HEADERS = ("cuda.h", "cuda_bf16.h", "cuda_fp8.h", "cuda_runtime.h", "cstdint", "iostream")


def cpp_format(template, keys):
    """The template with each {name} of `keys` replaced; other braces, of which C++ is full, stay."""
    for name, value in keys.items():
        template = template.replace("{" + name + "}", str(value))
    return template


def generate(includes, arg_defs, body):
    """The source: `includes` are header names with their <> or quotes, `arg_defs` pairs (name, type).

    The body sees its arguments by name and may set __return_code, which the call returns.
    """
    headers = [f"<{name}>" for name in _HEADERS] + list(includes)
    arguments = ", ".join(f"{CPP_TYPES[kind]} {name}" for name, kind in arg_defs)
    return "\n".join([*(f"#include {header}" for header in dict.fromkeys(headers)), "",
                      f'extern "C" void launch({arguments}{", " if arguments else ""}int& __return_code) {{', body, "}", ""])
