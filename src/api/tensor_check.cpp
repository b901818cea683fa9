// The rules that every operation has for its tensors. Front end; reads no tensor data.
#include "api/tensor_check.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fathom::api {
namespace {

// Far above any memory, and far enough below 2^63 that sums of offsets and roundings need no
// further checks.
constexpr std::int64_t kMaxSpanBytes = std::int64_t{1} << 62;

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::string strides_text(const Operand& operand) {
  const auto* begin = operand.view.stride.data();
  return fmt::format("[{}]", fmt::join(begin, begin + operand.view.rank, ", "));
}

std::string elements_text(const Operand& operand, std::int64_t elements) {
  return fmt::format("{} elements of {} ({} bytes)", elements, to_string(operand.view.dtype),
                     elements * size_of(operand.view.dtype));
}

/// Dimensions along which the view steps at all, by ascending stride.
struct SteppingDims {
  std::array<int, TensorView::kMaxRank> dims{};
  std::size_t count = 0;

  explicit SteppingDims(const Operand& operand) {
    for (int dim = 0; dim < operand.view.rank; ++dim) {
      if (operand.extent(dim) <= 1) continue;
      std::size_t place = count++;  // insertion: at most four, and on the path of every call
      for (; place > 0 && operand.stride(dims[place - 1]) > operand.stride(dim); --place) {
        dims[place] = dims[place - 1];
      }
      dims[place] = dim;
    }
  }
};

[[noreturn]] void refuse_span(const Operand& operand) {
  refuse(
      operand,
      fmt::format("has shape {} and strides {}; it spans more than 2^62 bytes; check the strides",
                  shape_text(operand.view), strides_text(operand)));
}

/// Bytes from the first byte to one past the last; refuses strides that are not positive or let
/// elements share memory.
std::int64_t checked_span_bytes(const Operand& operand) {
  std::int64_t span = 1;  // in elements
  const SteppingDims stepping(operand);
  for (const int dim : std::span(stepping.dims).first(stepping.count)) {
    const std::int64_t stride = operand.stride(dim);
    if (stride <= 0) {
      refuse(operand,
             fmt::format(
                 "has strides {}; dimension {} steps by {}, which {}; strides must be positive: "
                 "copy the tensor to memory of its own layout",
                 strides_text(operand), dim, stride,
                 stride == 0 ? "puts all of its entries in one place" : "goes backwards"));
    }
    if (stride < span) {
      refuse(
          operand,
          fmt::format(
              "has shape {} and strides {}; dimension {} steps by {} elements into the {} that "
              "one entry of it covers, so elements share memory; it needs a stride of {} or more",
              shape_text(operand.view), strides_text(operand), dim, stride, span, span));
    }
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(operand.extent(dim) - 1, stride, &reach) ||
        __builtin_add_overflow(span, reach, &span)) {
      refuse_span(operand);
    }
  }
  if (span > kMaxSpanBytes / size_of(operand.view.dtype)) refuse_span(operand);
  return span * size_of(operand.view.dtype);
}

std::uintptr_t address_of(const Operand& operand) {
  return reinterpret_cast<std::uintptr_t>(operand.view.data);
}

/// The bytes of an operand as a comb: teeth of `width` bytes, at offsets that are multiples of
/// `pitch` from the base.
struct Comb {
  std::int64_t width = 0;
  std::int64_t pitch = 0;  ///< 0: a single tooth
};

Comb comb_of(const Operand& operand) {
  Comb comb{size_of(operand.view.dtype), 0};
  for (int i = 0; i < operand.view.rank; ++i) {
    if (operand.extent(i) <= 1) continue;
    if (operand.stride(i) == 1) {
      comb.width = operand.extent(i) * size_of(operand.view.dtype);
    } else {
      comb.pitch = std::gcd(comb.pitch, operand.stride_bytes(i));
    }
  }
  return comb;
}

/// Whether the teeth of two combs of one common pitch never meet, as two column slices of one
/// buffer do not.
bool interleave(const Operand& left, const Operand& right) {
  const Comb a = comb_of(left);
  const Comb b = comb_of(right);
  const std::int64_t pitch = std::gcd(a.pitch, b.pitch);
  if (pitch == 0) return false;
  const auto unsigned_pitch = static_cast<std::uintptr_t>(pitch);
  const std::uintptr_t distance =
      address_of(right) >= address_of(left)
          ? (address_of(right) - address_of(left)) % unsigned_pitch
          : unsigned_pitch - 1 - (address_of(left) - address_of(right) - 1) % unsigned_pitch;
  const auto offset = static_cast<std::int64_t>(distance);
  return a.width <= offset && offset + b.width <= pitch;
}

}  // namespace

