"""Every name that pages, engines and tests look up in deep_gemm is there; docs/deep_gemm.md tells the truth about each."""

import importlib
import os
import pathlib
import re
import subprocess
import sys
import types

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deep_gemm.md").read_text()

# By the interface of 2.6.1 (June 2026), then of February to July 2025, then of forks that engines ship.
TOP_LEVEL = """
set_num_sms get_num_sms set_tc_util get_tc_util set_pdl get_pdl set_ignore_compile_dims set_block_size_multiple_of
cublaslt_gemm_nt cublaslt_gemm_nn cublaslt_gemm_tn cublaslt_gemm_tt
fp8_fp4_gemm_nt fp8_fp4_gemm_nn fp8_fp4_gemm_tn fp8_fp4_gemm_tt fp8_gemm_nt fp8_gemm_nn fp8_gemm_tn fp8_gemm_tt
m_grouped_fp8_fp4_gemm_nt_contiguous m_grouped_fp8_fp4_gemm_nn_contiguous m_grouped_fp8_gemm_nt_contiguous
m_grouped_fp8_gemm_nn_contiguous m_grouped_fp8_fp4_gemm_nt_masked m_grouped_fp8_gemm_nt_masked fp8_m_grouped_gemm_nt_masked
k_grouped_fp8_gemm_nt_contiguous k_grouped_fp8_gemm_tn_contiguous bf16_gemm_nt bf16_gemm_nn bf16_gemm_tn bf16_gemm_tt
m_grouped_bf16_gemm_nt_contiguous m_grouped_bf16_gemm_nn_contiguous m_grouped_bf16_gemm_nt_masked bf16_m_grouped_gemm_nt_masked
k_grouped_bf16_gemm_tn_contiguous fp8_gemm_nt_skip_head_mid einsum fp8_einsum fp8_fp4_mqa_logits fp8_fp4_paged_mqa_logits
get_paged_mqa_logits_metadata fp8_mqa_logits fp8_paged_mqa_logits tf32_hc_prenorm_gemm transform_sf_into_required_layout
get_tma_aligned_size get_mn_major_tma_aligned_tensor get_mn_major_tma_aligned_packed_ue8m0_tensor
get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor set_mk_alignment_for_contiguous_layout
get_mk_alignment_for_contiguous_layout get_theoretical_mk_alignment_for_contiguous_layout
get_m_alignment_for_contiguous_layout get_k_alignment_for_contiguous_layout
SymmBuffer get_symm_buffer_for_mega_moe transform_weights_for_mega_moe fp8_fp4_mega_moe bf16_mega_moe
testing utils legacy mega _C __version__ __path__
jit gemm_fp8_fp8_bf16_nt m_grouped_gemm_fp8_fp8_bf16_nt_contiguous m_grouped_gemm_fp8_fp8_bf16_nt_masked cell_div ceil_div
get_col_major_tma_aligned_tensor bench bench_kineto calc_diff jit_kernels
wgrad_gemm_fp8_fp8_fp32_nt k_grouped_wgrad_gemm_fp8_fp8_fp32_nt
set_compile_mode get_compile_mode set_allow_transform get_allow_transform
""".split()
MODULES = {
    "deep_gemm.utils": """align ceil_div ceil_to_ue8m0 per_token_cast_to_fp8 per_channel_cast_to_fp8 per_block_cast_to_fp8
        per_custom_dims_cast_to_fp8 per_token_cast_to_fp4 cast_back_from_fp4 transpose_packed_fp4 pack_ue8m0_to_int
        unpack_ue8m0_from_int get_mk_alignment_for_contiguous_layout set_mk_alignment_for_contiguous_layout get_tma_aligned_size
        get_mn_major_tma_aligned_tensor get_mn_major_tma_aligned_packed_ue8m0_tensor
        get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor init_dist uneven_all_gather dist layout math
        bench bench_kineto calc_diff count_bytes empty_suppress suppress_stdout_stderr""",
    "deep_gemm.utils.math": """align ceil_div ceil_to_ue8m0 pack_ue8m0_to_int unpack_ue8m0_from_int per_token_cast_to_fp8
        per_channel_cast_to_fp8 per_block_cast_to_fp8 per_custom_dims_cast_to_fp8 per_token_cast_to_fp4 transpose_packed_fp4
        cast_back_from_fp4""",
    "deep_gemm.utils.layout": """get_tma_aligned_size get_mn_major_tma_aligned_tensor get_mn_major_tma_aligned_packed_ue8m0_tensor
        get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor get_mk_alignment_for_contiguous_layout
        set_mk_alignment_for_contiguous_layout""",
    "deep_gemm.utils.dist": "init_dist uneven_all_gather dist_print",
    "deep_gemm.testing": """bench bench_kineto calc_diff count_bytes assert_bitwise_equal ignore_env get_arch_major test_filter
        empty_suppress suppress_stdout_stderr""",
    "deep_gemm.jit": "build cpp_format generate get_nvcc_compiler Runtime",
    "deep_gemm.jit_kernels": "gemm_fp8_fp8_bf16_nt get_num_sms set_num_sms ceil_div",
    "deep_gemm.jit_kernels.utils": """ceil_div get_tma_aligned_size get_col_major_tma_aligned_tensor get_num_sms set_num_sms
        get_m_alignment_for_contiguous_layout""",
    "deep_gemm.legacy": """m_grouped_bf16_gemm_nt_contiguous_tl m_grouped_bf16_gemm_nn_contiguous_tl
        a_fused_m_grouped_bf16_gemm_nt_contiguous_tl a_fused_m_grouped_bf16_gemm_nn_contiguous_tl
        a_fused_k_grouped_bf16_gemm_tn_contiguous_tl b_fused_k_grouped_bf16_gemm_tn_contiguous_tl""",
    "deep_gemm.mega": "SymmBuffer get_symm_buffer_for_mega_moe transform_weights_for_mega_moe fp8_fp4_mega_moe bf16_mega_moe",
    "deep_gemm._C": "init set_num_sms fp8_gemm_nt m_grouped_fp8_gemm_nt_masked transform_sf_into_required_layout",
}
ALIASES = [("fp8_gemm_nt", "fp8_fp4_gemm_nt"), ("fp8_gemm_tt", "fp8_fp4_gemm_tt"), ("ceil_div", "cell_div"),
           ("m_grouped_fp8_gemm_nt_contiguous", "m_grouped_fp8_fp4_gemm_nt_contiguous"),
           ("m_grouped_fp8_gemm_nt_masked", "fp8_m_grouped_gemm_nt_masked"),
           ("m_grouped_fp8_gemm_nt_masked", "m_grouped_fp8_fp4_gemm_nt_masked")]


