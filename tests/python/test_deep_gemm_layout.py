"""Casts and scale layouts of deep_gemm.utils, exactly, against plain loops over the definition."""

import math
import struct

import pytest

torch = pytest.importorskip("torch", reason="deep_gemm is a module over torch")

import deep_gemm
from deep_gemm import utils
from fp8_problems import DEVICE, random


def exponent(value):
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 23 & 0xFF


def test_rounding_up_to_powers_of_two():
    values = [1e-4, 1.0, 1.0000001, 0.75, 3.0, 448.0, 2.0 ** -126, 2.0 ** 126 * 1.5, 1e-45, 0.0, -3.0]
    wanted = [2.0 ** max(-126, math.ceil(math.log2(abs(v)))) if v else 2.0 ** -126 for v in values]
    got = utils.ceil_to_ue8m0(torch.tensor(values, device=DEVICE))
    assert got.tolist() == [struct.unpack("<f", struct.pack("<f", w))[0] for w in wanted]


def test_packing_exponents():
    x = (2.0 ** torch.arange(-60, 60, 5, dtype=torch.float32)).view(2, 12).to(DEVICE)
    packed = utils.pack_ue8m0_to_int(x)
    assert packed.dtype == torch.int32 and packed.shape == (2, 3)
    for row in range(2):
        for word in range(3):
            four = [exponent(v) for v in x[row, 4 * word:4 * word + 4].tolist()]
            assert packed[row, word].item() & 0xFFFFFFFF == sum(e << 8 * i for i, e in enumerate(four))
    assert torch.equal(utils.unpack_ue8m0_from_int(packed), x)


@pytest.mark.parametrize("cast, rows, cols", [(utils.per_token_cast_to_fp8, 1, 128), (utils.per_block_cast_to_fp8, 128, 128),
                                              (utils.per_channel_cast_to_fp8, 128, 1)])
