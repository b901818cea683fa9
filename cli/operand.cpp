// Finds, checks and loads an operand. Command-line layer.
#include "operand.hpp"

#include <fmt/format.h>

#include <cstring>
#include <fathom/error.hpp>

#include "api/tensor_check.hpp"

namespace fathom::cli {
namespace {

constexpr std::int64_t kBlock = 128;

std::int64_t blocks(std::int64_t extent) {
  return (extent + kBlock - 1) / kBlock;
}

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "run: " + message);
}

struct Place {
  std::string file, name;
};

/// The last "::" divides, since paths rarely and tensor names never hold one.
Place split(const std::string& text, std::string_view flag) {
  const auto at = text.rfind("::");
  if (at == std::string::npos || at == 0 || at + 2 == text.size()) {
    fail(fmt::format("{} is \"{}\"; it needs FILE.safetensors::TENSOR", flag, text));
  }
  return {text.substr(0, at), text.substr(at + 2)};
}

}  // namespace

OperandSource::OperandSource(Role role, const std::string& tensor, const std::string& scale)
    : role_(role) {
  const Place place = split(tensor, role == Role::kA ? "--a" : "--b");
  file_ = std::make_shared<SafetensorsReader>(place.file);
  entry_ = &file_->at(place.name);
  if (entry_->shape.size() != 2) {
    fail(fmt::format("{}; a matrix [{}, k] is needed", described(), role == Role::kA ? "m" : "n"));
  }
  for (const std::int64_t extent : entry_->shape) {
    if (extent > api::kMaxExtent) {
      fail(fmt::format("{}; no extent may pass 2^31 - 1 = {}", described(), api::kMaxExtent));
    }
  }
  const bool fp8 = entry_->dtype == "F8_E4M3";
  if (!fp8 && entry_->dtype != "BF16" && entry_->dtype != "F16" && entry_->dtype != "F32") {
    fail(fmt::format("{}; F8_E4M3 with scales, BF16, F16 or F32 is needed", described()));
  }
  if (fp8) {
    find_scale(scale);
    check_scale_shape();
  } else if (!scale.empty()) {
    fail(
        fmt::format("{} and scales are given; scales belong to F8_E4M3 operands: leave them out, "
                    "and the operand is "
                    "quantised first",
                    described()));
  }
}

std::string OperandSource::described() const {
  return fmt::format("{} (\"{}\" of \"{}\") is {} {}", role_ == Role::kA ? "a" : "b", entry_->name,
                     file_->path(), entry_->dtype, shape_text(entry_->shape));
}

void OperandSource::find_scale(const std::string& scale) {
  if (!scale.empty()) {
    const Place place = split(scale, role_ == Role::kA ? "--a-scale" : "--b-scale");
    scale_file_ = std::make_shared<SafetensorsReader>(place.file);
    scale_entry_ = &scale_file_->at(place.name);
    return;
  }
  scale_file_ = file_;
  scale_entry_ = file_->header().find(entry_->name + "_scale_inv");
  if (scale_entry_ == nullptr) {
    fail(fmt::format("{}, and the file has no \"{}_scale_inv\"; give its scales by {}", described(),
                     entry_->name, role_ == Role::kA ? "--a-scale" : "--b-scale"));
  }
}

void OperandSource::check_scale_shape() const {
  const std::vector<std::int64_t> per_row = {rows(), blocks(k())};
  const std::vector<std::int64_t> per_block = {blocks(rows()), blocks(k())};
  if (scale_entry_->dtype == "F32" &&
      (scale_entry_->shape == per_row || scale_entry_->shape == per_block)) {
    return;
  }
  fail(
      fmt::format("{}; its scales are {} {} and need to be F32 {} (one per row and 128 of k) "
                  "or {} (one per "
                  "128x128 block)",
                  described(), scale_entry_->dtype, shape_text(scale_entry_->shape),
                  shape_text(per_row), shape_text(per_block)));
}

std::string OperandSource::scale_origin() const {
  if (!is_float()) return scale_file_->path() + "::" + scale_entry_->name;
  return role_ == Role::kA ? "quantised 1x128" : "quantised 128x128";
}

std::vector<std::string> OperandSource::paths() const {
  if (is_float()) return {file_->path()};
  return {file_->path(), scale_file_->path()};
}

OperandSource::Loaded OperandSource::load(const Context& context, Backend backend) const {
  return is_float() ? load_float(context, backend) : load_fp8();
}

OperandSource::Loaded OperandSource::load_fp8() const {
  Loaded loaded;
  loaded.values = read_matrix(*file_, *entry_);
  loaded.scale_storage = read_matrix(*scale_file_, *scale_entry_);
  // What gemm takes: a scale for every row of a; for b either form.
  if (role_ == Role::kA && scale_entry_->shape[0] != rows()) {
    HostTensor expanded(DType::kFp32, rows(), blocks(k()));
    for (std::int64_t i = 0; i < rows(); ++i) {
      std::memcpy(expanded.row(i), loaded.scale_storage.row(i / kBlock),
                  static_cast<std::size_t>(expanded.row_bytes()));
    }
    loaded.scale_storage = std::move(expanded);
  }
  loaded.scale = loaded.scale_storage.view();
  return loaded;
}

OperandSource::Loaded OperandSource::load_float(const Context& context, Backend backend) const {
  Loaded loaded;
  const HostTensor x = read_matrix(*file_, *entry_);
  loaded.values = HostTensor(DType::kE4M3, rows(), k());
  QuantizeOptions options;
  options.backend = backend;
  if (role_ == Role::kA) {
    // m contiguous: the order that gemm reads fastest.
    loaded.scale_storage = HostTensor(DType::kFp32, blocks(k()), rows());
    loaded.scale = loaded.scale_storage.view().transposed();
    options.block = ScaleBlock::k1x128;
  } else {
    loaded.scale_storage = HostTensor(DType::kFp32, blocks(rows()), blocks(k()));
    loaded.scale = loaded.scale_storage.view();
    options.block = ScaleBlock::k128x128;
  }
  quantize(context, x.view(), loaded.values.view(), loaded.scale, options);
  return loaded;
}

}  // namespace fathom::cli
