// Writes the dump of a check. Command-line layer.
#include "dump.hpp"

#include <fmt/format.h>

#include <cstring>

#include "host_tensor.hpp"
#include "problem_flags.hpp"

namespace fathom::cli {
namespace {

std::string index_name(Groups::Form form) {
  return form == Groups::Form::kMasked ? "rows" : std::string(layout_name(form));
}

std::vector<std::int64_t> shape_of(const TensorView& view) {
  return {view.shape.begin(), view.shape.begin() + view.rank};
}

std::vector<SafetensorsEntry> entries_of(const reference::ProblemData& data) {
  const GemmOperands& o = data.operands();
  std::vector<SafetensorsEntry> entries;
  const auto add = [&](const std::string& name, const TensorView& view) {
    entries.push_back(
        {.name = name, .dtype = safetensors_dtype(view.dtype), .shape = shape_of(view)});
  };
  add("a", o.a);
  add("scale_a", o.scale_a);
  add("b", o.b);
  add("scale_b", o.scale_b);
  add("d", o.d);
  if (data.problem().grouped()) add(index_name(data.problem().form), o.groups.index);
  entries.push_back({.name = "reference", .dtype = "F64", .shape = shape_of(o.d)});
  if (data.problem().accumulate) {
    entries.push_back({.name = "c", .dtype = "F32", .shape = shape_of(o.d)});
  }
  return entries;
}

std::vector<std::pair<std::string, std::string>> metadata_of(const reference::ProblemData& data) {
  const plan::GemmProblem& p = data.problem();
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"op", "gemm"},
      {"layout", std::string(layout_name(p.form))},
      {"m", std::to_string(p.m)},
      {"n", std::to_string(p.n)},
      {"k", std::to_string(p.k)},
      {"accumulate", p.accumulate ? "true" : "false"},
      {"seed", std::to_string(data.spec().seed)},
  };
  if (p.grouped()) metadata.emplace_back("groups", std::to_string(p.num_groups));
  if (p.form == Groups::Form::kRowGroup || p.form == Groups::Form::kGroupEnd) {
    metadata.emplace_back("alignment", std::to_string(p.alignment));
  }
  if (p.form == Groups::Form::kMasked) metadata.emplace_back("max_m", std::to_string(p.m));
  return metadata;
}

/// Row by row, whatever the strides.
void write_view(SafetensorsWriter& file, const std::string& name, const TensorView& view) {
  const auto rank = static_cast<std::size_t>(view.rank);
  const std::int64_t element = size_of(view.dtype);
  const std::int64_t planes = rank == 3 ? view.shape[0] : 1;
  const std::int64_t rows = rank >= 2 ? view.shape[rank - 2] : 1;
  const std::int64_t cols = view.shape[rank - 1];
  const std::int64_t plane_stride = rank == 3 ? view.stride[0] : 0;
  const std::int64_t row_stride = rank >= 2 ? view.stride[rank - 2] : 0;
  const std::int64_t col_stride = view.stride[rank - 1];
  std::vector<char> row_bytes(static_cast<std::size_t>(cols * element));
  const char* data = static_cast<const char*>(view.data);
  for (std::int64_t i = 0; i < planes * rows; ++i) {
    const std::int64_t start = i / rows * plane_stride + i % rows * row_stride;
    for (std::int64_t j = 0; j < cols; ++j) {
      std::memcpy(row_bytes.data() + j * element, data + (start + j * col_stride) * element,
                  static_cast<std::size_t>(element));
    }
    file.write(file.at(name), i * cols * element, row_bytes.data(), cols * element);
  }
}

}  // namespace

ProblemDump::ProblemDump(const std::string& path, const reference::ProblemData& data)
    : file_(path, entries_of(data), metadata_of(data)) {}

void ProblemDump::write(const reference::ProblemData& data, const std::vector<double>& exact,
                        const std::vector<float>& start) {
  const GemmOperands& o = data.operands();
  write_view(file_, "a", o.a);
  write_view(file_, "scale_a", o.scale_a);
  write_view(file_, "b", o.b);
  write_view(file_, "scale_b", o.scale_b);
  write_view(file_, "d", o.d);
  if (data.problem().grouped()) write_view(file_, index_name(data.problem().form), o.groups.index);
  const SafetensorsEntry& reference = file_.at("reference");
  file_.write(reference, 0, exact.data(), reference.bytes());
  if (data.problem().accumulate) {
    const SafetensorsEntry& c = file_.at("c");
    file_.write(c, 0, start.data(), c.bytes());
  }
  file_.commit();
}

}  // namespace fathom::cli
