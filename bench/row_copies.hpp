// Copies rows of A, of its scales and of D to where padding wants them and back: what an engine
// pays whose product asks for aligned groups. Benchmark layer.
#pragma once

#include <vector>

#include <fathom/context.hpp>

#include "cuda/launch.hpp"
#include "cuda/memory.hpp"

namespace fathom::bench {

class RowCopies {
 public:
  RowCopies(const Context& context, const cuda::Device& device);

  /// to[map[i]] = from[i] for rows of `row_bytes` bytes (a multiple of 16, no gaps), on all SMs.
  void scatter(const cuda::Buffer& from, const cuda::Buffer& to, const cuda::Buffer& map,
               std::int64_t rows, std::int64_t row_bytes, cuda::abi::Stream stream) const;
  /// to[i] = from[map[i]].
  void gather(const cuda::Buffer& from, const cuda::Buffer& to, const cuda::Buffer& map,
              std::int64_t rows, std::int64_t row_bytes, cuda::abi::Stream stream) const;
  /// Scales [blocks][pitch], rows contiguous: to[b][map[i]] = from[b][i].
  void scatter_scales(const cuda::Buffer& from, const cuda::Buffer& to, const cuda::Buffer& map,
                      std::int64_t rows, std::int64_t blocks, std::int64_t pitch,
                      cuda::abi::Stream stream) const;

 private:
  struct Arguments;
  void launch(const cuda::Function& function, Arguments arguments, cuda::abi::Stream stream) const;

  cuda::Function rows_, scales_;
  int num_sms_ = 0;
};

}  // namespace fathom::bench
