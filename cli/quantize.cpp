// fathom quantize: the matrices of a safetensors file become e4m3 with 128x128 scales, the rest is
// copied. Command-line layer. Works panel by panel, so that memory stays bounded whatever the size
// of a tensor.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <fathom/quantize.hpp>
#include <memory>
#include <unordered_set>

#include "api/tensor_check.hpp"
#include "backend.hpp"
#include "help.hpp"
#include "host_tensor.hpp"
#include "json_report.hpp"
#include "output_file.hpp"
#include "progress.hpp"
#include "safetensors.hpp"

namespace fathom::cli {
namespace {

constexpr std::int64_t kBlock = 128;
// Elements cast at a time: 16 MiB of fp32, enough to keep every core busy between two reads.
constexpr std::int64_t kPanelElems = std::int64_t{1} << 22;
constexpr std::int64_t kCopyBytes = std::int64_t{8} << 20;
constexpr char kScaleSuffix[] = "_scale_inv";

struct QuantizeFlags {
  std::string input, output;
  std::vector<std::string> include, exclude;
  bool power_of_two_scales = false;
};

std::int64_t blocks(std::int64_t extent) {
  return (extent + kBlock - 1) / kBlock;
}

bool matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

bool is_float_matrix(const SafetensorsEntry& entry) {
  return entry.shape.size() == 2 &&
         (entry.dtype == "BF16" || entry.dtype == "F16" || entry.dtype == "F32");
}

/// The scales of a tensor that is FP8 already: quantising them would make the pair useless.
bool is_scale_of_fp8(const SafetensorsHeader& header, const std::string& name) {
  if (!name.ends_with(kScaleSuffix)) return false;
  const SafetensorsEntry* values =
      header.find(name.substr(0, name.size() - (sizeof kScaleSuffix - 1)));
  return values != nullptr && values->dtype == "F8_E4M3";
}

struct Selection {
  std::vector<const SafetensorsEntry*> cast, copied;
};

/// A glob that matches nothing is a misspelt one: what it was to keep would be cast.
void check_globs(const char* flag, const std::vector<std::string>& globs,
                 const SafetensorsReader& input) {
  const auto& tensors = input.header().tensors;
  for (const std::string& glob : globs) {
    if (std::none_of(tensors.begin(), tensors.end(),
                     [&](const SafetensorsEntry& entry) { return matches({glob}, entry.name); })) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("quantize: {} \"{}\" matches none of the {} tensors of \"{}\"; it "
                              "needs a glob over their names",
                              flag, glob, tensors.size(), input.path()));
    }
  }
}

Selection select(const SafetensorsReader& input, const QuantizeFlags& flags) {
  check_globs("--include", flags.include, input);
  check_globs("--exclude", flags.exclude, input);
  Selection selection;
  for (const SafetensorsEntry& entry : input.header().tensors) {
    const bool chosen =
        is_float_matrix(entry) && (flags.include.empty() || matches(flags.include, entry.name)) &&
        !matches(flags.exclude, entry.name) && !is_scale_of_fp8(input.header(), entry.name);
    (chosen ? selection.cast : selection.copied).push_back(&entry);
  }
  if (selection.cast.empty() && !(flags.include.empty() && flags.exclude.empty())) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("quantize: --include and --exclude leave no matrix of \"{}\" to "
                            "quantise; choose a two-dimensional BF16, F16 or F32 tensor",
                            input.path()));
  }
  return selection;
}

void check_extents(const SafetensorsEntry& entry) {
  if (std::max(entry.shape[0], entry.shape[1]) <= api::kMaxExtent) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("quantize: \"{0}\" has shape {1}; no extent may pass 2^31 - 1; leave the "
                          "tensor out (--exclude "
                          "\"{0}\")",
                          entry.name, shape_text(entry.shape)));
}

std::vector<SafetensorsEntry> output_entries(const SafetensorsReader& input,
                                             const Selection& selection) {
  std::vector<SafetensorsEntry> entries;
  for (const SafetensorsEntry* entry : selection.copied) {
    entries.push_back({.name = entry->name, .dtype = entry->dtype, .shape = entry->shape});
  }
  for (const SafetensorsEntry* entry : selection.cast) {
    check_extents(*entry);
    const std::string scale_name = entry->name + kScaleSuffix;
    if (input.header().find(scale_name) != nullptr) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("quantize: \"{0}\" would get its scales under the name \"{1}\", "
                              "which \"{2}\" holds already; "
                              "leave the tensor out (--exclude \"{0}\") or rename one",
                              entry->name, scale_name, input.path()));
    }
    entries.push_back({.name = entry->name, .dtype = "F8_E4M3", .shape = entry->shape});
    entries.push_back({.name = scale_name,
                       .dtype = "F32",
                       .shape = {blocks(entry->shape[0]), blocks(entry->shape[1])}});
  }
  return entries;
}

