// quantize and dequantize in tiles of 128 x 128, spread over threads. See quantize.hpp.
#include "cpu/quantize.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "cpu/parallel.hpp"
#include "cpu/row_ops.hpp"
#include "reference/quantize.hpp"

namespace fathom::cpu {
namespace {

constexpr std::int64_t kTile =
    128;  // the block of operations.md: no scale reaches farther along either side

/// A tile of x in FP32. On the heap: 64 KiB are much for the stack of a thread that is not ours.
using Values = std::array<std::array<float, kTile>, kTile>;
using Codes = std::array<std::array<std::uint8_t, kTile>, kTile>;

/// Rows and columns of x that one tile covers.
struct Tile {
  std::int64_t row, col, rows, cols;
};

/// Calls work(tile) for all tiles of [rows, cols], from several threads when there is enough to do.
template <typename Work>
void for_each_tile(const TensorView& x, int threads, Work work) {
  const std::int64_t tile_rows = (x.shape[0] + kTile - 1) / kTile;
  const std::int64_t tile_cols = (x.shape[1] + kTile - 1) / kTile;
  // Starting a thread costs about 20 us, in which a core casts some tens of thousands of elements:
  // four tiles.
  const std::int64_t useful = std::max<std::int64_t>(1, tile_rows * tile_cols / 4);
  parallel_for(
      tile_rows * tile_cols, static_cast<int>(std::min<std::int64_t>(threads, useful)),
      [&](int, std::int64_t i) {
        const std::int64_t row = i / tile_cols * kTile;
        const std::int64_t col = i % tile_cols * kTile;
        work(Tile{row, col, std::min(kTile, x.shape[0] - row), std::min(kTile, x.shape[1] - col)});
      });
}

std::byte* element(const TensorView& view, std::int64_t row, std::int64_t col) {
  return static_cast<std::byte*>(view.data) +
         (row * view.stride[0] + col * view.stride[1]) * size_of(view.dtype);
}

std::uint8_t* code_at(const TensorView& q, std::int64_t row, std::int64_t col) {
  return reinterpret_cast<std::uint8_t*>(element(q, row, col));
}

float& scale_at(const TensorView& scale, std::int64_t row, std::int64_t col) {
  return *reinterpret_cast<float*>(element(scale, row, col));
}

class Quantizer {
 public:
  Quantizer(const TensorView& x, const TensorView& q, const TensorView& scale, bool power_of_two)
      : x_(x), q_(q), scale_(scale), power_of_two_(power_of_two) {}

  void rows_of(const Tile& tile) const {
    std::array<float, kTile> values;
    for (std::int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
      load(row, tile, values.data());
      const float scale = block_scale(ops_.amax(values.data(), tile.cols));
      scale_at(scale_, row, tile.col / kTile) = scale;
      ops_.encode(values.data(), tile.cols, scale, code_at(q_, row, tile.col));
    }
  }

  void block_of(const Tile& tile) const {
    const auto values = load_tile(tile);
    float amax = 0;
    for (std::int64_t i = 0; i < tile.rows; ++i)
      amax = std::max(amax, ops_.amax(row(*values, i), tile.cols));
    const float scale = block_scale(amax);
    scale_at(scale_, tile.row / kTile, tile.col / kTile) = scale;
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      ops_.encode(row(*values, i), tile.cols, scale, code_at(q_, tile.row + i, tile.col));
    }
  }

  void columns_of(const Tile& tile) const {
    const auto values = load_tile(tile);
    std::array<float, kTile> scale{};
    for (std::int64_t i = 0; i < tile.rows; ++i)
      ops_.max_magnitude(row(*values, i), tile.cols, scale.data());
    for (std::int64_t j = 0; j < tile.cols; ++j) {
      float& column_scale = scale[static_cast<std::size_t>(j)];
      column_scale = block_scale(column_scale);
      scale_at(scale_, tile.col + j, tile.row / kTile) = column_scale;
    }
    const auto codes = std::make_unique_for_overwrite<Codes>();
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      ops_.encode_scaled(row(*values, i), tile.cols, scale.data(),
                         (*codes)[static_cast<std::size_t>(i)].data());
    }
    for (std::int64_t j = 0; j < tile.cols; ++j) {
      std::uint8_t* out = code_at(q_, tile.col + j, tile.row);
      for (std::int64_t i = 0; i < tile.rows; ++i) {
        out[i] = (*codes)[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
      }
    }
  }

