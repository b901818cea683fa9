#include "emulated/gemm_case.hpp"

#include <cstring>

#include "emulator/gemm.hpp"
#include "emulator/tensor_map.hpp"
#include "gemm/launch.hpp"
#include "plan/gemm_planner.hpp"
#include "reference/gemm.hpp"
#include "reference/tolerance.hpp"

namespace fathom::testing {
namespace {

namespace kernel = device::gemm;

emulator::MapType type_of(kernel::MapElement element) {
  switch (element) {
    case kernel::MapElement::kU8:
      return emulator::MapType::kUint8;
    case kernel::MapElement::kFp32:
      return emulator::MapType::kFloat32;
    case kernel::MapElement::kBf16:
      return emulator::MapType::kBfloat16;
  }
  return emulator::MapType::kUint8;
}

void encode(const kernel::TensorMapSpec& spec, const void* base, TensorMap& map) {
  if (!spec.used) return;
  emulator::EncodedTensorMap encoded;
  encoded.base = reinterpret_cast<std::uint64_t>(base);
  encoded.rank = 2;
  for (int i = 0; i < 2; ++i) {
    encoded.dims[i] = static_cast<std::uint64_t>(spec.dims[i]);
    encoded.box[i] = static_cast<std::uint16_t>(spec.box[i]);
    encoded.element_strides[i] = 1;
  }
  encoded.strides[0] = static_cast<std::uint64_t>(spec.pitch_bytes);
  encoded.type = type_of(spec.element);
  encoded.swizzle = static_cast<emulator::MapSwizzle>(spec.swizzle);
  std::memcpy(&map, &encoded, sizeof map);
}

std::vector<std::byte> bytes_of(const reference::Buffer& buffer) {
  return {buffer.data(), buffer.data() + buffer.bytes()};
}

/// From the first element of a view to the end of its last row.
void allow(emulator::Memory& memory, const char* name, const TensorView& view, std::size_t element,
           emulator::Access access) {
  std::size_t last = 0;
  for (int i = 0; i < view.rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    last += static_cast<std::size_t>((view.shape[at] - 1) * view.stride[at]);
  }
  memory.allow(name, view.data, (last + 1) * element, access);
}

}  // namespace

GemmCase::GemmCase(const EmulatedKernel& the_kernel, const reference::ProblemSpec& spec,
                   EmulatedLaunch launch)
    : kernel_(the_kernel), data_(spec), launch_(launch) {
  const auto size = static_cast<std::size_t>(data_.d_rows() * data_.problem().n);
  exact_.resize(size);
  magnitude_.resize(size);
  reference::gemm_fp64(data_.problem(), data_.operands(), exact_.data());
  reference::gemm_magnitude(data_.problem(), data_.operands(), magnitude_.data());
  if (spec.data != reference::DataKind::kExact) return;
  data_.reset_d();
  reference::gemm(data_.problem(), data_.operands());
  right_bits_ = bytes_of(data_.d_memory());
}

EmulatedResult GemmCase::run(std::uint64_t seed) {
  return run(emulator::options_of(kernel_.config, seed));
}

EmulatedResult GemmCase::run(const emulator::Options& options) {
  data_.reset_d();
  EmulatedResult result;
  result.report = launch(options);
  result.wrong = judge();
  return result;
}

emulator::Report GemmCase::run_with_index(const std::vector<std::int64_t>& index,
                                          std::uint64_t seed) {
  const TensorView& view = data_.operands().groups.index;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto narrow = static_cast<std::int32_t>(index[i]);
    if (view.dtype == DType::kInt64)
      std::memcpy(static_cast<std::int64_t*>(view.data) + i, &index[i], sizeof(std::int64_t));
    else
      std::memcpy(static_cast<std::int32_t*>(view.data) + i, &narrow, sizeof narrow);
  }
  return launch(emulator::options_of(kernel_.config, seed));
}

emulator::Report GemmCase::launch(const emulator::Options& options) {
  const kernel::Config& config = kernel_.config;
  const GemmOperands& operands = data_.operands();
  const kernel::Sizes sizes = plan::sizes_of(data_.problem());
  kernel::Params params = kernel::make_params(config, sizes,
                                              {static_cast<const float*>(operands.scale_a.data),
                                               static_cast<const float*>(operands.scale_b.data),
                                               operands.d.data, operands.groups.index.data},
                                              data_.problem().accumulate);
  params.weights_constant = launch_.programmatic ? 1 : 0;
  const kernel::TensorMapSpecs maps = kernel::describe_tensor_maps(config, sizes);
  encode(maps.a, operands.a.data, params.a);
  encode(maps.b, operands.b.data, params.b);
  encode(maps.b_strip, operands.b.data, params.b_strip);
  encode(maps.a_tail, operands.a.data, params.a_tail);
  encode(maps.b_tail, operands.b.data, params.b_tail);
  if (params.scales_of_a.by_tma != 0) encode(maps.scale_a, operands.scale_a.data, params.scale_a);
  if (params.scales_of_b.by_tma != 0) encode(maps.scale_b, operands.scale_b.data, params.scale_b);
  encode(maps.d, operands.d.data, params.d);

  emulator::Memory memory;
  allow(memory, "a", operands.a, 1, emulator::Access::kRead);
  allow(memory, "b", operands.b, 1, emulator::Access::kRead);
  allow(memory, "scale_a", operands.scale_a, 4, emulator::Access::kRead);
  allow(memory, "scale_b", operands.scale_b, 4, emulator::Access::kRead);
  allow(memory, "d", operands.d, static_cast<std::size_t>(config.d_bytes()),
        emulator::Access::kReadWrite);
  if (data_.problem().grouped())
    allow(memory, "groups", operands.groups.index, data_.problem().index_is_int64 ? 8 : 4,
          emulator::Access::kRead);
  emulator::LaunchShape shape = emulator::launch_of(config, params, launch_.max_ctas);
  shape.programmatic = launch_.programmatic;
  return emulator::run(kernel_.entry, shape, &params, sizeof params, memory, options);
}

std::string GemmCase::judge() {
  const std::string tag = kernel::tag_of(kernel_.config).text;
  if (std::string damage = data_.d_damage(); !damage.empty()) return tag + ": " + damage + "\n";
  const auto tolerance = reference::tolerance_of(data_.problem().out, Backend::kCuda);
  const auto compared = reference::compare(data_.problem(), data_.groups(), data_.operands().d,
                                           exact_.data(), magnitude_.data(), tolerance);
  if (!compared.passed) return compared.text(data_.problem(), tolerance, tag) + "\n";
  if (!right_bits_.empty() && bytes_of(data_.d_memory()) != right_bits_)
    return tag + ": exact data, but not the reference's bits\n";
  return {};
}

}  // namespace fathom::testing
