// Making and describing tensor views. Front end; reads no tensor data.
#include <fathom/tensor.hpp>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

namespace fathom {
namespace {

TensorView make_view(const void* data, DType dtype, Device device, std::int32_t rank) {
  TensorView view;
  // One view type serves inputs and outputs; the operations say which they write.
  view.data = const_cast<void*>(data);
  view.dtype = dtype;
  view.device = device;
  view.rank = rank;
  return view;
}

/// At the ends of the range instead of overflowing: a view of such a size is refused where it is
/// used.
std::int64_t saturating_product(std::int64_t left, std::int64_t right) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(left, right, &product)) return product;
  constexpr auto kLimits = std::numeric_limits<std::int64_t>();
  return (left < 0) == (right < 0) ? kLimits.max() : kLimits.min();
}

}  // namespace

TensorView TensorView::vector(const void* data, DType dtype, std::int64_t size, Device device) {
  TensorView view = make_view(data, dtype, device, 1);
  view.shape[0] = size;
  view.stride[0] = 1;
  return view;
}

TensorView TensorView::matrix(const void* data, DType dtype, std::int64_t rows, std::int64_t cols,
                              std::int64_t pitch, Device device) {
  TensorView view = make_view(data, dtype, device, 2);
  view.shape = {rows, cols};
  view.stride = {pitch == 0 ? cols : pitch, 1};
  return view;
}

TensorView TensorView::batch(const void* data, DType dtype, std::int64_t batch, std::int64_t rows,
                             std::int64_t cols, std::int64_t pitch, std::int64_t batch_stride,
                             Device device) {
  TensorView view = make_view(data, dtype, device, 3);
  const std::int64_t row_stride = pitch == 0 ? cols : pitch;
  view.shape = {batch, rows, cols};
  view.stride = {batch_stride == 0 ? saturating_product(rows, row_stride) : batch_stride,
                 row_stride, 1};
  return view;
}

TensorView TensorView::transposed() const {
  TensorView view = *this;
  if (rank >= 2) {
    const auto last = static_cast<std::size_t>(rank) - 1;
    std::swap(view.shape[last], view.shape[last - 1]);
    std::swap(view.stride[last], view.stride[last - 1]);
  }
  return view;
}

std::int64_t TensorView::num_elements() const {
  const auto extents =
      std::span(shape).first(static_cast<std::size_t>(std::clamp(rank, 0, kMaxRank)));
  if (extents.empty() || std::ranges::find(extents, 0) != extents.end()) return 0;
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) count = saturating_product(count, extent);
  return count;
}

std::string to_string(Device device) {
  if (device.type == DeviceType::kCpu) return "cpu";
  if (device.type == DeviceType::kCuda) return "cuda:" + std::to_string(device.index);
  return "unknown device type " + std::to_string(static_cast<std::int32_t>(device.type));
}

std::string shape_text(const TensorView& view) {
  std::string text = "[";
  for (int i = 0; i < std::clamp(view.rank, 0, TensorView::kMaxRank); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(view.shape[static_cast<std::size_t>(i)]);
  }
  return text + "]";
}

}  // namespace fathom
