// The CUDA text of the device tests' own kernels. Test support; plain code on purpose: it judges
// the fast kernels.
#include "device/oracle_source.hpp"

namespace fathom::testing {

// One thread makes 4 codes; rows are `pitch` bytes apart, the bytes between `cols` and `pitch`
// become `padding`. check_gemm: a block of 256 threads computes a 64 x 64 tile of the dequantised
// product in FP64, 4 x 4 elements a thread, and judges D at once, so that neither the product nor
// its magnitude needs memory.
const char kOracleSource[] = R"cuda(
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

__device__ u64 mix(u64 z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

struct FillCodes { u8* out; const u8* table; i64 rows, cols, pitch; u64 seed; u32 mask, padding; };

extern "C" __global__ void fill_codes(const FillCodes f) {
  const i64 words = f.pitch / 4;
  const i64 step = (i64)gridDim.x * blockDim.x;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < f.rows * words; i += step) {
    const u64 bits = mix(f.seed ^ mix((u64)i));
    const i64 col = i % words * 4;
    u32 word = 0;
    for (int j = 0; j < 4; ++j) {
      const u32 code = col + j < f.cols ? f.table[(bits >> (16 * j)) & f.mask] : f.padding;
      word |= code << (8 * j);
    }
    ((u32*)f.out)[i] = word;
  }
}

struct FillFloats { float* out; const float* table; i64 rows, cols, row_stride, col_stride; u64 seed; u32 mask, unused; };

extern "C" __global__ void fill_floats(const FillFloats f) {
  const i64 step = (i64)gridDim.x * blockDim.x;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < f.rows * f.cols; i += step) {
    const i64 row = i / f.cols, col = i % f.cols;
    f.out[row * f.row_stride + col * f.col_stride] = f.table[mix(f.seed ^ mix((u64)i)) & f.mask];
  }
}

struct Result { u64 wrong; u64 first_wrong; u64 worst_share; u64 magnitude_error; double error_squares, exact_squares; };

struct Check {
  const u8* a; const u8* b; const float* scale_a; const float* scale_b;
  const void* d; const float* start; double* product;
  i64 m, n, k, a_pitch, b_pitch, d_pitch;
  i64 scale_a_row, scale_a_k, scale_b_row, scale_b_k, scale_b_rows;
  double relative, magnitude;
  Result* result; u8* wrong_rows; u8* wrong_cols;
  u32 d_is_fp32, exact;
};

__device__ double decode(u32 code) {
  const u32 exponent = (code >> 3) & 15, mantissa = code & 7;
  double value;
  if ((code & 0x7f) == 0x7f) value = __longlong_as_double(0x7ff8000000000000ll);
  else if (exponent == 0) value = mantissa * (1.0 / 512);
  else value = __longlong_as_double((i64)(exponent + 1016) << 52 | (i64)mantissa << 49);
  return code & 0x80 ? -value : value;
}

