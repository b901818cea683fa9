// Checks and encodes tensor maps. Runtime layer.
#include "cuda/tensor_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fathom/error.hpp>

namespace fathom::cuda {
namespace {

// CUDA Driver API, cuTensorMapEncodeTiled, interleave none.
constexpr std::int64_t kAlignment = 16;
constexpr std::int64_t kMaxDim = std::int64_t{1} << 32;
constexpr std::int64_t kStrideLimit = std::int64_t{1} << 40;
constexpr std::int64_t kMaxBox = 256;

std::int64_t element_bytes(abi::TensorMapDataType type) {
  switch (type) {
    case abi::TensorMapDataType::kUint8:
      return 1;
    case abi::TensorMapDataType::kBfloat16:
      return 2;
    case abi::TensorMapDataType::kFloat32:
      return 4;
  }
  return 0;
}

const char* type_name(abi::TensorMapDataType type) {
  switch (type) {
    case abi::TensorMapDataType::kUint8:
      return "uint8";
    case abi::TensorMapDataType::kBfloat16:
      return "bf16";
    case abi::TensorMapDataType::kFloat32:
      return "fp32";
  }
  return "unknown";
}

/// Bytes of the swizzle's span, which the inner edge of the box must not exceed; 0 = no swizzle.
std::int64_t swizzle_bytes(abi::TensorMapSwizzle swizzle) {
  switch (swizzle) {
    case abi::TensorMapSwizzle::kNone:
      return 0;
    case abi::TensorMapSwizzle::k32:
      return 32;
    case abi::TensorMapSwizzle::k64:
      return 64;
    case abi::TensorMapSwizzle::k128:
      return 128;
  }
  return 0;
}

/// Bytes that one miss brings into L2; 0 = no more than was asked for.
std::int64_t promotion_bytes(abi::TensorMapL2Promotion promotion) {
  return promotion == abi::TensorMapL2Promotion::kNone
             ? 0
             : std::int64_t{32} << static_cast<int>(promotion);
}

template <typename Array>
std::string list(const Array& values, int count) {
  return fmt::format("[{}]", fmt::join(values.begin(), values.begin() + count, ", "));
}

std::optional<std::string> box_problem(const TensorMapSpec& spec) {
  for (int i = 0; i < spec.rank; ++i) {
    const std::int64_t edge = spec.box[static_cast<std::size_t>(i)];
    if (edge < 1 || edge > kMaxBox) {
      return fmt::format("box edge {} is {}; it needs 1 to {}", i, edge, kMaxBox);
    }
  }
  const std::int64_t inner = spec.box[0] * element_bytes(spec.type);
  if (inner % kAlignment != 0) {
    return fmt::format("the box is {} bytes wide; it needs a multiple of {}", inner, kAlignment);
  }
  const std::int64_t span = swizzle_bytes(spec.swizzle);
  if (span != 0 && inner > span) {
    return fmt::format("the box is {} bytes wide; its swizzle needs at most {}", inner, span);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> tensor_map_problem(const TensorMapSpec& spec) {
  if (spec.rank < 1 || spec.rank > TensorMapSpec::kMaxRank) {
    return fmt::format("rank is {}; it needs 1 to {}", spec.rank, TensorMapSpec::kMaxRank);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(spec.base);
  if (address == 0) return "the base address is null";
  if (address % kAlignment != 0) {
    return fmt::format("the base address {} is not a multiple of {} bytes", fmt::ptr(spec.base),
                       kAlignment);
  }
  for (int i = 0; i < spec.rank; ++i) {
    const std::int64_t dim = spec.dims[static_cast<std::size_t>(i)];
    if (dim < 1 || dim > kMaxDim)
      return fmt::format("dimension {} is {}; it needs 1 to 2^32", i, dim);
  }
  for (int i = 0; i + 1 < spec.rank; ++i) {
    const std::int64_t stride = spec.stride_bytes[static_cast<std::size_t>(i)];
    if (stride < 0 || stride >= kStrideLimit || stride % kAlignment != 0) {
      return fmt::format(
          "the stride of dimension {} is {} bytes; it needs a multiple of {} under 2^40", i + 1,
          stride, kAlignment);
    }
  }
  return box_problem(spec);
}

std::string to_string(const TensorMapSpec& spec) {
  return fmt::format("{}: {} base {} dims {} strides {} bytes box {} swizzle {} L2 promotion {}",
                     spec.name, type_name(spec.type), fmt::ptr(spec.base),
                     list(spec.dims, spec.rank), list(spec.stride_bytes, spec.rank - 1),
                     list(spec.box, spec.rank), swizzle_bytes(spec.swizzle),
                     promotion_bytes(spec.promotion));
}

void encode_tensor_map(const Driver& driver, const TensorMapSpec& spec, abi::TensorMap* map) {
  if (const auto problem = tensor_map_problem(spec)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "describing {} to the bulk copy engine: {}; copy the tensor into one that fits ({})",
            spec.name, *problem, to_string(spec)));
  }
  std::array<std::uint64_t, TensorMapSpec::kMaxRank> dims{};
  std::array<std::uint64_t, TensorMapSpec::kMaxRank> strides{};
  std::array<std::uint32_t, TensorMapSpec::kMaxRank> box{};
  std::array<std::uint32_t, TensorMapSpec::kMaxRank> element_strides{};
  element_strides.fill(1);
  for (std::size_t i = 0; i < static_cast<std::size_t>(spec.rank); ++i) {
    dims[i] = static_cast<std::uint64_t>(spec.dims[i]);
    box[i] = static_cast<std::uint32_t>(spec.box[i]);
    if (i + 1 < static_cast<std::size_t>(spec.rank))
      strides[i] = static_cast<std::uint64_t>(spec.stride_bytes[i]);
  }
  const abi::Result result = driver.api().tensor_map_encode_tiled(
      map, spec.type, static_cast<std::uint32_t>(spec.rank), const_cast<void*>(spec.base),
      dims.data(), strides.data(), box.data(), element_strides.data(),
      abi::TensorMapInterleave::kNone, spec.swizzle, spec.promotion, abi::TensorMapFill::kZeros);
  driver.check(result, "cuTensorMapEncodeTiled",
               result == abi::kSuccess
                   ? std::string()
                   : fmt::format("encoding a tensor map ({})", to_string(spec)));
}

}  // namespace fathom::cuda
