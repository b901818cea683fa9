// Libraries, kernels, tensor maps and launches of the recording driver. Emulator layer, driver.
#include <cstring>

#include "emulator/driver/recorder.hpp"

using namespace recording_cuda;

namespace {

static_assert(sizeof(RecordingCudaTensorMap) == sizeof(abi::TensorMap));

constexpr unsigned kMaxThreads = 1024;       // of a block
constexpr unsigned kMaxPortableCluster = 8;  // blocks
constexpr int kRegisters = 168;              // 65536 / 384 threads, rounded down to 8

/// The rules of cuTensorMapEncodeTiled that concern these tests, written apart from the library's
/// own check.
bool encodable(const RecordingCudaTensorMap& map, const std::uint32_t* box) {
  static constexpr int kElementBytes[] = {1, 2, 4, 4, 8, 8, 2,
                                          4, 8, 2, 4, 4, 4};  // CUtensorMapDataType
  if (map.rank < 1 || map.rank > 5 || map.type > 12 || map.base == 0 || map.base % 16 != 0)
    return false;
  for (int i = 0; i < map.rank; ++i) {
    if (map.dims[i] == 0 || map.dims[i] > (1ULL << 32) || box[i] == 0 || box[i] > 256) return false;
    if (map.element_strides[i] == 0 || map.element_strides[i] > 8) return false;
    if (i > 0 && (map.strides[i - 1] % 16 != 0 || map.strides[i - 1] >= (1ULL << 40))) return false;
  }
  const unsigned inner = box[0] * static_cast<unsigned>(kElementBytes[map.type]);
  if (inner % 16 != 0) return false;
  return map.swizzle == 0 || inner <= 16U << map.swizzle;  // 1, 2, 3 = spans of 32, 64, 128 bytes
}

/// What the driver checks before a launch.
abi::Result launch_problem(State& s, const Launch& launch, Stream* stream) {
  const RecordingCudaLaunch& shape = launch.shape;
  if (launch.function->device != context_stack().back()->device) return abi::kErrorInvalidHandle;
  if (stream != nullptr && stream->device != launch.function->device)
    return abi::kErrorInvalidHandle;
  unsigned threads = 1;
  unsigned cluster = 1;
  for (int i = 0; i < 3; ++i) {
    if (shape.grid[i] == 0 || shape.block[i] == 0) return abi::kErrorInvalidValue;
    if (shape.cluster[i] == 0 || shape.grid[i] % shape.cluster[i] != 0)
      return abi::kErrorInvalidClusterSize;
    threads *= shape.block[i];
    cluster *= shape.cluster[i];
  }
  if (threads > kMaxThreads || shape.grid[0] > 0x7fffffffU) return abi::kErrorInvalidValue;
  if (shape.grid[1] > 0xffffU || shape.grid[2] > 0xffffU) return abi::kErrorInvalidValue;
  if (cluster > kMaxPortableCluster) return abi::kErrorInvalidClusterSize;
  if (shape.shared_bytes > static_cast<unsigned>(launch.function->max_dynamic_shared))
    return abi::kErrorInvalidValue;
  if (shape.cooperative && shape.grid[0] * shape.grid[1] * shape.grid[2] > s.get("sms")) {
    return abi::kErrorLaunchOutOfResources;
  }
  return abi::kSuccess;
}

std::shared_ptr<Launch> describe(State& s, const abi::LaunchConfig& config, Function* function,
                                 void** params) {
  auto launch = std::make_shared<Launch>();
  launch->function = function;
  launch->shape = {.function = function->kernel->name.c_str(),
                   .image = function->kernel->library->image.data(),
                   .device = function->device,
                   .grid = {config.grid_x, config.grid_y, config.grid_z},
                   .block = {config.block_x, config.block_y, config.block_z},
                   .cluster = {1, 1, 1},
                   .shared_bytes = config.shared_bytes,
                   .programmatic = 0,
                   .cooperative = 0,
                   .priority = 0,
                   .captured = 0,
                   .stream = config.stream,
                   .params = nullptr,
                   .param_bytes = s.param_bytes_of(function->kernel->name)};
  for (unsigned i = 0; i < config.num_attributes; ++i) {
    const abi::LaunchAttributeValue& value = config.attributes[i].value;
    switch (config.attributes[i].id) {
      case abi::LaunchAttributeId::kCooperative:
        launch->shape.cooperative = value.cooperative;
        break;
      case abi::LaunchAttributeId::kPriority:
        launch->shape.priority = value.priority;
        break;
      case abi::LaunchAttributeId::kProgrammaticStreamSerialization:
        launch->shape.programmatic = value.programmatic_stream_serialization;
        break;
      case abi::LaunchAttributeId::kClusterDimension:
        launch->shape.cluster[0] = value.cluster.x;
        launch->shape.cluster[1] = value.cluster.y;
        launch->shape.cluster[2] = value.cluster.z;
        break;
    }
  }
  if (launch->shape.param_bytes > 0 && params != nullptr) {
    const auto* bytes = static_cast<const unsigned char*>(params[0]);
    launch->params.assign(bytes, bytes + launch->shape.param_bytes);
    launch->shape.params = launch->params.data();
  }
  return launch;
}

std::string text(const RecordingCudaLaunch& l) {
  return fmt::format(
      "function={} device={} grid=[{},{},{}] block=[{},{},{}] cluster=[{},{},{}] shared={} "
      "programmatic={} "
      "cooperative={} priority={} stream={} captured={}",
      l.function, l.device, l.grid[0], l.grid[1], l.grid[2], l.block[0], l.block[1], l.block[2],
      l.cluster[0], l.cluster[1], l.cluster[2], l.shared_bytes, l.programmatic, l.cooperative,
      l.priority, fmt::ptr(l.stream), l.captured);
}

}  // namespace

