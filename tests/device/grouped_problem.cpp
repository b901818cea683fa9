// Fills, launches and judges one grouped case on the GPU. Test support.
#include "device/grouped_problem.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "device/summary.hpp"
#include "reference/gemm.hpp"
#include "reference/tolerance.hpp"

namespace fathom::testing {
namespace {

constexpr std::int64_t kGuardBytes = 4096;  // before and after D
constexpr unsigned char kCanary = 0xc9;
constexpr std::uint32_t kPoison = 0x7f;  // the NaN of e4m3
constexpr std::uint32_t kNanByte = 0xff;

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

TensorView drop_plane(TensorView view) {
  view.rank = 2;
  view.shape = {view.shape[1], view.shape[2]};
  view.stride = {view.stride[1], view.stride[2]};
  return view;
}

TensorView scale_view(Arena& arena, std::int64_t planes, std::int64_t rows, std::int64_t blocks,
                      reference::ScaleOrder order, Device where, std::int64_t* elements) {
  const bool k_contiguous = order == reference::ScaleOrder::kKContiguous;
  const std::int64_t pitch = k_contiguous ? std::max<std::int64_t>(blocks, 1)
                                          : round_up(std::max<std::int64_t>(rows, 1), 4);
  const std::int64_t plane = k_contiguous ? rows * pitch : blocks * pitch;
  *elements = planes * plane;
  void* data = arena.take(*elements * 4);
  TensorView view = TensorView::batch(data, DType::kFp32, planes, rows, blocks, 0, 0, where);
  view.stride = {plane, k_contiguous ? pitch : 1, k_contiguous ? 1 : pitch};
  return view;
}

void upload(void* to, const void* from, std::int64_t bytes, cuda::abi::Stream stream) {
  if (bytes == 0) return;
  const cuda::Device& device = Oracle::instance().device();
  const cuda::ContextGuard guard(device);
  const cuda::Driver& driver = device.driver();
  driver.check(driver.api().memcpy_htod_async(std::bit_cast<cuda::abi::DevicePointer>(to), from,
                                              static_cast<std::size_t>(bytes), stream),
               "cuMemcpyHtoDAsync", "uploading a case");
  driver.check(driver.api().stream_synchronize(stream), "cuStreamSynchronize", "uploading a case");
}

void fill_bytes(void* to, unsigned char value, std::int64_t bytes, cuda::abi::Stream stream) {
  if (bytes == 0) return;
  const cuda::Device& device = Oracle::instance().device();
  const cuda::ContextGuard guard(device);
  device.driver().check(
      device.driver().api().memset_d8_async(std::bit_cast<cuda::abi::DevicePointer>(to), value,
                                            static_cast<std::size_t>(bytes), stream),
      "cuMemsetD8Async", "filling a case");
}

std::vector<unsigned char> download(const void* from, std::int64_t bytes,
                                    cuda::abi::Stream stream = nullptr) {
  std::vector<unsigned char> data(static_cast<std::size_t>(bytes));
  if (bytes > 0) cuda::copy_to_host(Oracle::instance().device(), data.data(), from, bytes, stream);
  return data;
}

/// The metadata as the device sees it.
std::vector<unsigned char> index_bytes(const std::vector<std::int64_t>& index, bool wide) {
  std::vector<unsigned char> bytes(index.size() * (wide ? 8 : 4));
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto narrow = static_cast<std::int32_t>(index[i]);
    if (wide)
      std::memcpy(&bytes[i * 8], &index[i], 8);
    else
      std::memcpy(&bytes[i * 4], &narrow, 4);
  }
  return bytes;
}

}  // namespace

void* Arena::take(std::int64_t bytes) {
  const std::int64_t at = used_;
  used_ += round_up(std::max<std::int64_t>(bytes, 1), 256);
  if (used_ > memory_.bytes())
    throw Error(ErrorCode::kInternal,
                fmt::format("device tests: a case takes {} bytes, its arena has {}", used_,
                            memory_.bytes()));
  return static_cast<std::byte*>(memory_.data()) + at;
}

std::int64_t DealtGroups::valid_rows() const {
  return static_cast<std::int64_t>(owner.size()) - std::count(owner.begin(), owner.end(), -1);
}

