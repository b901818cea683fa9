// fathom run: multiplies two tensors of safetensors files. Command-line layer.
#include <fmt/format.h>

#include <chrono>
#include <fathom/gemm.hpp>
#include <memory>
#include <string_view>

#include "backend.hpp"
#include "emulator.hpp"
#include "gemm_run.hpp"
#include "help.hpp"
#include "host_tensor.hpp"
#include "json_report.hpp"
#include "operand.hpp"
#include "output_file.hpp"
#include "problem_flags.hpp"
#include "progress.hpp"
#include "safetensors.hpp"

namespace fathom::cli {
namespace {

struct RunFlags {
  std::string a, b, a_scale, b_scale, output, config;
  std::string out_dtype = "bf16";
};

Report report_of(const RunFlags& flags, const OperandSource& a, const OperandSource& b,
                 const GemmRun& done, std::string_view backend, double seconds) {
  Json json = new_object();
  json["op"] = "gemm";
  json["m"] = a.rows();
  json["n"] = b.rows();
  json["k"] = a.k();
  json["a"] = Json{{"tensor", flags.a}, {"scale", a.scale_origin()}};
  json["b"] = Json{{"tensor", flags.b}, {"scale", b.scale_origin()}};
  json["out_dtype"] = flags.out_dtype;
  json["backend"] = backend;
  json["config"] = done.config;
  json["output"] = flags.output;
  json["seconds"] = seconds;
  return make_report(
      json,
      fmt::format("d [{}, {}] {} = a [{}, {}] ({}) x b [{}, {}] ({}) on {} ({}), {:.3f} s -> {}\n",
                  a.rows(), b.rows(), flags.out_dtype, a.rows(), a.k(), a.scale_origin(), b.rows(),
                  b.k(), b.scale_origin(), backend, done.config, seconds, flags.output));
}

Report multiply(const RunFlags& flags, const CommonFlags& common) {
  const Context context = make_context(common);
  const Backend backend = chosen_backend(common, context);
  const auto start = std::chrono::steady_clock::now();
  const OperandSource a(OperandSource::Role::kA, flags.a, flags.a_scale);
  const OperandSource b(OperandSource::Role::kB, flags.b, flags.b_scale);
  if (a.k() != b.k()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("run: a is [{}, {}] and b is [{}, {}]; both need the same k, the last extent",
                    a.rows(), a.k(), b.rows(), b.k()));
  }
  refuse_input_as_output(flags.output, a.paths());
  refuse_input_as_output(flags.output, b.paths());
  const DType out = out_dtype_of(flags.out_dtype);
  SafetensorsWriter output(
      flags.output, {{.name = "d", .dtype = safetensors_dtype(out), .shape = {a.rows(), b.rows()}}},
      {});
  Progress progress("multiplying", 4);  // a, b, product, output
  const OperandSource::Loaded a_loaded = a.load(context, quantize_backend(backend));
  progress.advance(1);
  const OperandSource::Loaded b_loaded = b.load(context, quantize_backend(backend));
  progress.advance(1);
  const HostTensor d(out, a.rows(), b.rows());
  GemmOperands operands;
  operands.a = a_loaded.values.view();
  operands.scale_a = a_loaded.scale;
  operands.b = b_loaded.values.view();
  operands.scale_b = b_loaded.scale;
  operands.d = d.view();
  GemmOptions options;
  options.backend = backend;
  options.config = flags.config;
  const GemmRun done = run_gemm(context, operands, options);
  progress.advance(1);
  write_matrix(output, output.at("d"), d);
  output.commit();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return report_of(flags, a, b, done, uses_emulator(common) ? "emulator" : to_string(done.backend),
                   seconds.count());
}

}  // namespace

Action add_run(CLI::App& verb) {
  auto flags = std::make_shared<RunFlags>();
  verb.add_option("--a", flags->a, "FILE::TENSOR, [m, k]")->type_name("FILE::TENSOR")->required();
  verb.add_option("--b", flags->b, "FILE::TENSOR, [n, k]")->type_name("FILE::TENSOR")->required();
  verb.add_option("--a-scale", flags->a_scale,
                  "FILE::TENSOR, the scales of an FP8 a (default: its NAME_scale_inv)")
      ->type_name("FILE::TENSOR");
  verb.add_option("--b-scale", flags->b_scale,
                  "FILE::TENSOR, the scales of an FP8 b (default: its NAME_scale_inv)")
      ->type_name("FILE::TENSOR");
  verb.add_option("-o,--output", flags->output, "The safetensors file to write, tensor d")
      ->type_name("OUT.safetensors")
      ->required();
  add_out_dtype(verb, flags->out_dtype);
  verb.add_option("--config", flags->config,
                  "Force the config of this tag (fathom plan lists them)")
      ->type_name("TAG");
  verb.footer(
      "d = a * b^T. F8_E4M3 operands bring F32 scales, one per row and 128 of k or one per "
      "128x128\n"
      "block; BF16, F16 and F32 operands are quantised first, a by 1x128, b by 128x128.\n"
      "Examples:\n"
      "  fathom run --a x.safetensors::x --b model.safetensors::layer.weight -o d.safetensors\n"
      "  fathom run --a a.safetensors::q --a-scale a.safetensors::s --b w.safetensors::w -o "
      "d.safetensors\n");
  return [flags](const CommonFlags& common) { return multiply(*flags, common); };
}

}  // namespace fathom::cli
