// Operands made from a seed: memory, layouts, poison and canaries. The numbers themselves are in
// data_values.cpp.
#include "reference/problem_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "reference/data_values.hpp"
#include "reference/gemm.hpp"

namespace fathom::reference {
namespace {

using plan::MatrixLayout;

/// Bytes before and after D that must not be written: a page, which is more than any tile overhangs
/// by one row.
constexpr std::int64_t kGuardBytes = 4096;
constexpr std::byte kCanary{0xa5};

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// [planes, rows, cols] with cols contiguous and rows padded to `multiple` elements and by `extra`
/// more.
MatrixLayout row_major(std::int64_t rows, std::int64_t cols, std::int64_t multiple,
                       std::int64_t extra) {
  MatrixLayout layout{rows, cols};
  layout.row_stride = round_up(std::max<std::int64_t>(cols, 1), multiple) + extra;
  layout.col_stride = 1;
  layout.group_stride = rows * layout.row_stride;
  return layout;
}

MatrixLayout scale_layout(std::int64_t rows, std::int64_t cols, ScaleOrder order) {
  if (order == ScaleOrder::kKContiguous) return row_major(rows, cols, 1, 0);
  MatrixLayout layout{rows, cols, 1};
  layout.col_stride = round_up(std::max<std::int64_t>(rows, 1), 4);
  layout.group_stride = layout.col_stride * cols;
  return layout;
}

std::int64_t bytes_of(const MatrixLayout& layout, std::int64_t planes, DType dtype) {
  return planes * layout.group_stride * size_of(dtype);
}

TensorView view_of(std::byte* data, DType dtype, MatrixLayout& layout, std::int64_t planes,
                   bool has_planes) {
  TensorView view;
  view.data = data;
  view.dtype = dtype;
  view.rank = has_planes ? 3 : 2;
  if (has_planes) {
    view.shape = {planes, layout.rows, layout.cols};
    view.stride = {layout.group_stride, layout.row_stride, layout.col_stride};
  } else {
    view.shape = {layout.rows, layout.cols};
    view.stride = {layout.row_stride, layout.col_stride};
    layout.group_stride = 0;
  }
  return view;
}

Groups groups_of(const plan::GemmProblem& problem, const Buffer& index, std::size_t entries) {
  Groups groups;
  groups.form = problem.form;
  groups.alignment = problem.alignment;
  if (problem.form == Groups::Form::kNone) return groups;
  groups.index.data = index.data();
  groups.index.dtype = problem.index_is_int64 ? DType::kInt64 : DType::kInt32;
  groups.index.rank = 1;
  groups.index.shape[0] = static_cast<std::int64_t>(entries);
  groups.index.stride[0] = 1;
  return groups;
}

void store_index(const DealtRows& dealt, bool is_int64, std::byte* out) {
  for (std::size_t i = 0; i < dealt.index.size(); ++i) {
    const auto narrow = static_cast<std::int32_t>(dealt.index[i]);
    if (is_int64) {
      std::memcpy(out + i * 8, &dealt.index[i], 8);
    } else {
      std::memcpy(out + i * 4, &narrow, 4);
    }
  }
}

/// Groups as the metadata counts them, where it does; a caller's `index` overrules num_groups.
std::int64_t groups_implied_by(const ProblemSpec& spec, const DealtRows& dealt) {
  const auto entries = static_cast<std::int64_t>(dealt.index.size());
  switch (spec.form) {
    case Groups::Form::kNone:
      return 1;
    case Groups::Form::kOffsets:
      return entries - 1;
    case Groups::Form::kGroupEnd:
    case Groups::Form::kMasked:
      return entries;
    case Groups::Form::kRowGroup:
      break;
  }
  std::int64_t groups = spec.num_groups;
  for (const std::int64_t group : dealt.index) groups = std::max(groups, group + 1);
  return groups;
}

plan::GemmProblem sizes_of(const ProblemSpec& spec, const DealtRows& dealt) {
  plan::GemmProblem p;
  p.form = spec.form;
  p.m = dealt.m;
  p.n = spec.n;
  p.k = spec.k;
  p.num_groups = groups_implied_by(spec, dealt);
  p.alignment = spec.alignment;
  p.index_is_int64 = spec.form == Groups::Form::kOffsets && spec.index_is_int64;
  p.scale_b_block = spec.scale_b_block;
  p.out = spec.out;
  p.accumulate = spec.accumulate;
  p.batch_invariant = spec.batch_invariant;
  p.zero_padding = spec.zero_padding;
  return p;
}

}  // namespace

void Buffer::Free::operator()(std::byte* data) const {
  std::free(data);
}

Buffer::Buffer(std::int64_t bytes)
    : bytes_(bytes),
      data_(static_cast<std::byte*>(std::aligned_alloc(
          256, static_cast<std::size_t>(round_up(std::max<std::int64_t>(bytes, 1), 256))))) {
  if (!data_) throw std::bad_alloc();
}

ProblemData::ProblemData(const ProblemSpec& spec)
    : spec_(spec), a_(0), scale_a_(0), b_(0), scale_b_(0), d_(0), index_(0) {
  lay_out(deal_rows(spec));
  groups_ = row_groups(problem_, operands_.groups);
  DataValues(spec_, problem_, groups_).fill(operands_, a_, scale_a_, b_, scale_b_);
  reset_d();
}

void ProblemData::lay_out(const DealtRows& dealt) {
  problem_ = sizes_of(spec_, dealt);
  auto& p = problem_;
  const bool masked = p.form == Groups::Form::kMasked;
  const std::int64_t planes = masked ? p.num_groups : 1;
  const std::int64_t scale_b_rows =
      p.scale_b_block == plan::ScaleBBlock::k128x128 ? p.n_blocks() : p.n;
  p.a = row_major(p.m, p.k, 16, spec_.extra_pitch);
  p.b = row_major(p.n, p.k, 16, spec_.extra_pitch);
  p.d = row_major(p.m, p.n, 16 / size_of(p.out), spec_.extra_pitch);
  p.scale_a = scale_layout(p.m, p.k_blocks(), spec_.scale_a_order);
  p.scale_b = scale_layout(scale_b_rows, p.k_blocks(), spec_.scale_b_order);

  a_ = Buffer(bytes_of(p.a, planes, DType::kE4M3));
  scale_a_ = Buffer(bytes_of(p.scale_a, planes, DType::kFp32));
  b_ = Buffer(bytes_of(p.b, p.num_groups, DType::kE4M3));
  scale_b_ = Buffer(bytes_of(p.scale_b, p.num_groups, DType::kFp32));
  d_ = Buffer(bytes_of(p.d, planes, p.out) + 2 * kGuardBytes);
  index_ = Buffer(static_cast<std::int64_t>(dealt.index.size()) * 8);
  store_index(dealt, p.index_is_int64, index_.data());

  operands_.a = view_of(a_.data(), DType::kE4M3, p.a, planes, masked);
  operands_.scale_a = view_of(scale_a_.data(), DType::kFp32, p.scale_a, planes, masked);
  operands_.b = view_of(b_.data(), DType::kE4M3, p.b, p.num_groups, p.grouped());
  operands_.scale_b = view_of(scale_b_.data(), DType::kFp32, p.scale_b, p.num_groups, p.grouped());
  operands_.d = view_of(d_.data() + kGuardBytes, p.out, p.d, planes, masked);
  operands_.groups = groups_of(p, index_, dealt.index.size());
}

GemmOptions ProblemData::options() const {
  GemmOptions options;
  options.accumulate = spec_.accumulate;
  options.batch_invariant = spec_.batch_invariant;
  options.zero_padding = spec_.zero_padding;
  return options;
}

void ProblemData::reset_d() {
  std::fill_n(d_.data(), d_.bytes(), kCanary);
  if (!spec_.accumulate) return;
  support::Random random(spec_.seed ^ 0x64u);  // a stream of its own: "d"
  auto* d = static_cast<float*>(operands_.d.data);
  for (std::int64_t row = 0; row < problem_.m; ++row) {
    for (std::int64_t col = 0; col < problem_.n; ++col) {
      d[row * problem_.d.row_stride + col] = static_cast<float>(random.integer(-8, 8));
    }
  }
}

std::string ProblemData::d_damage() const {
  const MatrixLayout& layout = problem_.d;
  const std::int64_t element = size_of(problem_.out);
  const std::int64_t row_bytes = layout.row_stride * element;
  const bool zero_padding = spec_.zero_padding && problem_.form == Groups::Form::kRowGroup;
  const auto check = [&](std::int64_t begin, std::int64_t end, std::byte expected) {
    return std::find_if(d_.data() + begin, d_.data() + end,
                        [=](std::byte b) { return b != expected; }) -
           d_.data();
  };
  if (const std::int64_t at = check(0, kGuardBytes, kCanary); at < kGuardBytes) {
    return fmt::format("the byte {} before D was written", kGuardBytes - at);
  }
  for (std::int64_t row = 0; row < d_rows(); ++row) {
    const std::int64_t begin = kGuardBytes + row * row_bytes;
    const std::int64_t padding = begin + problem_.n * element;
    const std::int64_t end = begin + row_bytes;
    if (groups_[static_cast<std::size_t>(row)] == -1) {
      const std::byte expected = zero_padding ? std::byte{0} : kCanary;
      if (const std::int64_t at = check(begin, padding, expected); at < padding) {
        return fmt::format("D[{}, {}] {}, though the row belongs to nobody", row,
                           (at - begin) / element, zero_padding ? "is not zero" : "was written");
      }
    }
    if (const std::int64_t at = check(padding, end, kCanary); at < end) {
      return fmt::format("the padding after row {} of D was written, {} bytes past its end", row,
                         at - padding);
    }
  }
  const std::int64_t after = d_.bytes() - kGuardBytes;
  if (const std::int64_t at = check(after, d_.bytes(), kCanary); at < d_.bytes()) {
    return fmt::format("the byte {} after D was written", at - after);
  }
  return {};
}

}  // namespace fathom::reference
