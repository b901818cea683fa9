// FP8 in three calls: quantise the activations, quantise the weights, multiply.
#include <cstdint>
#include <cstdio>
#include <vector>

#include <fathom/gemm.hpp>
#include <fathom/quantize.hpp>

int main() {
  using fathom::DType, fathom::TensorView;
  const std::int64_t m = 4, n = 256, k = 512;
  std::vector<float> x(m * k, 0.5f), w(n * k, 2.0f), scale_x(m * k / 128),
      scale_w(n / 128 * k / 128), d(m * n);
  std::vector<std::uint8_t> x_fp8(m * k), w_fp8(n * k);

  fathom::GemmOperands operands = {
      .a = TensorView::matrix(x_fp8.data(), DType::kE4M3, m, k),
      .scale_a = TensorView::matrix(scale_x.data(), DType::kFp32, m, k / 128),
      .b = TensorView::matrix(w_fp8.data(), DType::kE4M3, n, k),
      .scale_b = TensorView::matrix(scale_w.data(), DType::kFp32, n / 128, k / 128),
      .d = TensorView::matrix(d.data(), DType::kFp32, m, n)};
  const fathom::Context context = fathom::Context::from_env();
  fathom::quantize(context, TensorView::matrix(x.data(), DType::kFp32, m, k), operands.a,
                   operands.scale_a);
  fathom::quantize(context, TensorView::matrix(w.data(), DType::kFp32, n, k), operands.b,
                   operands.scale_b, {.block = fathom::ScaleBlock::k128x128});
  fathom::gemm(context, operands);
  std::printf("d[0, 0] = %g, in exact arithmetic %g\n", d[0], 0.5 * 2.0 * k);
}
