// One operand of `fathom run` from safetensors files: FP8 with its scales, or floats that are
// quantised first. Command-line layer.
#pragma once

#include <fathom/context.hpp>
#include <fathom/quantize.hpp>
#include <memory>
#include <string>
#include <vector>

#include "host_tensor.hpp"
#include "safetensors.hpp"

namespace fathom::cli {

/// An operand whose file is open and whose shapes are checked; nothing but headers has been read.
class OperandSource {
 public:
  enum class Role { kA, kB };

  /// `tensor` and `scale` are "FILE::NAME"; an empty `scale` means the tensor's own NAME_scale_inv,
  /// or a float tensor. Throws Error with the role in its message.
  OperandSource(Role role, const std::string& tensor, const std::string& scale);

  std::int64_t rows() const { return entry_->shape[0]; }
  std::int64_t k() const { return entry_->shape[1]; }
  bool is_float() const { return scale_entry_ == nullptr; }
  /// Where the scales come from, for the report: "FILE::NAME" or "quantised 1x128".
  std::string scale_origin() const;

  /// The files of values and scales.
  std::vector<std::string> paths() const;

  struct Loaded {
    HostTensor values;  ///< e4m3 [rows, k]
    HostTensor scale_storage;
    TensorView scale;  ///< fp32, in the order and shape that gemm takes for the role
  };
  Loaded load(const Context& context, Backend backend) const;

 private:
  void find_scale(const std::string& scale);
  void check_scale_shape() const;
  Loaded load_fp8() const;
  Loaded load_float(const Context& context, Backend backend) const;
  std::string described() const;

  Role role_;
  std::shared_ptr<SafetensorsReader> file_, scale_file_;
  const SafetensorsEntry* entry_ = nullptr;
  const SafetensorsEntry* scale_entry_ = nullptr;
};

}  // namespace fathom::cli
