// Tensor maps: how the bulk copy engine sees a strided tensor. Runtime layer; knows no kernel.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "cuda/driver.hpp"

namespace fathom::cuda {

/// What cuTensorMapEncodeTiled is asked. Dimension 0 is the contiguous one. Elements outside the
/// tensor read as zero and are not written.
struct TensorMapSpec {
  static constexpr int kMaxRank = 5;

  std::string name;  ///< for messages: "a"
  abi::TensorMapDataType type = abi::TensorMapDataType::kUint8;
  const void* base = nullptr;
  int rank = 2;
  std::array<std::int64_t, kMaxRank> dims{};              ///< elements
  std::array<std::int64_t, kMaxRank - 1> stride_bytes{};  ///< of dimensions 1, 2, ...
  std::array<std::int64_t, kMaxRank> box{};               ///< elements that one copy moves
  abi::TensorMapSwizzle swizzle = abi::TensorMapSwizzle::kNone;
  abi::TensorMapL2Promotion promotion = abi::TensorMapL2Promotion::k256;
};

/// The reason why the copy engine cannot address this tensor, or nothing. Pure. Rules: CUDA Driver
/// API, cuTensorMapEncodeTiled.
std::optional<std::string> tensor_map_problem(const TensorMapSpec& spec);
/// All fields on one line, for messages and for `explain`.
std::string to_string(const TensorMapSpec& spec);
/// Encodes into `map` (128 bytes, 64-aligned). Runs on the host alone. Throws
/// Error(kInvalidArgument) with the rule that is broken, Error(kDriver) with every argument when
/// the driver refuses.
void encode_tensor_map(const Driver& driver, const TensorMapSpec& spec, abi::TensorMap* map);

}  // namespace fathom::cuda