void copy_tensor(const SafetensorsReader& input, const SafetensorsEntry& from,
                 SafetensorsWriter& output, Progress& progress) {
  const SafetensorsEntry& to = output.at(from.name);
  std::vector<char> buffer(static_cast<std::size_t>(std::min(kCopyBytes, from.bytes())));
  for (std::int64_t offset = 0; offset < from.bytes(); offset += kCopyBytes) {
    const std::int64_t bytes = std::min(kCopyBytes, from.bytes() - offset);
    input.read(from, offset, buffer.data(), bytes);
    output.write(to, offset, buffer.data(), bytes);
    progress.advance(bytes);
  }
}

/// Casts one tensor in panels of whole 128x128 blocks: full rows where a block row fits the panel,
/// else pieces of one block row.
class TensorCast {
 public:
  TensorCast(const SafetensorsReader& input, const SafetensorsEntry& from,
             SafetensorsWriter& output, const Context& context, const QuantizeOptions& options)
      : input_(input),
        output_(output),
        context_(context),
        options_(options),
        from_(from),
        values_(output.at(from.name)),
        scales_(output.at(from.name + kScaleSuffix)),
        dtype_(dtype_of(from)),
        rows_(from.shape[0]),
        cols_(from.shape[1]) {}

  void run(Progress& progress) {
    if (rows_ == 0 || cols_ == 0) return;
    const std::int64_t panel_cols = std::min(cols_, kPanelElems / kBlock);
    const std::int64_t panel_rows = std::max(kBlock, kPanelElems / panel_cols / kBlock * kBlock);
    for (std::int64_t row = 0; row < rows_; row += panel_rows) {
      for (std::int64_t col = 0; col < cols_; col += panel_cols) {
        const std::int64_t rows = std::min(panel_rows, rows_ - row);
        const std::int64_t cols = std::min(panel_cols, cols_ - col);
        cast_panel(row, rows, col, cols);
        progress.advance(rows * cols * size_of(dtype_));
      }
    }
  }

 private:
  void cast_panel(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
    const std::int64_t element = size_of(dtype_);
    x_.resize(static_cast<std::size_t>(rows * cols * element));
    q_.resize(static_cast<std::size_t>(rows * cols));
    scale_.resize(static_cast<std::size_t>(blocks(rows) * blocks(cols)));
    for_pieces(row, rows, col, cols, cols_,
               [&](std::int64_t at, std::int64_t first, std::int64_t count) {
                 input_.read(from_, at * element, x_.data() + first * element, count * element);
               });
    quantize(context_, TensorView::matrix(x_.data(), dtype_, rows, cols),
             TensorView::matrix(q_.data(), DType::kE4M3, rows, cols),
             TensorView::matrix(scale_.data(), DType::kFp32, blocks(rows), blocks(cols)), options_);
    for_pieces(row, rows, col, cols, cols_,
               [&](std::int64_t at, std::int64_t first, std::int64_t count) {
                 output_.write(values_, at, q_.data() + first, count);
               });
    for_pieces(row / kBlock, blocks(rows), col / kBlock, blocks(cols), blocks(cols_),
               [&](std::int64_t at, std::int64_t first, std::int64_t count) {
                 output_.write(scales_, at * size_of(DType::kFp32), scale_.data() + first,
                               count * size_of(DType::kFp32));
               });
  }

  /// Calls move(element in the tensor, element in the panel, count) for each contiguous piece of a
  /// panel.
  template <typename Move>
  static void for_pieces(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
                         std::int64_t pitch, const Move& move) {
    if (cols == pitch) return move(row * pitch, std::int64_t{0}, rows * cols);
    for (std::int64_t i = 0; i < rows; ++i) move((row + i) * pitch + col, i * cols, cols);
  }

  const SafetensorsReader& input_;
  SafetensorsWriter& output_;
  const Context& context_;
  const QuantizeOptions& options_;
  const SafetensorsEntry& from_;
  const SafetensorsEntry& values_;
  const SafetensorsEntry& scales_;
  DType dtype_;
  std::int64_t rows_, cols_;
  std::vector<char> x_;
  std::vector<std::uint8_t> q_;
  std::vector<float> scale_;
};