DealtGroups deal_groups(const reference::ProblemSpec& spec) {
  const reference::DealtRows dealt = reference::deal_rows(spec);
  DealtGroups groups{dealt.index, dealt.m, spec.num_groups, {}};
  const auto entries = static_cast<std::int64_t>(dealt.index.size());
  if (spec.form == Groups::Form::kOffsets) groups.num_groups = entries - 1;
  if (spec.form == Groups::Form::kGroupEnd || spec.form == Groups::Form::kMasked)
    groups.num_groups = entries;
  for (const std::int64_t group : dealt.index)
    if (spec.form == Groups::Form::kRowGroup)
      groups.num_groups = std::max(groups.num_groups, group + 1);
  plan::GemmProblem problem;
  problem.form = spec.form;
  problem.m = dealt.m;
  problem.num_groups = groups.num_groups;
  problem.alignment = spec.alignment;
  Groups view;
  view.form = spec.form;
  view.alignment = spec.alignment;
  view.index = TensorView::vector(dealt.index.data(), DType::kInt64, entries);
  groups.owner = reference::row_groups(problem, view);
  return groups;
}

GroupedProblem::GroupedProblem(Arena& arena, const reference::ProblemSpec& spec,
                               const GroupedOptions& how)
    : spec_(spec), how_(how), groups_(deal_groups(spec)) {
  lay_out(arena);
  upload_groups(nullptr);
  fill_a(spec.seed, nullptr);
  const bool exact = spec.data == reference::DataKind::kExact;
  const TensorView& b = operands_.b;
  oracle_.run(FillCodes{b.data, oracle_.code_table(exact), b.shape[0] * b.shape[1], spec.k,
                        b.stride[1], spec.seed * 7 + 1, Oracle::kTable - 1, kPoison},
              nullptr);
  reset_d();
}

void GroupedProblem::lay_out(Arena& arena) {
  const fathom::Device where{DeviceType::kCuda, oracle_.device().info().ordinal};
  const bool masked = spec_.form == Groups::Form::kMasked;
  const bool exact = spec_.data == reference::DataKind::kExact;
  planes_ = masked ? groups_.num_groups : 1;
  const std::int64_t m = groups_.m, groups = groups_.num_groups;
  const std::int64_t pitch = round_up(std::max<std::int64_t>(spec_.k, 1), 16) + spec_.extra_pitch;
  const std::int64_t d_pitch = round_up(spec_.n, 8) + spec_.extra_pitch;
  const std::int64_t blocks = (spec_.k + 127) / 128;
  const std::int64_t plane_rows = m + how_.plane_gap;
  void* a = arena.take(planes_ * plane_rows * pitch);
  fill_bytes(a, kPoison, planes_ * plane_rows * pitch, nullptr);
  operands_.a =
      TensorView::batch(a, DType::kE4M3, planes_, m, spec_.k, pitch, plane_rows * pitch, where);
  operands_.b = TensorView::batch(arena.take(groups * spec_.n * pitch), DType::kE4M3, groups,
                                  spec_.n, spec_.k, pitch, 0, where);
  std::int64_t elements = 0;
  operands_.scale_a = scale_view(arena, planes_, m, blocks, spec_.scale_a_order, where, &elements);
  fill_bytes(operands_.scale_a.data, kNanByte, elements * 4, nullptr);
  const std::int64_t b_rows =
      spec_.scale_b_block == plan::ScaleBBlock::k1x128 ? spec_.n : (spec_.n + 127) / 128;
  operands_.scale_b =
      scale_view(arena, groups, b_rows, blocks, spec_.scale_b_order, where, &elements);
  fill_bytes(operands_.scale_b.data, kNanByte, elements * 4, nullptr);
  const TensorView& s = operands_.scale_b;
  for (std::int64_t g = 0; g < groups; ++g)
    oracle_.run(FillFloats{static_cast<float*>(s.data) + g * s.stride[0],
                           oracle_.scale_table(exact), b_rows, blocks, s.stride[1], s.stride[2],
                           spec_.seed * 7 + 3 + static_cast<std::uint64_t>(g) * 1000003,
                           Oracle::kTable - 1, 0},
                nullptr);
  d_memory_bytes_ = planes_ * plane_rows * d_pitch * 2 + 2 * kGuardBytes;
  d_memory_ = arena.take(d_memory_bytes_);
  operands_.d = TensorView::batch(static_cast<std::byte*>(d_memory_) + kGuardBytes, DType::kBf16,
                                  planes_, m, spec_.n, d_pitch, plane_rows * d_pitch, where);
  if (!masked)
    for (TensorView* view : {&operands_.a, &operands_.scale_a, &operands_.d})
      *view = drop_plane(*view);
  operands_.groups.form = spec_.form;
  operands_.groups.alignment = spec_.alignment;
  operands_.groups.expected_m = how_.expected_m;
  const bool wide = spec_.index_is_int64 && spec_.form == Groups::Form::kOffsets;
  const auto entries = static_cast<std::int64_t>(groups_.index.size());
  operands_.groups.index = TensorView::vector(arena.take(entries * 8),
                                              wide ? DType::kInt64 : DType::kInt32, entries, where);
  const auto rows = static_cast<std::int64_t>(groups_.owner.size());
  owner_ = arena.take(rows * 4);
  result_ = arena.take(sizeof(OracleResult));
  damaged_ = arena.take(8);
  flags_ = arena.take(rows + spec_.n);
}

