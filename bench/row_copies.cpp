// See row_copies.hpp.
#include "row_copies.hpp"

#include "api/cuda_runtime.hpp"
#include "cuda/device.hpp"

namespace fathom::bench {
namespace {

constexpr char kRowsName[] = "fathom_copy_rows";
constexpr char kRowsSource[] = R"(
struct Arguments { const void* from; void* to; const int* map; long long rows, words, pitch; int gather; };
extern "C" __global__ void fathom_copy_rows(const Arguments a) {
  for (long long row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const long long other = a.map[row];
    const uint4* from = (const uint4*)a.from + (a.gather ? other : row) * a.words;
    uint4* to = (uint4*)a.to + (a.gather ? row : other) * a.words;
    for (long long word = threadIdx.x; word < a.words; word += blockDim.x) to[word] = from[word];
  }
}
)";
constexpr char kScalesName[] = "fathom_copy_scale_rows";
constexpr char kScalesSource[] = R"(
struct Arguments { const float* from; float* to; const int* map; long long rows, words, pitch; int gather; };
extern "C" __global__ void fathom_copy_scale_rows(const Arguments a) {
  for (long long row = (long long)blockIdx.x * blockDim.x + threadIdx.x; row < a.rows; row += (long long)gridDim.x * blockDim.x)
    for (long long block = 0; block < a.words; ++block) a.to[block * a.pitch + a.map[row]] = a.from[block * a.pitch + row];
}
)";

}  // namespace

struct RowCopies::Arguments {
  const void* from;
  void* to;
  const void* map;
  long long rows, words, pitch;
  int gather;
};

RowCopies::RowCopies(const Context& context, const cuda::Device& device)
    : rows_(api::load_kernel(
          context, device, kRowsName, [] { return std::string(kRowsSource); }, 0)),
      scales_(api::load_kernel(
          context, device, kScalesName, [] { return std::string(kScalesSource); }, 0)),
      num_sms_(device.info().num_sms) {}

void RowCopies::launch(const cuda::Function& function, Arguments arguments,
                       cuda::abi::Stream stream) const {
  void* params[] = {&arguments};
  cuda::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>(8 * num_sms_);
  shape.block.x = 256;
  cuda::launch(function, shape, stream, params);
}

void RowCopies::scatter(const cuda::Buffer& from, const cuda::Buffer& to, const cuda::Buffer& map,
                        std::int64_t rows, std::int64_t row_bytes, cuda::abi::Stream stream) const {
  launch(rows_, {from.data(), to.data(), map.data(), rows, row_bytes / 16, 0, 0}, stream);
}

void RowCopies::gather(const cuda::Buffer& from, const cuda::Buffer& to, const cuda::Buffer& map,
                       std::int64_t rows, std::int64_t row_bytes, cuda::abi::Stream stream) const {
  launch(rows_, {from.data(), to.data(), map.data(), rows, row_bytes / 16, 0, 1}, stream);
}

void RowCopies::scatter_scales(const cuda::Buffer& from, const cuda::Buffer& to,
                               const cuda::Buffer& map, std::int64_t rows, std::int64_t blocks,
                               std::int64_t pitch, cuda::abi::Stream stream) const {
  launch(scales_, {from.data(), to.data(), map.data(), rows, blocks, pitch, 0}, stream);
}

}  // namespace fathom::bench