def table(heading):
    """Rows of the page's table under a heading, as lists of cells, without the two header lines."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def documented():
    """name: state."""
    return {name: state for names, state, _ in table("Every name") for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_top_level(name):
    getattr(deep_gemm, name)


@pytest.mark.parametrize("module", MODULES)
def test_modules(module):
    loaded = importlib.import_module(module)
    assert [name for name in MODULES[module].split() if not hasattr(loaded, name)] == []


def test_helpers_are_also_at_the_top():
    assert [name for name in deep_gemm.utils.__all__ if not hasattr(deep_gemm, name)] == []


@pytest.mark.parametrize("one, other", ALIASES)
def test_aliases_are_the_same_object(one, other):
    assert getattr(deep_gemm, one) is getattr(deep_gemm, other)


def test_star_import_gives_every_name():
    names = {}
    exec("from deep_gemm import *", names)
    assert set(deep_gemm.__all__) <= set(names)


def test_the_page_has_every_name_once():
    names = [name for row in table("Every name") for name in re.findall(r"`(\w+)`", row[0])]
    assert len(names) == len(set(names))
    public = {name for name in deep_gemm.__all__ if not isinstance(getattr(deep_gemm, name), types.ModuleType)}
    assert set(names) == public - {"__version__"}


def test_the_page_says_which_names_are_the_same():
    for names, _, _ in table("Every name"):
        functions = {getattr(deep_gemm, name) for name in re.findall(r"`(\w+)`", names)}
        assert len(functions) == 1, names


@pytest.mark.parametrize("name, state", documented().items())
def test_states(name, state):
    assert state in ("works", "no effect", "not here")
    function = getattr(deep_gemm, name)
    if state == "not here":
        with pytest.raises(NotImplementedError, match=rf"^deep_gemm\.{name}: [^\n]+$"):
            function(1, 2, x=3)
    else:
        assert callable(function) and not (function.__doc__ or "").startswith("Not here")


def test_what_is_not_here_of_legacy():
    for name in MODULES["deep_gemm.legacy"].split():
        with pytest.raises(NotImplementedError, match=f"deep_gemm.legacy.{name}: "):
            getattr(deep_gemm.legacy, name)()


def test_the_page_has_every_variable():
    rows = {re.fullmatch(r"`(\w+)`", name)[1]: acts for name, acts, _ in table("Environment variables")}
    assert rows == {name: "yes" if acts else "no" for name, acts in environment.VARIABLES.items()}
    package = pathlib.Path(deep_gemm.__file__).parent
    text = "".join(path.read_text() for path in package.rglob("*.py"))
    # Each stands once in the list, and where it acts once more at least.
    assert [name for name, acts in environment.VARIABLES.items() if (text.count(f'"{name}"') > 1) != acts] == []


def test_extension_module_keeps_the_paths():
    deep_gemm._C.init("root", "cuda")
    assert (deep_gemm._C.library_root, deep_gemm._C.cuda_home) == ("root", "cuda")
    assert deep_gemm._C.fp8_gemm_nt is deep_gemm.fp8_gemm_nt


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\+fathom\d+\.\d+\.\d+", deep_gemm.__version__)
    declared = (ROOT / "python/fathom_deep_gemm/pyproject.toml").read_text()
    version = re.search(r"project\(fathom VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert f'version = "{version}"' in declared and f'"fathom=={version}"' in declared


def run(program, **env):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env})


def test_importing_touches_no_gpu_starts_no_thread_and_needs_no_toolkit():
    """Upstream's import fails without CUDA_HOME; a process that imported may fork and use CUDA in its children, 8 as in upstream's
    test_lazy_init."""
    done = run("import os, torch; before = os.listdir('/proc/self/task'); import deep_gemm; import deep_gemm.legacy, deep_gemm.mega\n"
               "assert os.listdir('/proc/self/task') == before and not torch.cuda.is_initialized()\n"
               "gpus = torch.cuda.device_count()  # asks NVML, makes no context\n"
               "def child(i):\n"
               "    if gpus: torch.cuda.set_device(i % gpus)\n"
               "    q = torch.zeros(16, 16, dtype=torch.float8_e4m3fn); s = torch.ones(16, 1); d = torch.ones(16, 16, dtype=torch.bfloat16)\n"
               "    deep_gemm.fp8_gemm_nt((q, s), (q, s[:1]), d); os._exit(0 if d.sum() == 0 else 1)\n"
               "children = [os.fork() or child(i) for i in range(8)]\n"
               "assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8", CUDA_HOME="", CUDA_PATH="", PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