void GroupedProblem::upload_groups(cuda::abi::Stream stream) {
  const auto bytes = index_bytes(groups_.index, operands_.groups.index.dtype == DType::kInt64);
  upload(operands_.groups.index.data, bytes.data(), static_cast<std::int64_t>(bytes.size()),
         stream);
  upload(owner_, groups_.owner.data(), static_cast<std::int64_t>(groups_.owner.size()) * 4, stream);
}

void GroupedProblem::fill_a(std::uint64_t seed, cuda::abi::Stream stream) {
  const bool exact = spec_.data == reference::DataKind::kExact,
             masked = planes_ > 1 || spec_.form == Groups::Form::kMasked;
  const TensorView &a = operands_.a, &s = operands_.scale_a;
  const std::size_t row = masked ? 1 : 0;
  const std::int64_t m = groups_.m, blocks = s.shape[row + 1];
  const std::int64_t a_plane = masked ? a.stride[0] : 0, s_plane = masked ? s.stride[0] : 0;
  for (std::int64_t g = 0; g < planes_; ++g) {
    const std::uint64_t salt = seed * 7 + static_cast<std::uint64_t>(g) * 7919;
    oracle_.run(FillCodes{static_cast<std::byte*>(a.data) + g * a_plane, oracle_.code_table(exact),
                          m, spec_.k, a.stride[row], salt, Oracle::kTable - 1, kPoison},
                stream);
    oracle_.run(
        FillFloats{static_cast<float*>(s.data) + g * s_plane, oracle_.scale_table(exact), m, blocks,
                   s.stride[row], s.stride[row + 1], salt + 2, Oracle::kTable - 1, 0},
        stream);
  }
  if (!how_.poison) return;
  oracle_.run(
      PoisonRows{a.data, owner_, planes_, m, spec_.k, a_plane, a.stride[row], 1, 1, kPoison},
      stream);
  oracle_.run(PoisonRows{s.data, owner_, planes_, m, blocks, s_plane * 4, s.stride[row] * 4,
                         s.stride[row + 1] * 4, 4, kNanByte},
              stream);
}

GemmOptions GroupedProblem::options() const {
  GemmOptions options;
  options.backend = Backend::kCuda;
  options.zero_padding = spec_.zero_padding;
  return options;
}

std::string GroupedProblem::text() const {
  constexpr const char* kForms[] = {"dense", "offsets", "row_group", "group_end", "masked"};
  std::string index;
  for (std::size_t i = 0; i < std::min<std::size_t>(groups_.index.size(), 24); ++i)
    index += fmt::format("{}{}", i == 0 ? "" : ",", groups_.index[i]);
  return fmt::format("{}{} G {} m {} n {} k {} alignment {} {}{}{}{}{}{} seed {} index [{}{}]",
                     kForms[static_cast<int>(spec_.form)], spec_.index_is_int64 ? "64" : "",
                     groups_.num_groups, groups_.m, spec_.n, spec_.k, spec_.alignment,
                     spec_.data == reference::DataKind::kExact ? "exact" : "random",
                     spec_.scale_b_block == plan::ScaleBBlock::k1x128 ? " scale_b 1x128" : "",
                     spec_.scale_a_order == reference::ScaleOrder::kKContiguous ? " a-k" : "",
                     spec_.scale_b_order == reference::ScaleOrder::kRowsContiguous ? " b-n" : "",
                     spec_.zero_padding ? " zero_padding" : "",
                     how_.plane_gap > 0 ? fmt::format(" gap {}", how_.plane_gap) : "", spec_.seed,
                     index, groups_.index.size() > 24 ? ",..." : "");
}

