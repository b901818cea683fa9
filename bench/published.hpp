// Numbers that others measured, to score against. Benchmark layer; pure.
//
// DeepGEMM 2.6.1 (June 2026, 54e2261) and cuBLASLt per-tensor (torch 2.11 _scaled_mm,
// use_fast_accum=False), one H200 (132 SMs, 700 W), CUDA 13.0, driver 580.159, 2026-11-21: median
// kernel time of 20 calls, 256 MB written before each, three alternating rounds. The floor streams
// the bytes of B through shared memory, evict-first, on the same machine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fathom::bench {

struct DenseShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool operator==(const DenseShape&) const = default;
};

/// The (n, k) of DeepSeek-V3's linear layers, as the published tables list them.
std::span<const DenseShape> layer_shapes();  // m = 0

struct Published {
  DenseShape shape;
  double deep_gemm_us = 0;
  double cublaslt_tensor_us = 0;
};
std::span<const Published> published_h200();

/// Time of the best possible stream of B, evict-first into a dirty L2, at m = 64; nothing for other
/// shapes.
std::optional<double> stream_floor_us(const DenseShape& shape);

/// score = (t_cublaslt_tensor / t_ours) in this run / (t_cublaslt_tensor / t_DeepGEMM) as
/// published; above 1 is faster than DeepGEMM. Nothing for shapes that are not in the table.
std::optional<double> score(const DenseShape& shape, double ours_us, double cublaslt_tensor_us);

/// DeepGEMM's own figures for an H800 (February 2025, its README): TFLOPS, 0 where none is given.
std::optional<double> published_h800_tflops(const DenseShape& shape);

}  // namespace fathom::bench