std::int64_t total_bytes(const std::vector<const SafetensorsEntry*>& entries) {
  std::int64_t total = 0;
  for (const SafetensorsEntry* entry : entries) total += entry->bytes();
  return total;
}

Report report_of(const QuantizeFlags& flags, const Selection& selection, Backend backend,
                 double seconds) {
  Json json = new_object();
  json["input"] = flags.input;
  json["output"] = flags.output;
  json["backend"] = to_string(backend);
  json["power_of_two_scales"] = flags.power_of_two_scales;
  json["quantized"] = Json::array();
  std::string text;
  for (const SafetensorsEntry* entry : selection.cast) {
    const std::string scale = entry->name + kScaleSuffix;
    const std::vector<std::int64_t> scale_shape = {blocks(entry->shape[0]),
                                                   blocks(entry->shape[1])};
    json["quantized"].push_back(Json{{"name", entry->name},
                                     {"from", entry->dtype},
                                     {"shape", entry->shape},
                                     {"scale", scale},
                                     {"scale_shape", scale_shape}});
    text += fmt::format("{} {} {} -> F8_E4M3 + {} {}\n", entry->name, entry->dtype,
                        shape_text(entry->shape), scale, shape_text(scale_shape));
  }
  json["copied"] = Json::array();
  for (const SafetensorsEntry* entry : selection.copied) json["copied"].push_back(entry->name);
  const std::int64_t bytes = total_bytes(selection.cast) + total_bytes(selection.copied);
  json["bytes_read"] = bytes;
  json["seconds"] = seconds;
  text +=
      fmt::format("{} quantised on {}, {} copied, {:.1f} MB in {:.2f} s -> {}\n",
                  counted(selection.cast.size(), "tensor"), to_string(backend),
                  selection.copied.size(), static_cast<double>(bytes) / 1e6, seconds, flags.output);
  return make_report(json, text);
}

Report quantize_file(const QuantizeFlags& flags, const CommonFlags& common) {
  const Context context = make_context();
  const Backend backend = quantize_backend(chosen_backend(common, context));
  const auto start = std::chrono::steady_clock::now();
  const SafetensorsReader input(flags.input);
  refuse_input_as_output(flags.output, {flags.input});
  const Selection selection = select(input, flags);
  SafetensorsWriter output(flags.output, output_entries(input, selection), input.header().metadata);
  QuantizeOptions options;
  options.block = ScaleBlock::k128x128;
  options.power_of_two_scales = flags.power_of_two_scales;
  options.backend = backend;
  Progress progress("quantising", total_bytes(selection.cast) + total_bytes(selection.copied));
  for (const SafetensorsEntry* entry : selection.copied) {
    copy_tensor(input, *entry, output, progress);
  }
  for (const SafetensorsEntry* entry : selection.cast) {
    TensorCast(input, *entry, output, context, options).run(progress);
  }
  output.commit();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return report_of(flags, selection, backend, seconds.count());
}

}  // namespace

Action add_quantize(CLI::App& verb) {
  auto flags = std::make_shared<QuantizeFlags>();
  verb.add_option("IN.safetensors", flags->input, "The safetensors file to read")->required();
  verb.add_option("-o,--output", flags->output, "The safetensors file to write")
      ->type_name("OUT.safetensors")
      ->required();
  verb.add_option("--include", flags->include,
                  "Glob over tensor names; only these are quantised (may repeat; default: all)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  verb.add_option("--exclude", flags->exclude,
                  "Glob over tensor names to leave as they are (may repeat)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  verb.add_flag("--power-of-two-scales", flags->power_of_two_scales,
                "Round every scale up to a power of two");
  verb.footer(
      "Two-dimensional BF16, F16 and F32 tensors NAME become NAME (F8_E4M3) and NAME_scale_inv\n"
      "(F32, one scale for each block of 128x128; value = code * scale). All other tensors and\n"
      "the metadata are copied.\n"
      "Examples:\n"
      "  fathom quantize model.safetensors -o model_fp8.safetensors\n"
      "  fathom quantize model.safetensors -o out.safetensors --include '*.mlp.*' --exclude "
      "'*bias'\n");
  return [flags](const CommonFlags& common) { return quantize_file(*flags, common); };
}

}  // namespace fathom::cli