__device__ u32 bf16_bits(float value) {
  const u32 bits = __float_as_uint(value);
  return (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
}

__device__ void judge(const Check& c, i64 row, i64 col, double exact, double magnitude) {
  const i64 at = row * c.d_pitch + col;
  if (c.start) exact += c.start[at];
  if (c.product) c.product[row * c.n + col] = exact;
  double got;
  bool wrong;
  u32 got_bits;
  if (c.d_is_fp32) {
    got_bits = ((const u32*)c.d)[at];
    got = __uint_as_float(got_bits);
  } else {
    got_bits = ((const u16*)c.d)[at];
    got = __uint_as_float(got_bits << 16);
  }
  const double error = fabs(got - exact);
  const double bound = c.relative * fabs(exact) + c.magnitude * magnitude;
  if (c.exact) {
    const float rounded = (float)exact;
    wrong = got_bits != (c.d_is_fp32 ? __float_as_uint(rounded) : bf16_bits(rounded));
  } else {
    wrong = !(error <= bound);
  }
  Result* r = c.result;
  if (wrong) {
    atomicAdd(&r->wrong, 1ull);
    atomicMin(&r->first_wrong, (u64)(row * c.n + col));
    c.wrong_rows[row] = 1;
    c.wrong_cols[col] = 1;
  }
  if (error == error) {
    const double share = error == 0 ? 0 : error / bound;
    const double excess = magnitude > 0 ? (error - c.relative * fabs(exact)) / magnitude : 0;
    // Nonnegative doubles order like their bits.
    if (share > __longlong_as_double(r->worst_share)) atomicMax(&r->worst_share, (u64)__double_as_longlong(share));
    if (excess > __longlong_as_double(r->magnitude_error))
      atomicMax(&r->magnitude_error, (u64)__double_as_longlong(excess));
  }
}

extern "C" __global__ void __launch_bounds__(256) check_gemm(const Check c) {
  __shared__ double a_tile[16][65], b_tile[16][65];
  __shared__ double squares[2][256];
  const i64 tiles_n = (c.n + 63) / 64;
  const i64 row0 = blockIdx.x / tiles_n * 64, col0 = blockIdx.x % tiles_n * 64;
  const int t = threadIdx.x, tx = t % 16, ty = t / 16;
  const i64 load_row = row0 + t / 4, load_col = col0 + t / 4;
  double sum[4][4] = {}, magnitude[4][4] = {};
  for (i64 k0 = 0; k0 < c.k; k0 += 16) {
    const i64 kk = k0 + t % 4 * 4;
    for (int j = 0; j < 4; ++j) {
      const i64 block = (kk + j) / 128;
      const bool inside = kk + j < c.k;
      double a = 0, b = 0;
      if (inside && load_row < c.m)
        a = decode(c.a[load_row * c.a_pitch + kk + j]) * c.scale_a[load_row * c.scale_a_row + block * c.scale_a_k];
      if (inside && load_col < c.n)
        b = decode(c.b[load_col * c.b_pitch + kk + j]) *
            c.scale_b[load_col / c.scale_b_rows * c.scale_b_row + block * c.scale_b_k];
      a_tile[t % 4 * 4 + j][t / 4] = a;
      b_tile[t % 4 * 4 + j][t / 4] = b;
    }
    __syncthreads();
    for (int i = 0; i < 16; ++i) {
      double a[4], b[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) a[j] = a_tile[i][ty + 16 * j], b[j] = b_tile[i][tx + 16 * j];
#pragma unroll
      for (int y = 0; y < 4; ++y)
#pragma unroll
        for (int x = 0; x < 4; ++x) {
          const double p = a[y] * b[x];
          sum[y][x] += p;
          magnitude[y][x] += fabs(p);
        }
    }
    __syncthreads();
  }
  double error_squares = 0, exact_squares = 0;
#pragma unroll
  for (int y = 0; y < 4; ++y)
#pragma unroll
    for (int x = 0; x < 4; ++x) {
      const i64 row = row0 + ty + 16 * y, col = col0 + tx + 16 * x;
      if (row >= c.m || col >= c.n) continue;
      judge(c, row, col, sum[y][x], magnitude[y][x]);
      const i64 at = row * c.d_pitch + col;
      const double exact = sum[y][x] + (c.start ? c.start[at] : 0.0f);
      const double got = c.d_is_fp32 ? ((const float*)c.d)[at] : __uint_as_float((u32)((const u16*)c.d)[at] << 16);
      error_squares += (got - exact) * (got - exact);
      exact_squares += exact * exact;
    }
  squares[0][t] = error_squares;
  squares[1][t] = exact_squares;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (t < half) squares[0][t] += squares[0][t + half], squares[1][t] += squares[1][t + half];
    __syncthreads();
  }
  if (t < 2) atomicAdd(t == 0 ? &c.result->error_squares : &c.result->exact_squares, squares[t][0]);
}

struct Canaries {
  const u8* memory; u64* damaged; const int* owner;
  i64 bytes, first_byte, planes, plane_rows, plane_bytes, row_bytes, pitch_bytes;
  u32 canary, zero_padding;
};

// Counts the bytes that should still be `canary`: all but the rows of `row_bytes`, `pitch_bytes` apart, of the planes from
// `first_byte` on. Of rows that owner (null: every row has one) says are nobody's the bytes must be `canary` too, or zero.
extern "C" __global__ void check_canaries(const Canaries c) {
  const i64 step = (i64)gridDim.x * blockDim.x;
  u64 damaged = 0;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < c.bytes; i += step) {
    const i64 at = i - c.first_byte;
    const i64 plane = at / c.plane_bytes, row = at % c.plane_bytes / c.pitch_bytes;
    const bool in_row = at >= 0 && plane < c.planes && row < c.plane_rows && at % c.plane_bytes % c.pitch_bytes < c.row_bytes;
    const bool owned = in_row && (!c.owner || c.owner[plane * c.plane_rows + row] >= 0);
    const u32 expected = in_row && c.zero_padding ? 0 : c.canary;
    if (!owned && c.memory[i] != expected) ++damaged;
  }
  if (damaged) atomicAdd(c.damaged, damaged);
}

struct Poison { u8* data; const int* owner; i64 planes, rows, cols, plane_stride, row_stride, col_stride; u32 bytes, value; };

// Sets the elements of rows that are nobody's; strides in bytes.
extern "C" __global__ void poison_rows(const Poison p) {
  const i64 step = (i64)gridDim.x * blockDim.x;
  const i64 row_elements = p.cols * p.bytes;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < p.planes * p.rows * row_elements; i += step) {
    const i64 row = i / row_elements, col = i % row_elements / p.bytes;
    if (p.owner[row] < 0)
      p.data[row / p.rows * p.plane_stride + row % p.rows * p.row_stride + col * p.col_stride + i % p.bytes] = p.value;
  }
}

struct Compare { const uint4* one; const uint4* other; u64* different; i64 words; };

extern "C" __global__ void compare_bytes(const Compare c) {
  const i64 step = (i64)gridDim.x * blockDim.x;
  u64 different = 0;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < c.words; i += step) {
    const uint4 x = c.one[i], y = c.other[i];
    if (x.x != y.x || x.y != y.y || x.z != y.z || x.w != y.w) ++different;
  }
  if (different) atomicAdd(c.different, different);
}
)cuda";

}  // namespace fathom::testing