void GroupedProblem::refill(const std::vector<std::int64_t>& index, std::uint64_t seed,
                            cuda::abi::Stream stream) {
  reference::ProblemSpec spec = spec_;
  spec.index = index;
  spec.num_groups = groups_.num_groups;
  if (spec.form == Groups::Form::kOffsets || spec.form == Groups::Form::kGroupEnd)
    spec.spare_rows = groups_.m - *std::max_element(index.begin(), index.end());
  groups_ = deal_groups(spec);
  upload_groups(stream);
  fill_a(seed, stream);
}

void GroupedProblem::reset_d(cuda::abi::Stream stream) {
  fill_bytes(d_memory_, kCanary, d_memory_bytes_, stream);
}

CheckGemm GroupedProblem::check_params() const {
  const std::size_t row = spec_.form == Groups::Form::kMasked ? 1 : 0;
  const reference::Tolerance tolerance = reference::tolerance_of(DType::kBf16, Backend::kCuda);
  CheckGemm check{};
  check.n = spec_.n, check.k = spec_.k;
  check.a_pitch = operands_.a.stride[row], check.b_pitch = operands_.b.stride[1];
  check.d_pitch = operands_.d.stride[row];
  check.scale_a_row = operands_.scale_a.stride[row];
  check.scale_a_k = operands_.scale_a.stride[row + 1];
  check.scale_b_row = operands_.scale_b.stride[1], check.scale_b_k = operands_.scale_b.stride[2];
  check.scale_b_rows = spec_.scale_b_block == plan::ScaleBBlock::k1x128 ? 1 : 128;
  check.relative = tolerance.relative, check.magnitude = tolerance.magnitude;
  check.result = result_;
  check.wrong_cols = static_cast<unsigned char*>(flags_) + groups_.owner.size();
  check.exact = spec_.data == reference::DataKind::kExact;
  return check;
}

/// Runs of rows of one group are dense products.
void GroupedProblem::judge_items(CheckGemm check, cuda::abi::Stream stream) {
  const bool masked = spec_.form == Groups::Form::kMasked;
  const auto rows = static_cast<std::int64_t>(groups_.owner.size());
  const std::int64_t m = groups_.m;
  const auto stride = [&](const TensorView& view) { return masked ? view.stride[0] : 0; };
  for (std::int64_t begin = 0; begin < rows;) {
    const std::int32_t group = groups_.owner[static_cast<std::size_t>(begin)];
    std::int64_t end = begin + 1;
    while (end < rows && end % m != 0 && groups_.owner[static_cast<std::size_t>(end)] == group)
      ++end;
    if (group >= 0) {
      const std::int64_t plane = begin / m, row = begin % m;
      check.a = static_cast<std::byte*>(operands_.a.data) + plane * stride(operands_.a) +
                row * check.a_pitch;
      check.scale_a = static_cast<float*>(operands_.scale_a.data) +
                      plane * stride(operands_.scale_a) + row * check.scale_a_row;
      check.b = static_cast<std::byte*>(operands_.b.data) + group * operands_.b.stride[0];
      check.scale_b =
          static_cast<float*>(operands_.scale_b.data) + group * operands_.scale_b.stride[0];
      check.d = static_cast<std::uint16_t*>(operands_.d.data) + plane * stride(operands_.d) +
                row * check.d_pitch;
      check.m = end - begin;
      check.wrong_rows = static_cast<unsigned char*>(flags_) + begin;
      oracle_.run(check, stream);
    }
    begin = end;
  }
}