@pytest.mark.parametrize("use_ue8m0", [False, True])
def test_casts_to_fp8(cast, rows, cols, use_ue8m0):
    x = random(256, 200)
    x[3] = 0
    q, scale = cast(x, use_ue8m0=use_ue8m0)
    assert q.dtype == torch.float8_e4m3fn and q.shape == x.shape and q.is_contiguous() and scale.is_contiguous()
    assert scale.shape == (-(-256 // rows), -(-200 // cols))
    for i in (0, scale.size(0) - 1):
        for j in (0, scale.size(1) - 1):
            block = slice(i * rows, (i + 1) * rows), slice(j * cols, (j + 1) * cols)
            wanted = x[block].abs().float().max().clamp(1e-4) / 448
            wanted = utils.ceil_to_ue8m0(wanted) if use_ue8m0 else wanted
            assert scale[i, j] == wanted
            codes = (x[block].float() * (1.0 / wanted)).to(torch.float8_e4m3fn)
            assert torch.equal(q[block].view(torch.uint8), codes.view(torch.uint8))


def test_other_granularity_packed_scales_and_other_dimensions():
    x = random(8, 256)
    q, scale = utils.per_token_cast_to_fp8(x, True, gran_k=32)
    assert scale.shape == (8, 8)
    assert torch.equal(utils.per_token_cast_to_fp8(x, True, 32, True)[1], utils.pack_ue8m0_to_int(scale))
    batch = random(3, 4, 5)
    q, scale = utils.per_custom_dims_cast_to_fp8(batch, (0, 2), False)
    assert scale.shape == (3, 5)
    back = q.float() * scale.unsqueeze(1)
    torch.testing.assert_close(back, batch.float(), rtol=2.0 ** -4, atol=2.0 ** -9)


def test_casts_to_fp4():
    x = torch.tensor([[0.0, 0.25, 0.3, 0.75, -1.25, 1.75, 2.5, 5.0, -6.0, 3.4, 4.9, -0.1]], device=DEVICE)
    packed, scale = utils.per_token_cast_to_fp4(x, False, gran_k=12)
    assert packed.dtype == torch.int8 and packed.shape == (1, 6) and scale.tolist() == [[1.0]]
    wanted = [0.0, 0.0, 0.5, 1.0, -1.0, 2.0, 2.0, 4.0, -6.0, 3.0, 4.0, 0.0]  # ties to the even code
    assert utils.cast_back_from_fp4(packed, scale, gran_k=12).tolist() == [wanted]
    matrix = random(6, 8)
    codes, scale = utils.per_token_cast_to_fp4(matrix, False)
    turned = utils.transpose_packed_fp4(codes)
    assert turned.shape == (8, 3)
    ones = torch.ones((6, 1), device=DEVICE)
    assert torch.equal(utils.cast_back_from_fp4(turned, ones[:8].repeat(2, 1)[:8]), utils.cast_back_from_fp4(codes, ones).T)


@pytest.mark.parametrize("shape", [(4096, 1), (4097, 57), (1, 3), (2, 130, 5), (4, 8, 1), (1, 7, 2)])
@pytest.mark.parametrize("order", ["rows", "columns"])
def test_aligned_layout(shape, order):
    sf = torch.rand(shape, device=DEVICE)
    sf = sf if order == "rows" else sf.transpose(-1, -2).contiguous().transpose(-1, -2)
    got = utils.get_mn_major_tma_aligned_tensor(sf)
    pitch = -(-shape[-2] // 4) * 4
    assert got.shape == sf.shape and torch.equal(got, sf)
    assert got.stride()[-2:] == (1, pitch)
    assert len(shape) == 2 or got.stride(0) == pitch * shape[-1]
    assert utils.get_mn_major_tma_aligned_tensor(got) is got
    assert deep_gemm.get_col_major_tma_aligned_tensor is utils.get_mn_major_tma_aligned_tensor


@pytest.mark.parametrize("shape", [(4096, 1), (129, 57), (2, 130, 5), (4, 8, 4), (1, 7)])
@pytest.mark.parametrize("order", ["rows", "columns"])
def test_packed_layout(shape, order):
    sf = utils.ceil_to_ue8m0(torch.rand(shape, device=DEVICE) + 0.1)
    sf = sf if order == "rows" else sf.transpose(-1, -2).contiguous().transpose(-1, -2)
    got = utils.get_mn_major_tma_aligned_packed_ue8m0_tensor(sf)
    mn, k = shape[-2:]
    words, pitch = -(-k // 4), -(-mn // 4) * 4
    assert got.dtype == torch.int32 and got.shape == (*shape[:-1], words)
    assert got.stride()[-2:] == (1, pitch) and (len(shape) == 2 or got.stride(0) == pitch * words)
    padded = torch.nn.functional.pad(sf.cpu().view(torch.int32) >> 23, (0, words * 4 - k)).view(*shape[:-1], words, 4)
    wanted = sum(padded[..., i].long() << 8 * i for i in range(4)).to(torch.int64)
    assert torch.equal(got.cpu().long() & 0xFFFFFFFF, wanted)


@pytest.mark.parametrize("spelling", [lambda f, sf, t, ks: f(sf, t, ks), lambda f, sf, t, ks: f(sf, t, ks, 128),
                                      lambda f, sf, t, ks: f(sf, t, ks, 128, 128), lambda f, sf, t, ks: f(sf, ks_tensor=t, ks=ks),
                                      lambda f, sf, t, ks: f(sf, grouped_layout=t, ks_cpu=ks, gran_k=128, k_alignment=128)])
def test_packing_in_groups_along_k(spelling):
    ks = [128, 640, 0, 1024]
    sf = utils.ceil_to_ue8m0(torch.rand((sum(ks) // 128, 12), device=DEVICE) + 0.1)
    got = spelling(deep_gemm.get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor, sf, torch.tensor(ks, dtype=torch.int32), ks)
    assert got.shape == (1 + 2 + 0 + 2, 12)
    row = start = 0
    for k in ks:
        group = sf[start:start + k // 128]
        if k:
            wanted = utils.get_mn_major_tma_aligned_packed_ue8m0_tensor(group.T).T
            assert torch.equal(got[row:row + wanted.size(0)], wanted)
            row += wanted.size(0)
        start += k // 128


@pytest.mark.parametrize("options", [
    {"recipe": (1, 128, 128), "is_sfa": True}, {"recipe": (1, 128)}, {"recipe_ab": (1, 128)}, {"recipe": (1, 1, 128), "is_sfa": False},
    {"recipe": (1, 128, 128), "is_sfa": True, "num_groups": 2, "disable_ue8m0_cast": True}])
def test_transform_of_fine_scales(options):
    groups = options.get("num_groups")
    sf = torch.rand((130, 3) if groups is None else (groups, 130, 3), device=DEVICE)
    got = deep_gemm.transform_sf_into_required_layout(sf=sf, mn=130, k=300, **options)
    assert torch.equal(got, sf) and got.stride()[-2:] == (1, 132)


@pytest.mark.parametrize("options", [{"recipe": (1, 128, 128), "is_sfa": False}, {"recipe": (1, 128, 128)}, {"recipe": (128, 128)},
                                     {"recipe": (1, 128, 128), "is_sfa": False, "num_groups": 4}])
def test_transform_leaves_blocks_as_they_are(options):
    groups = options.get("num_groups")
    sf = torch.rand((2, 3) if groups is None else (groups, 2, 3), device=DEVICE)
    assert deep_gemm.transform_sf_into_required_layout(sf=sf, mn=200, k=300, **options) is sf


def test_refusals():
    sf = torch.rand(4, 3)
    for text, call in {
        "is_sfa": lambda: deep_gemm.transform_sf_into_required_layout(sf, 4, 300, (1, 128), is_sfa=True),
        "1 x 32": lambda: deep_gemm.transform_sf_into_required_layout(sf, 4, 300, (1, 1, 32), is_sfa=True),
        "it needs \\[5, 3\\]": lambda: deep_gemm.transform_sf_into_required_layout(sf, 5, 300, (1, 128)),
        "must be torch.float32": lambda: deep_gemm.get_mn_major_tma_aligned_tensor(sf.double()),
        "element size is 3": lambda: deep_gemm.get_tma_aligned_size(4, 3),
        "ks_cpu is missing": lambda: deep_gemm.get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor(sf),
        "it needs \\[2, mn\\]": lambda: deep_gemm.get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor(sf, None, [128, 128]),
    }.items():
        with pytest.raises(deep_gemm.DeepGemmError, match=text):
            call()
    for call in (lambda: deep_gemm.transform_sf_into_required_layout(sf, 4, 300, (1, 128), psum_layout=sf),
                 lambda: deep_gemm.get_mn_major_tma_aligned_packed_ue8m0_tensor(sf, sf),
                 lambda: deep_gemm.get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor(sf, None, [512], use_psum_layout=True)):
        with pytest.raises(NotImplementedError, match="Blackwell"):
            call()
    for recipe in (None, 128):
        with pytest.raises(TypeError, match=f"transform_sf_into_required_layout: recipe is a {type(recipe).__name__}"):
            deep_gemm.transform_sf_into_required_layout(sf, 4, 300, recipe)
    with pytest.raises(TypeError, match="sf is a list"):
        deep_gemm.get_mn_major_tma_aligned_tensor([1.0])


def test_sizes():
    assert [utils.align(x, 16) for x in (0, 1, 16, 17)] == [0, 16, 16, 32]
    assert deep_gemm.ceil_div(129, 128) == deep_gemm.cell_div(129, 128) == 2
    assert [deep_gemm.get_tma_aligned_size(x, 4) for x in (1, 4, 5)] == [4, 4, 8]
    assert deep_gemm.get_tma_aligned_size(5, 1) == 16