void refuse(std::string_view operation, std::string_view got_and_needed) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", operation, got_and_needed));
}

void refuse(const Operand& operand, std::string_view got_and_needed) {
  refuse(operand.operation, fmt::format("{} {}", operand.name, got_and_needed));
}

void check_rank(const Operand& operand, int rank, std::string_view form) {
  if (operand.view.rank == 0) {
    refuse(operand, fmt::format("is missing; it needs a tensor of shape {}", form));
  }
  if (operand.view.rank != rank) {
    const bool printable = operand.view.rank > 0 && operand.view.rank <= TensorView::kMaxRank;
    refuse(operand,
           fmt::format("has {} dimensions{}; it needs {}: {}", operand.view.rank,
                       printable ? fmt::format(" {}", shape_text(operand.view)) : "", rank, form));
  }
  for (int i = 0; i < rank; ++i) {
    if (operand.extent(i) < 0 || operand.extent(i) > kMaxExtent) {
      refuse(operand,
             fmt::format(
                 "has shape {}; every extent must be 0 to 2^31 - 1 = {}; split larger products",
                 shape_text(operand.view), kMaxExtent));
    }
  }
}

void check_dtype(const Operand& operand, std::initializer_list<DType> allowed) {
  if (std::find(allowed.begin(), allowed.end(), operand.view.dtype) != allowed.end()) return;
  std::string names;
  for (const DType dtype : allowed) {
    if (!names.empty()) names += " or ";
    names += to_string(dtype);
  }
  refuse(operand, fmt::format("has dtype {}; it needs {}", to_string(operand.view.dtype), names));
}

bool has_shape(const Operand& operand, std::initializer_list<std::int64_t> needed) {
  return std::equal(needed.begin(), needed.end(), operand.view.shape.begin());
}

void refuse_shape(const Operand& operand, std::initializer_list<std::int64_t> needed,
                  std::string_view reason) {
  refuse(operand, fmt::format("has shape {}; {} it needs [{}]", shape_text(operand.view), reason,
                              fmt::join(needed, ", ")));
}

void check_device(const Operand& operand, const Operand& first) {
  if (operand.view.device == first.view.device) return;
  refuse(operand,
         fmt::format(
             "is on {} and {} on {}; all tensors of a call must be on one device: copy it there",
             to_string(operand.view.device), first.name, to_string(first.view.device)));
}

void check_backend(const Operand& first, Backend backend) {
  switch (first.view.device.type) {
    case DeviceType::kCpu:
      if (backend == Backend::kCuda) {
        refuse(first,
               "is on the CPU and the backend is cuda; it needs CUDA tensors: copy them to the "
               "device, or use "
               "backend auto or cpu");
      }
      break;
    case DeviceType::kCuda:
      if (first.view.device.index < 0) {
        refuse(first, fmt::format("is on {}; devices count from 0", to_string(first.view.device)));
      }
      if (backend == Backend::kCpu || backend == Backend::kReference) {
        refuse(first,
               fmt::format("is on {} and the backend is {}; it needs CPU tensors: copy them to "
                           "the host, or use "
                           "backend auto or cuda",
                           to_string(first.view.device), to_string(backend)));
      }
      break;
    default:
      refuse(first, fmt::format("has {}; it needs a CPU (1) or CUDA (2) device",
                                to_string(first.view.device)));
  }
  if (backend < Backend::kAuto || backend > Backend::kReference) {
    refuse(
        first.operation,
        fmt::format("the backend is {}; it needs one of auto (0), cpu (1), cuda (2), reference (3)",
                    static_cast<std::int32_t>(backend)));
  }
}

bool is_aligned(const Operand& operand, std::int64_t bytes) {
  return address_of(operand) % static_cast<std::uintptr_t>(bytes) == 0;
}

void check_memory(const Operand& operand, std::int64_t base_bytes) {
  if (operand.empty()) return;
  if (operand.view.data == nullptr) {
    refuse(
        operand,
        fmt::format("has a null pointer and shape {}; only a tensor without elements may have one",
                    shape_text(operand.view)));
  }
  const std::int64_t span_bytes = checked_span_bytes(operand);
  if (address_of(operand) > UINTPTR_MAX - static_cast<std::uintptr_t>(span_bytes)) {
    refuse(
        operand,
        fmt::format(
            "starts at {} and spans {} bytes, past the end of the address space; check the strides",
            fmt::ptr(operand.view.data), span_bytes));
  }
  if (!is_aligned(operand, base_bytes)) {
    refuse(operand, fmt::format("starts at {}; its address must be a multiple of {} bytes: "
                                "move the start or copy it to aligned memory",
                                fmt::ptr(operand.view.data), base_bytes));
  }
}

