// See l2_flush.hpp.
#include "l2_flush.hpp"

#include "api/cuda_runtime.hpp"

namespace fathom::bench {
namespace {

constexpr std::int64_t kBytes =
    256'000'000;  // as in the published tables; five times the L2 of an H200
constexpr std::int64_t kMarkBytes = 4093;  // a size that nobody else sets
constexpr char kReadName[] = "fathom_l2_read";
// The sum is never that NaN, so nothing is written, but the compiler cannot know.
constexpr char kReadSource[] = R"(
extern "C" __global__ void fathom_l2_read(const float4* data, long long count, float* out) {
  float sum = 0;
  for (long long i = blockIdx.x * 1024ll + threadIdx.x; i < count; i += gridDim.x * 1024ll) {
    const float4 v = data[i];
    sum += v.x + v.y + v.z + v.w;
  }
  if (__float_as_int(sum) == 0x7fabcdef) *out = sum;
}
)";

}  // namespace

L2Flush::L2Flush(const Context& context, const cuda::Device& device, Flush flush) : flush_(flush) {
  if (flush != Flush::kNone) memory_ = cuda::Buffer(device, kBytes);
  if (flush != Flush::kWrite) mark_ = cuda::Buffer(device, kMarkBytes);
  if (flush == Flush::kRead) {
    memory_.fill(0);
    read_ = api::load_kernel(
        context, device, kReadName, [] { return std::string(kReadSource); }, 0);
  }
}

void L2Flush::run(cuda::abi::Stream stream) {
  if (flush_ == Flush::kWrite) {
    memory_.fill(0, stream);
    return;
  }
  if (flush_ == Flush::kRead) {
    const void* data = memory_.data();
    long long count = kBytes / 16;
    void* out = mark_.data();
    void* params[] = {&data, &count, &out};
    cuda::LaunchShape shape;
    shape.grid.x = static_cast<unsigned>(2 * read_->device->info().num_sms);
    shape.block.x = 1024;
    cuda::launch(*read_, shape, stream, params);
  }
  mark_.fill(0, stream);
}

bool L2Flush::ends_with(const Activity& activity) const {
  return activity.memset_bytes == (flush_ == Flush::kWrite ? kBytes : kMarkBytes);
}

bool L2Flush::contains(const Activity& activity) const {
  return ends_with(activity) || activity.name == kReadName;
}

}  // namespace fathom::bench
