// Turns a launch shape into the driver's attributes and launches. Runtime layer.
#include "cuda/launch.hpp"

#include <fmt/format.h>

#include <array>

#include "cuda/device.hpp"
#include "cuda/nvtx.hpp"

namespace fathom::cuda {
namespace {

constexpr std::size_t kMaxAttributes = 4;  // cluster, programmatic, cooperative, priority

struct Attributes {
  std::array<abi::LaunchAttribute, kMaxAttributes> list{};
  unsigned count = 0;

  abi::LaunchAttributeValue& add(abi::LaunchAttributeId id) {
    list[count].id = id;
    return list[count++].value;
  }
};

[[noreturn]] void fail(abi::Result result, const Function& function, const LaunchShape& shape,
                       abi::Stream stream, void** params) {
  const auto text = [](const Dim3& d) { return fmt::format("[{}, {}, {}]", d.x, d.y, d.z); };
  const std::string priority = shape.priority ? fmt::format("{}", *shape.priority) : "default";
  const std::string doing = fmt::format(
      "launching {} on CUDA device {} ({}) with grid {}, block {}, cluster {}, {} bytes of dynamic "
      "shared memory "
      "({} allowed, {} static), stream {}, programmatic {}, cooperative {}, priority {}, "
      "parameters at {}; the kernel has "
      "{} registers, {} bytes of local memory and at most {} threads",
      function.name, function.device->info().ordinal, function.device->info().name,
      text(shape.grid), text(shape.block), text(shape.cluster), shape.shared_bytes,
      function.dynamic_shared_bytes, function.static_shared_bytes, fmt::ptr(stream),
      shape.programmatic, shape.cooperative, priority,
      fmt::ptr(params == nullptr ? nullptr : params[0]), function.num_registers,
      function.local_bytes, function.max_threads);
  function.device->driver().fail(result, "cuLaunchKernelEx", doing);
}

}  // namespace

void launch(const Function& function, const LaunchShape& shape, abi::Stream stream, void** params) {
  Attributes attributes;
  // A cluster of one is asked for as well: without the attribute, instructions that address shared
  // memory by cluster (st.async) are illegal (measured on an H200, driver 580.159).
  attributes.add(abi::LaunchAttributeId::kClusterDimension).cluster = {
      shape.cluster.x, shape.cluster.y, shape.cluster.z};
  if (shape.programmatic) {
    attributes.add(abi::LaunchAttributeId::kProgrammaticStreamSerialization)
        .programmatic_stream_serialization = 1;
  }
  if (shape.cooperative) attributes.add(abi::LaunchAttributeId::kCooperative).cooperative = 1;
  if (shape.priority) attributes.add(abi::LaunchAttributeId::kPriority).priority = *shape.priority;

  const abi::LaunchConfig config{.grid_x = shape.grid.x,
                                 .grid_y = shape.grid.y,
                                 .grid_z = shape.grid.z,
                                 .block_x = shape.block.x,
                                 .block_y = shape.block.y,
                                 .block_z = shape.block.z,
                                 .shared_bytes = static_cast<unsigned>(shape.shared_bytes),
                                 .stream = stream,
                                 .attributes = attributes.list.data(),
                                 .num_attributes = attributes.count};
  const ProfilerRange range(function.name.c_str());
  const ContextGuard guard(*function.device);
  const abi::Result result =
      function.device->driver().api().launch_kernel_ex(&config, function.handle, params, nullptr);
  if (result != abi::kSuccess) fail(result, function, shape, stream, params);
}

}  // namespace fathom::cuda