plan::MatrixLayout check_rows_layout(const Operand& operand) {
  const int rank = operand.view.rank;
  const std::int64_t align = kAlignmentBytes / size_of(operand.view.dtype);
  plan::MatrixLayout layout;
  layout.rows = operand.extent(rank - 2);
  layout.cols = operand.extent(rank - 1);
  const bool empty = operand.empty();
  if (!empty && layout.cols > 1 && operand.stride(rank - 1) != 1) {
    refuse(operand,
           fmt::format("has strides {}; its last dimension must be contiguous (stride 1): "
                       "copy it row by row, or pass the tensor that it is the transpose of",
                       strides_text(operand)));
  }
  layout.row_stride =
      !empty && layout.rows > 1 ? operand.stride(rank - 2) : round_up(layout.cols, align);
  if (layout.row_stride % align != 0) {
    refuse(operand, fmt::format("has rows {} apart; the pitch must be a multiple of {} bytes: pad "
                                "each row to {} elements",
                                elements_text(operand, layout.row_stride), kAlignmentBytes,
                                round_up(layout.row_stride, align)));
  }
  if (rank == 3) {
    const std::int64_t plane_elems =
        layout.rows == 0 ? 0 : (layout.rows - 1) * layout.row_stride + round_up(layout.cols, align);
    layout.group_stride = !empty && operand.extent(0) > 1 ? operand.stride(0) : plane_elems;
    if (layout.group_stride % align != 0) {
      refuse(operand, fmt::format("has groups {} apart; the distance must be a multiple of {} "
                                  "bytes: pad it to {} elements",
                                  elements_text(operand, layout.group_stride), kAlignmentBytes,
                                  round_up(layout.group_stride, align)));
    }
  }
  return layout;
}

plan::MatrixLayout check_scale_layout(const Operand& operand) {
  // Four floats are 16 bytes: the pitch that costs no copy on any backend.
  constexpr std::int64_t kPitchElems = kAlignmentBytes / 4;
  const int rank = operand.view.rank;
  plan::MatrixLayout layout;
  layout.rows = operand.extent(rank - 2);
  layout.cols = operand.extent(rank - 1);
  const bool empty = operand.empty();
  const std::int64_t row_stride = operand.stride(rank - 2);
  const std::int64_t col_stride = operand.stride(rank - 1);
  const bool row_free = empty || layout.rows <= 1;  // no second row: its stride has no meaning
  const bool col_free = empty || layout.cols <= 1;
  if (col_free && (row_free || row_stride == 1)) {
    layout.row_stride = 1;
    layout.col_stride = round_up(std::max<std::int64_t>(layout.rows, 1), kPitchElems);
  } else if (col_free || col_stride == 1) {
    layout.row_stride = row_free ? layout.cols : row_stride;
    layout.col_stride = 1;
  } else if (row_free || row_stride == 1) {
    layout.row_stride = 1;
    layout.col_stride = col_stride;
  } else {
    refuse(
        operand,
        fmt::format("has strides {}; one of its last two dimensions must be contiguous (stride 1), "
                    "either will do",
                    strides_text(operand)));
  }
  if (rank == 3) {
    const bool one_group = empty || operand.extent(0) <= 1;
    const std::int64_t last_elem = std::max<std::int64_t>(layout.rows - 1, 0) * layout.row_stride +
                                   std::max<std::int64_t>(layout.cols - 1, 0) * layout.col_stride;
    layout.group_stride = one_group ? round_up(last_elem + 1, kPitchElems) : operand.stride(0);
  }
  return layout;
}

void check_disjoint(const Operand& written, const Operand& other) {
  if (written.empty() || other.empty()) return;
  const std::uintptr_t written_begin = address_of(written);
  const std::uintptr_t other_begin = address_of(other);
  const std::uintptr_t written_end =
      written_begin + static_cast<std::uintptr_t>(checked_span_bytes(written));
  const std::uintptr_t other_end =
      other_begin + static_cast<std::uintptr_t>(checked_span_bytes(other));
  if (written_end <= other_begin || other_end <= written_begin) return;
  if (interleave(written, other)) return;
  refuse(written,
         fmt::format(
             "covers {:#x} to {:#x} and {} covers {:#x} to {:#x}; what is written must not overlap "
             "another tensor of the call: give {} memory of its own",
             written_begin, written_end, other.name, other_begin, other_end, written.name));
}

}  // namespace fathom::api
