// The closed set of cast kernels and their source. Planning layer: pure.
#include "plan/quantize_configs.hpp"

#include <array>

namespace fathom::plan {
namespace {

using device::quantize::Element;
using device::quantize::Operation;

constexpr Operation kOperations[] = {Operation::kCast1x128, Operation::kCast128x128,
                                     Operation::kCast1x128Transposed, Operation::kDequantize,
                                     Operation::kCopyScales};
constexpr Element kElements[] = {Element::kBf16, Element::kFp16, Element::kFp32};

template <typename Visit>
constexpr void for_each_legal(Visit visit) {
  for (const Operation operation : kOperations)
    for (const Element element : kElements)
      if (const QuantizeConfig config{operation, element};
          device::quantize::why_illegal(config) == nullptr)
        visit(config);
}

constexpr std::size_t count_legal() {
  std::size_t count = 0;
  for_each_legal([&count](const QuantizeConfig&) { ++count; });
  return count;
}

constexpr auto build_set() {
  std::array<QuantizeConfig, count_legal()> set{};
  std::size_t count = 0;
  for_each_legal([&set, &count](const QuantizeConfig& config) { set[count++] = config; });
  return set;
}

constexpr auto kSet = build_set();

std::optional<Element> element_of(DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return Element::kBf16;
    case DType::kFp16:
      return Element::kFp16;
    case DType::kFp32:
      return Element::kFp32;
    default:
      return std::nullopt;
  }
}

Operation operation_of(ScaleBlock block) {
  switch (block) {
    case ScaleBlock::k128x128:
      return Operation::kCast128x128;
    case ScaleBlock::k1x128Transposed:
      return Operation::kCast1x128Transposed;
    case ScaleBlock::k1x128:
      break;
  }
  return Operation::kCast1x128;
}

std::optional<QuantizeConfig> legal(Operation operation, DType x) {
  const std::optional<Element> element = element_of(x);
  if (!element) return std::nullopt;
  const QuantizeConfig config{operation, *element};
  if (device::quantize::why_illegal(config) != nullptr) return std::nullopt;
  return config;
}

}  // namespace

std::span<const QuantizeConfig> quantize_configs() {
  return kSet;
}

std::string quantize_tag(const QuantizeConfig& config) {
  return device::quantize::tag_of(config);
}

std::optional<QuantizeConfig> find_quantize_config(std::string_view tag) {
  for (const QuantizeConfig& config : kSet)
    if (tag == device::quantize::tag_of(config)) return config;
  return std::nullopt;
}

std::string quantize_kernel_name(const QuantizeConfig& config) {
  return "fp8_quantize_" + quantize_tag(config);
}

std::string quantize_source(const QuantizeConfig& config) {
  std::string text =
      "#include \"quantize/kernel.cuh\"\n"
      "inline constexpr fathom::device::quantize::Config kConfig{\n";
  text += std::string("    .operation = ") + device::quantize::name_of(config.operation) + ",\n";
  text += std::string("    .element = ") + device::quantize::name_of(config.element) + "};\n";
  text += "extern \"C\" __global__ void __launch_bounds__(kConfig.num_threads())\n";
  text += quantize_kernel_name(config);
  text +=
      "(const __grid_constant__ fathom::device::quantize::Params params) {\n"
      "  extern __shared__ __align__(16) unsigned char smem[];\n"
      "  fathom::device::quantize::Kernel<kConfig>::run(params, smem);\n"
      "}\n";
  return text;
}

std::optional<QuantizeConfig> plan_quantize(DType x, ScaleBlock block) {
  return legal(operation_of(block), x);
}

std::optional<QuantizeConfig> plan_dequantize(DType x) {
  return legal(Operation::kDequantize, x);
}

}  // namespace fathom::plan