 private:
  static const float* row(const Values& values, std::int64_t i) {
    return values[static_cast<std::size_t>(i)].data();
  }

  float block_scale(float amax) const { return reference::block_scale(amax, power_of_two_); }

  void load(std::int64_t row, const Tile& tile, float* values) const {
    ops_.load(element(x_, row, tile.col), x_.dtype, tile.cols, values);
  }

  std::unique_ptr<Values> load_tile(const Tile& tile) const {
    auto values = std::make_unique_for_overwrite<Values>();
    for (std::int64_t i = 0; i < tile.rows; ++i)
      load(tile.row + i, tile, (*values)[static_cast<std::size_t>(i)].data());
    return values;
  }

  const TensorView& x_;
  const TensorView& q_;
  const TensorView& scale_;
  bool power_of_two_;
  const RowOps& ops_ = row_ops();
};

class Dequantizer {
 public:
  Dequantizer(const TensorView& q, const TensorView& scale, const TensorView& x, ScaleBlock block)
      : q_(q), scale_(scale), x_(x), block_rows_(block == ScaleBlock::k128x128 ? kTile : 1) {}

  void rows_of(const Tile& tile) const {
    std::array<float, kTile> values;
    for (std::int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
      decode(row, tile.col, tile.cols, values.data());
      store(values.data(), row, tile.col, tile.cols);
    }
  }

  void columns_of(const Tile& tile) const {
    const auto values = std::make_unique_for_overwrite<Values>();
    std::array<float, kTile> column;
    for (std::int64_t j = 0; j < tile.cols; ++j) {
      decode(tile.col + j, tile.row, tile.rows, column.data());
      for (std::int64_t i = 0; i < tile.rows; ++i) {
        (*values)[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
            column[static_cast<std::size_t>(i)];
      }
    }
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      store((*values)[static_cast<std::size_t>(i)].data(), tile.row + i, tile.col, tile.cols);
    }
  }

 private:
  /// q[row, col ...], inside one block of 128 columns of q.
  void decode(std::int64_t row, std::int64_t col, std::int64_t count, float* values) const {
    ops_.decode(code_at(q_, row, col), count, scale_at(scale_, row / block_rows_, col / kTile),
                values);
  }

  void store(const float* values, std::int64_t row, std::int64_t col, std::int64_t count) const {
    std::byte* out = element(x_, row, col);
    if (x_.dtype == DType::kBf16) {
      ops_.store_bf16(values, count, reinterpret_cast<std::uint16_t*>(out));
    } else {
      std::copy_n(values, count, reinterpret_cast<float*>(out));
    }
  }

  const TensorView& q_;
  const TensorView& scale_;
  const TensorView& x_;
  std::int64_t block_rows_;
  const RowOps& ops_ = row_ops();
};

}  // namespace

void quantize(const TensorView& x, const TensorView& q, const TensorView& scale, ScaleBlock block,
              bool power_of_two_scales, int threads) {
  const Quantizer quantizer(x, q, scale, power_of_two_scales);
  for_each_tile(x, threads, [&](const Tile& tile) {
    switch (block) {
      case ScaleBlock::k1x128:
        return quantizer.rows_of(tile);
      case ScaleBlock::k128x128:
        return quantizer.block_of(tile);
      case ScaleBlock::k1x128Transposed:
        return quantizer.columns_of(tile);
    }
  });
}

void dequantize(const TensorView& q, const TensorView& scale, const TensorView& x, ScaleBlock block,
                int threads) {
  const Dequantizer dequantizer(q, scale, x, block);
  for_each_tile(x, threads, [&](const Tile& tile) {
    if (block == ScaleBlock::k1x128Transposed) return dequantizer.columns_of(tile);
    dequantizer.rows_of(tile);
  });
}

}  // namespace fathom::cpu