Verdict GroupedProblem::judge(const std::string& config, cuda::abi::Stream stream) {
  const auto rows = static_cast<std::int64_t>(groups_.owner.size());
  const bool masked = spec_.form == Groups::Form::kMasked;
  fill_bytes(flags_, 0, rows + spec_.n, stream);
  fill_bytes(damaged_, 0, 8, stream);
  fill_bytes(result_, 0, sizeof(OracleResult), stream);
  const CheckGemm check = check_params();
  judge_items(check, stream);
  const std::int64_t plane_bytes =
      masked ? operands_.d.stride[0] * 2 : std::max<std::int64_t>(groups_.m * check.d_pitch * 2, 1);
  oracle_.run(CheckCanaries{d_memory_, damaged_, owner_, d_memory_bytes_, kGuardBytes, planes_,
                            groups_.m, std::max<std::int64_t>(plane_bytes, 1), spec_.n * 2,
                            check.d_pitch * 2, kCanary, spec_.zero_padding ? 1u : 0u},
              stream);
  OracleResult found{};
  std::int64_t damaged = 0;
  const auto result = download(result_, sizeof found, stream),
             bytes = download(damaged_, 8, stream);
  std::memcpy(&found, result.data(), sizeof found);
  std::memcpy(&damaged, bytes.data(), 8);
  const reference::Tolerance tolerance = reference::tolerance_of(DType::kBf16, Backend::kCuda);
  Verdict verdict;
  verdict.wrong = static_cast<std::int64_t>(found.wrong);
  verdict.damaged_bytes = damaged;
  verdict.worst_share = found.worst_share;
  verdict.magnitude_error = found.magnitude_error;
  verdict.rel_error =
      found.exact_squares > 0 ? std::sqrt(found.error_squares / found.exact_squares) : 0;
  const bool norm_counts = groups_.valid_rows() * spec_.n >= reference::kMinNormElements;
  verdict.passed = found.wrong == 0 && damaged == 0 &&
                   (!norm_counts || verdict.rel_error <= tolerance.norm);  // a NaN fails
  if (verdict.passed) return verdict;
  std::string wrong_rows;
  const auto flags = download(flags_, rows, stream);
  int shown = 0;
  for (std::int64_t row = 0; row < rows && shown < 20; ++row)
    if (flags[static_cast<std::size_t>(row)] != 0 && ++shown > 0)
      wrong_rows += fmt::format(" {}", row);
  verdict.text = fmt::format(
      "{} by {}: {} of {} elements wrong, worst error {:.3g} of its tolerance, rel error {:.3g} "
      "(at "
      "most {:.3g}); {} bytes damaged that nobody may write; wrong rows:{}",
      text(), config, found.wrong, groups_.valid_rows() * spec_.n, found.worst_share,
      verdict.rel_error, tolerance.norm, damaged, wrong_rows);
  return verdict;
}

std::vector<unsigned char> GroupedProblem::d_bytes() const {
  return download(d_memory_, d_memory_bytes_);
}

std::vector<unsigned char> GroupedProblem::valid_d() const {
  const bool masked = spec_.form == Groups::Form::kMasked;
  const auto all = d_bytes();
  const std::int64_t pitch = operands_.d.stride[masked ? 1 : 0] * 2;
  std::vector<unsigned char> valid;
  for (std::size_t i = 0; i < groups_.owner.size(); ++i) {
    if (groups_.owner[i] < 0) continue;
    const auto row = static_cast<std::int64_t>(i);
    const std::int64_t at = kGuardBytes + row % groups_.m * pitch +
                            (masked ? row / groups_.m * operands_.d.stride[0] * 2 : 0);
    valid.insert(valid.end(), all.begin() + at, all.begin() + at + spec_.n * 2);
  }
  return valid;
}

std::string run_and_judge(GroupedProblem& problem, const GemmOptions& options) {
  Summary& summary = Summary::instance();
  problem.reset_d();
  const GemmPlan plan = plan_gemm(Oracle::instance().context(), problem.operands(), options);
  plan.launch();
  const Verdict verdict = problem.judge(plan.config());
  EXPECT_TRUE(verdict.passed) << verdict.text;
  EXPECT_TRUE(options.config.empty() || options.config == plan.config());
  summary.count("grouped runs");
  summary.config(plan.config());
  return plan.config();
}

struct Watchdog::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::string what = "nothing yet";
  std::uint64_t told = 0;
  bool over = false;
};

Watchdog::Watchdog(int seconds) : state_(std::make_shared<State>()) {
  std::thread([state = state_, seconds] {
    std::unique_lock lock(state->mutex);
    while (!state->over) {
      const std::uint64_t before = state->told;
      state->changed.wait_for(lock, std::chrono::seconds(seconds), [&] { return state->over; });
      if (state->over || state->told != before) continue;
      fmt::print(stderr, "device tests: no end after {} s of: {}\n", seconds, state->what);
      _exit(9);
    }
  }).detach();
}

Watchdog::~Watchdog() {
  const std::lock_guard lock(state_->mutex);
  state_->over = true;
  state_->changed.notify_all();
}

void Watchdog::now(std::string what) {
  const std::lock_guard lock(state_->mutex);
  state_->what = std::move(what);
  ++state_->told;
}

}  // namespace fathom::testing