RECORDING_CUDA_EXPORT abi::Result cuLibraryLoadData(abi::Library* library, const void* image, void*,
                                                    void**, unsigned, void*, void**, unsigned) {
  return record_call("cuLibraryLoadData", "", [&](State& s, std::string& text) -> abi::Result {
    if (!s.initialised) return abi::kErrorNotInitialized;
    if (const abi::Result conflict = capture_conflict(s); conflict != abi::kSuccess)
      return conflict;
    if (image == nullptr) return abi::kErrorInvalidImage;
    // The driver finds a cubin's size in its ELF header; an image of another kind counts as text.
    const auto* bytes = static_cast<const char*>(image);
    std::size_t size = 0;
    if (std::memcmp(bytes,
                    "\x7f"
                    "ELF",
                    4) == 0) {
      std::uint64_t section_offset = 0;
      std::uint16_t section_size = 0;
      std::uint16_t section_count = 0;
      std::memcpy(&section_offset, bytes + 40, 8);  // e_shoff, e_shentsize, e_shnum of Elf64_Ehdr
      std::memcpy(&section_size, bytes + 58, 2);
      std::memcpy(&section_count, bytes + 60, 2);
      size = section_offset + std::size_t{section_size} * section_count;
    } else {
      size = std::strlen(bytes);
    }
    if (size == 0) return abi::kErrorInvalidImage;
    s.libraries.push_back(std::make_unique<Library>(Library{std::string(bytes, size)}));
    *library = reinterpret_cast<abi::Library>(s.libraries.back().get());
    text = fmt::format("bytes={}", size);
    return abi::kSuccess;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuLibraryGetKernel(abi::Kernel* kernel, abi::Library library,
                                                     const char* name) {
  return record_call("cuLibraryGetKernel", fmt::format("name={}", name),
                     [&](State& s, std::string&) -> abi::Result {
                       auto* from = reinterpret_cast<Library*>(library);
                       if (from->image.find(name) == std::string::npos) return abi::kErrorNotFound;
                       s.kernels.push_back(std::make_unique<Kernel>(Kernel{from, name}));
                       *kernel = reinterpret_cast<abi::Kernel>(s.kernels.back().get());
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuKernelGetFunction(abi::Function* function, abi::Kernel kernel) {
  auto* from = reinterpret_cast<Kernel*>(kernel);
  return record_context_call("cuKernelGetFunction", fmt::format("name={}", from->name),
                             [&](State& s, std::string&) -> abi::Result {
                               const int device = context_stack().back()->device;
                               auto& slot = s.functions[{from, device}];
                               if (!slot) slot = std::make_unique<Function>(Function{from, device});
                               *function = reinterpret_cast<abi::Function>(slot.get());
                               return abi::kSuccess;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuFuncLoad(abi::Function function) {
  return record_context_call(
      "cuFuncLoad", fmt::format("name={}", reinterpret_cast<Function*>(function)->kernel->name),
      [](State& s, std::string&) { return capture_conflict(s); });
}

RECORDING_CUDA_EXPORT abi::Result cuFuncGetAttribute(int* value, abi::FunctionAttribute attribute,
                                                     abi::Function function) {
  return record_context_call("cuFuncGetAttribute",
                             fmt::format("attribute={}", static_cast<int>(attribute)),
                             [&](State&, std::string&) -> abi::Result {
                               *value = 0;
                               if (attribute == abi::FunctionAttribute::kMaxThreadsPerBlock)
                                 *value = static_cast<int>(kMaxThreads);
                               if (attribute == abi::FunctionAttribute::kNumRegisters)
                                 *value = kRegisters;
                               if (attribute == abi::FunctionAttribute::kMaxDynamicSharedBytes) {
                                 *value = reinterpret_cast<Function*>(function)->max_dynamic_shared;
                               }
                               return abi::kSuccess;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuFuncSetAttribute(abi::Function function,
                                                     abi::FunctionAttribute attribute, int value) {
  return record_context_call(
      "cuFuncSetAttribute",
      fmt::format("attribute={} value={}", static_cast<int>(attribute), value),
      [&](State& s, std::string&) -> abi::Result {
        if (attribute != abi::FunctionAttribute::kMaxDynamicSharedBytes) return abi::kSuccess;
        if (value < 0 || value > s.get("shared_bytes")) return abi::kErrorInvalidValue;
        reinterpret_cast<Function*>(function)->max_dynamic_shared = value;
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuTensorMapEncodeTiled(
    abi::TensorMap* out, abi::TensorMapDataType type, std::uint32_t rank, void* base,
    const std::uint64_t* dims, const std::uint64_t* strides, const std::uint32_t* box,
    const std::uint32_t* element_strides, abi::TensorMapInterleave interleave,
    abi::TensorMapSwizzle swizzle, abi::TensorMapL2Promotion promotion, abi::TensorMapFill fill) {
  std::string arguments =
      fmt::format("type={} rank={} base={} swizzle={} promotion={}", static_cast<int>(type), rank,
                  base, static_cast<int>(swizzle), static_cast<int>(promotion));
  return record_context_call(
      "cuTensorMapEncodeTiled", arguments, [&](State&, std::string& text) -> abi::Result {
        if (rank < 1 || rank > 5 || reinterpret_cast<std::uintptr_t>(out) % 64 != 0)
          return abi::kErrorInvalidValue;
        RecordingCudaTensorMap map{};
        map.base = reinterpret_cast<std::uint64_t>(base);
        map.rank = static_cast<std::uint8_t>(rank);
        map.type = static_cast<std::uint8_t>(type);
        map.interleave = static_cast<std::uint8_t>(interleave);
        map.swizzle = static_cast<std::uint8_t>(swizzle);
        map.promotion = static_cast<std::uint8_t>(promotion);
        map.fill = static_cast<std::uint8_t>(fill);
        for (std::uint32_t i = 0; i < rank; ++i) {
          map.dims[i] = dims[i];
          map.box[i] = static_cast<std::uint16_t>(box[i]);
          map.element_strides[i] = static_cast<std::uint8_t>(element_strides[i]);
          if (i > 0) map.strides[i - 1] = strides[i - 1];
          text += fmt::format(" dim{}={}/{}", i, dims[i], box[i]);
          if (i > 0) text += fmt::format("@{}", strides[i - 1]);
        }
        if (!encodable(map, box)) return abi::kErrorInvalidValue;
        std::memcpy(out, &map, sizeof(map));
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuLaunchKernelEx(const abi::LaunchConfig* config,
                                                   abi::Function handle, void** params, void**) {
  RecordingCudaHook hook = nullptr;
  void* user = nullptr;
  std::shared_ptr<Launch> launch;
  const abi::Result result =
      record_context_call("cuLaunchKernelEx", "", [&](State& s, std::string& line) -> abi::Result {
        launch = describe(s, *config, reinterpret_cast<Function*>(handle), params);
        Stream* stream = nullptr;
        if (config->stream != nullptr) {
          const auto found = s.streams.find(config->stream);
          if (found == s.streams.end()) return abi::kErrorInvalidHandle;
          stream = found->second.get();
        }
        const bool capturing = stream != nullptr && stream->capturing;
        launch->shape.captured = capturing;
        line = text(launch->shape);
        if (const abi::Result problem = launch_problem(s, *launch, stream);
            problem != abi::kSuccess)
          return problem;
        s.launches.push_back(launch);
        if (capturing) {
          stream->graph->launches.push_back(launch);
        } else {
          hook = s.hook;
          user = s.hook_user;
        }
        return abi::kSuccess;
      });
  return result == abi::kSuccess && hook != nullptr ? hook(&launch->shape, user) : result;
}
