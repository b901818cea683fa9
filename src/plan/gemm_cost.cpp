// The cost model of gemm_cost.hpp. Planning layer: pure.
#include "plan/gemm_cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gemm/launch.hpp"
#include "plan/gemm_work.hpp"

namespace fathom::plan {
namespace {

using device::gemm::Sizes;

constexpr double kBlockBytes = device::gemm::kBlockK;  // of one row or column and block of k, e4m3

double as_double(std::int64_t value) {
  return static_cast<double>(value);
}

// What the parts of the model share.
struct Shape {
  const GemmConfig& config;
  const Sizes& sizes;
  const DeviceSpec& device;
  const GemmCostCoefficients& coefficients;
  const GemmWork& work;
  double group_units;       // along m, of one group
  double multiplied_share;  // of the tiles' rows: most warpgroups without a row of theirs do not
  std::int64_t units_m, units_n, clusters, steps;
  double k_blocks;     // of one CTA and tile
  double ctas_per_sm;  // resident on the busiest SM
  double active_sms;
  double capped_ghz;  // clock that the power cap leaves
  double clock_ghz;   // of a loop at the power cap, or of one that waits

  /// Resident: columns that the run of the busiest CTA touches, at most.
  std::int64_t columns() const {
    return std::min(steps, 1 + ceil_div<std::int64_t>(steps - 1, units_m));
  }
  double tile_blocks() const {
    return as_double(steps) * k_blocks;
  }  // blocks of k of the busiest CTA
};

double run_penalty(const Shape& s) {
  // Tiles that divide 128 columns have one scale of B; runs of 32 and 64 columns select it for
  // fewer groups of columns than shorter ones do.
  constexpr double kFewSelects = 0.8;
  if (s.config.scale_b_blocks() == 1) return 1.0;
  const double share = s.config.scale_b_run() >= 32 ? kFewSelects : 1.0;
  return 1.0 + share * s.coefficients.odd_width_share;
}

/// Clocks of the tensor cores for `left` rows of the 64-row side against the other operand's, a
/// block of k. wgmma reads its 64 rows from shared memory at 128 bytes a clock, so that n below 32
/// gains nothing.
double wgmma_clocks(const Shape& s, int left) {
  constexpr int kFewestColumns = 32;
  return static_cast<double>(left) * std::max(s.config.right_rows(), kFewestColumns) * kBlockBytes /
         s.device.tensor_fma_per_clk;
}

/// Rows of A that a tile loads, no more than exist, or its half of those that a pair shares.
double loaded_rows(const Shape& s) {
  return as_double(device::gemm::a_box_rows(s.config, s.sizes.m));
}

/// Columns of B, likewise.
double loaded_columns(const Shape& s) {
  const double loads = s.config.resident() ? as_double(s.columns()) / as_double(s.steps) : 1;
  return static_cast<double>(s.config.tile_cols()) / s.config.cluster_m * loads;
}

/// What a tile loads for as many products as a tile of a pair of 256x128 has, of what that loads.
double relative_loads(const Shape& s) {
  const GemmConfig& c = s.config;
  constexpr double kOfPair = (256 / 2.0 + 128) / (256 * 128);
  return (loaded_rows(s) + loaded_columns(s)) / (c.block_m * c.tile_cols()) / kOfPair;
}

double tensor_us(const Shape& s) {
  const GemmCostCoefficients& co = s.coefficients;
  const double clocks = wgmma_clocks(s, s.config.left_rows());
  const double rate = s.capped_ghz * 1e3 * co.tensor_efficiency;
  const double us =
      s.tile_blocks() * s.ctas_per_sm * clocks * s.multiplied_share * run_penalty(s) / rate;
  // The clock that pairs of 256x128 leave is the cap's; who loads more leaves less.
  const double fallen = std::max(0.0, 1 - co.short_us / us);
  return us * (1 + co.load_clock_share * fallen * (relative_loads(s) - 1));
}

double latency_us(const Shape& s) {
  const GemmConfig& c = s.config;
  const GemmCostCoefficients& co = s.coefficients;
  const double shown = c.stream() ? 1 - co.stream_overlap_share : 1;
  const double wgmma = shown * wgmma_clocks(s, c.waves() * device::gemm::kWgmmaM);
  const bool early_dense = c.early_wait() && !c.grouped;
  const double early = c.grouped ? co.grouped_early_wait_clk : co.early_wait_clk;
  const double rest = c.stream()       ? co.stream_latency_clk
                      : c.early_wait() ? early
                                       : co.block_latency_clk;
  const double scales = c.swap_operands ? co.swapped_latency_clk * c.block_m / 64 : 0;
  const double pair = c.stream() || c.cluster_size() == 1 || early_dense ? 0 : co.pair_latency_clk;
  const double blocks = s.tile_blocks() / (c.k_warpgroups() * c.rings());
  return blocks * (wgmma + rest + scales + pair) /
         (s.device.max_clock_ghz * co.latency_clock_share * 1e3);
}

double ring_us(const Shape& s) {
  const GemmConfig& c = s.config;
  // Resident: a stage for each block of k, of three tiles at once.
  const double slots = c.resident() ? c.rings() * s.k_blocks : c.num_stages;
  return s.tile_blocks() * s.coefficients.load_round_trip_us / slots;
}

constexpr std::int64_t kLineBytes = 128, kSectorBytes = 32;  // of L2

/// Rows of so many bytes, without gaps but to 16 bytes, begin at all multiples of this inside a
/// line. Whatever pitch a call has: a plan must not depend on what GemmRange does not know.
std::int64_t row_alignment(std::int64_t bytes) {
  return std::gcd(round_up<std::int64_t>(bytes, 16), kLineBytes);
}

/// What L2 has to do for a row of a block of k, 128 bytes, against one that is a whole line: rows
/// that lie in two lines, or begin inside a sector, take more requests.
double row_requests(const Shape& s) {
  const std::int64_t aligned = row_alignment(s.sizes.k);
  const double split = 1 - as_double(aligned) / kLineBytes;
  return 1 + s.coefficients.split_line_share * split +
         (aligned < kSectorBytes ? s.coefficients.split_sector_share : 0);
}

double l2_us(const Shape& s) {
  const GemmCostCoefficients& co = s.coefficients;
  const double rows = loaded_rows(s);
  const double cols = loaded_columns(s);
  const double into_sm = (rows + cols) / (s.device.l2_bytes_per_clk_per_sm * co.sm_rate_share);
  const double out_of_l2 = (rows + cols) * row_requests(s) * s.active_sms /
                           (s.device.l2_bytes_per_clk * co.l2_rate_share);
  const double clocks = kBlockBytes * std::max(into_sm, out_of_l2);  // a block of k
  return s.tile_blocks() * s.ctas_per_sm * clocks / (s.clock_ghz * 1e3);
}

/// Bytes of memory traffic more for D: where tiles meet inside a line, their CTAs write parts of it
/// at different times. As long as L2 holds D the parts meet there.
double shared_line_bytes(const Shape& s, double d_bytes) {
  const GemmConfig& c = s.config;
  const std::int64_t aligned = row_alignment(s.sizes.n * c.d_bytes());
  const double split = 1 - as_double(aligned) / kLineBytes;
  const double each = aligned < kSectorBytes ? s.coefficients.shared_sector_bytes
                                             : s.coefficients.shared_line_bytes;
  const double left_l2 = std::max(1 - as_double(s.device.l2_useful_bytes) / d_bytes, 0.0);
  return s.work.rows * as_double(s.units_n - 1) * split * each * left_l2;
}

double hbm_us(const Shape& s, int band_tiles) {
  const GemmConfig& c = s.config;
  const double a = s.work.rows * as_double(s.sizes.k);
  const double b = as_double(s.sizes.n) * as_double(s.sizes.k);  // of one group
  const double stored = s.work.rows * as_double(s.sizes.n) * c.d_bytes();
  const double d = stored + shared_line_bytes(s, stored);
  const double useful = as_double(s.device.l2_useful_bytes);
  // B is read once for each band, unless it stays in L2; the rows of a band once, unless they do
  // not fit.
  const double bands = std::ceil(s.group_units * c.cluster_m / band_tiles);
  const double band_bytes = as_double(band_tiles) * c.block_m * as_double(s.sizes.k);
  const double band_waves =
      std::ceil(as_double(s.units_n) * band_tiles / c.cluster_m / as_double(s.clusters));
  double b_reads = c.stream() ? 1 + s.coefficients.stream_reread_share * (as_double(s.units_m) - 1)
                   : b <= useful ? 1.0
                                 : bands;
  if (c.grouped) {
    const double cols = as_double(s.units_n) * c.block_n * c.cluster_n;
    b_reads += s.coefficients.group_reread_share * (s.group_units - 1);
    b_reads *= 1 + s.coefficients.group_overhang_share * (cols / as_double(s.sizes.n) - 1);
  }
  const double reads = a * (band_bytes <= useful ? 1.0 : band_waves) + s.work.groups * b * b_reads;
  // Loads that are evict-first leave dirty lines alone; others push out up to 0.7 of L2.
  const double write_backs =
      device::gemm::evicts_weights_first(c, s.sizes)
          ? 0.0
          : std::min(s.device.hbm_write_back_share * reads, 0.7 * as_double(s.device.l2_bytes));
  // SMs without a tile in the last step.
  const double units = as_double(s.units_m) * as_double(s.units_n);
  const double last = units - as_double((s.steps - 1) * s.clusters);
  const double idle =
      std::max(as_double(s.clusters) / s.ctas_per_sm - last, 0.0) * s.ctas_per_sm / units;
  const double quantised = 1.0 + s.coefficients.hbm_tail_share * idle;
  return s.coefficients.hbm_ramp_us +
         (reads * quantised + write_backs + d) / (s.device.hbm_bytes_per_ns * 1e3);
}

double epilogue_us(const Shape& s) {
  const GemmConfig& c = s.config;
  const GemmCostCoefficients& co = s.coefficients;
  const double tile_bytes = static_cast<double>(c.block_m) * c.block_n * c.d_bytes();
  // D is staged by up to 128 bytes of a row at once; widths with few factors of two leave less.
  const int chunks = ceil_div(c.d_cols() * c.d_bytes(), 128);
  const double narrow = c.stages_d() ? (c.d_chunks() - chunks) * co.narrow_chunk_us : 0;
  if (c.stream()) {
    // A short row takes as long as one of 128 bytes.
    const double rows = static_cast<double>(c.block_m) * ceil_div(c.block_n * c.d_bytes(), 128);
    double tile = narrow + 128 * rows / c.k_parts() / (co.stream_store_bytes_per_ns * 1e3);
    tile += (c.k_warpgroups() - 1) * co.warpgroup_reduce_us;
    const double pushed = 4.0 * c.block_m * c.block_n * (c.split_k - 1) / c.split_k;
    tile += (c.split_k - 1) * co.cluster_reduce_us + pushed / (co.cluster_push_bytes_per_ns * 1e3);
    const double next = (as_double(s.steps) - 1) * co.stream_step_us / s.ctas_per_sm;
    return co.stream_tail_us + as_double(s.steps) * tile + next;
  }
  const int buffers_used = c.d_chunks() * c.waves();
  const int waits = ceil_div(buffers_used, c.staging_chunks) - 1;
  const double tile =
      narrow + tile_bytes / (co.staging_bytes_per_ns * 1e3) + waits * co.staging_wait_us;
  const double hidden = c.resident()            ? co.own_ring_hides
                        : c.math_warpgroups > 2 ? co.third_warpgroup_hides
                                                : 0;
  const double changes = c.resident() ? as_double(s.columns() - 1) * co.column_change_us : 0;
  const double lap = c.whole_laps ? co.whole_laps_us : 0;
  return as_double(s.steps) * (co.compute_tile_us / c.rings() + tile * (1 - hidden) - lap) +
         changes;
}

double start_us(const Shape& s) {
  const GemmCostCoefficients& co = s.coefficients;
  const int cluster = s.config.cluster_size();
  return co.launch_us + co.fill_us +
         co.cta_launch_us * as_double(s.clusters * cluster) / s.device.num_sms +
         (cluster > 1 ? co.cluster_start_us : 0) + (s.config.stream() ? 0 : co.compute_start_us) +
         (s.config.resident() ? co.resident_start_us : 0);
}

double p_norm(const GemmCost& cost, double p) {
  const double parts[] = {cost.tensor_us, cost.latency_us, cost.ring_us, cost.l2_us, cost.hbm_us};
  const double largest = *std::max_element(std::begin(parts), std::end(parts));
  double sum = 0;
  for (const double part : parts)
    if (part == largest)
      sum += 1;
    else if (part >
             largest /
                 8)  // less adds under 1e-5 at p = 5, and planning is on the path of a first call
      sum += std::exp(p * std::log(part / largest));
  return largest * std::exp(std::log(sum) / p);
}

}  // namespace

int band_tiles_of(const GemmConfig& config, std::int64_t units_m, std::int64_t clusters,
                  std::int64_t k, std::int64_t l2_useful_bytes) {
  std::int64_t best = 1;
  std::int64_t fewest = INT64_MAX;
  for (std::int64_t band = 1; band <= 16 && band < 2 * units_m; band *= 2) {
    const std::int64_t rows = std::min(band, units_m);
    const std::int64_t live = rows * config.block_m * config.cluster_m +
                              ceil_div(clusters, rows) * config.block_n * config.cluster_n;
    if (live >= fewest) continue;
    fewest = live;
    best = band;
  }
  // Rows of A that stay in L2 while the band goes along n are read from memory once. So is B, in
  // fewer bands: worth it where they are at most half as many. A little taller, a band only has
  // more in flight: 0.5 to 2 % at k = 7168 (bench/journal.md).
  const std::int64_t unit_bytes = std::int64_t{config.block_m} * config.cluster_m * k;
  const std::int64_t fits = l2_useful_bytes * 2 / 3 / unit_bytes;
  const std::int64_t bands = fits >= 2 * best
                                 ? ceil_div(units_m, std::min(units_m, fits))
                                 : std::max<std::int64_t>(1, (units_m + best / 2) / best);
  return static_cast<int>(ceil_div(units_m, bands)) * config.cluster_m;
}

namespace {

/// The band of a grouped launch, `expected` for the expected rows. A group that turns out longer
/// should find its weights in L2 for all of its tiles too, and a band that no group fills costs
/// nothing. Not for the cost, which must not depend on max_m.
int group_band_tiles(const GemmConfig& config, const Sizes& sizes, std::int64_t expected_units,
                     int expected, std::int64_t clusters, std::int64_t l2_useful_bytes) {
  if (expected < expected_units * config.cluster_m) return expected;
  const std::int64_t most_units =
      ceil_div(sizes.m, std::int64_t{config.block_m} * config.cluster_m);
  return std::max(expected, band_tiles_of(config, most_units, clusters, sizes.k, l2_useful_bytes));
}

/// Groups taken for even that are not may take a step more on fewer CTAs: a small part of many.
constexpr std::int64_t kFewestCountedSteps = 8;

/// The cost when each group makes so many units along m.
GemmCost cost_of_units(const GemmConfig& config, const Sizes& sizes, std::int64_t ctas, int sms,
                       const DeviceSpec& device, const GemmCostCoefficients& coefficients,
                       const GemmWork& work, double group_units, double group_slices) {
  const int height = config.block_m * config.cluster_m;
  const bool sliced = config.grouped && !config.swap_operands;
  const auto units_m = static_cast<std::int64_t>(std::ceil(work.groups * group_units));
  const std::int64_t units_n = ceil_div(device::gemm::tiled_cols(config, sizes.n),
                                        std::int64_t{config.block_n} * config.cluster_n);
  const int cluster = config.cluster_size();
  std::int64_t clusters = std::min(std::max<std::int64_t>(1, ctas / cluster), units_m * units_n);
  const std::int64_t steps = ceil_div<std::int64_t>(units_m * units_n, clusters);
  GemmCost cost;
  cost.most_ctas = ctas;
  if (!config.stream() && !config.resident() && work.counted &&
      (!config.grouped || steps >= kFewestCountedSteps)) {
    const std::int64_t fewest = ceil_div<std::int64_t>(units_m * units_n, steps);
    cost.most_ctas = fewest * cluster;
    // The dense coefficients are better without: 1.20 % of regret, 1.25 fitted anew with it.
    if (config.grouped) clusters = fewest;
  }
  const double active = std::min(as_double(sms), as_double(clusters * cluster));
  // The cap is a cap of the card: few busy SMs run at the highest clock, and what the idle slots of
  // the last step save is the others' to spend.
  const double busy = as_double(units_m * units_n) / as_double(steps * clusters);
  const double capped =
      std::min(device.max_clock_ghz, device.capped_clock_ghz * device.num_sms / active *
                                         std::pow(busy, -coefficients.idle_clock_exponent));
  const double waiting = device.max_clock_ghz * coefficients.latency_clock_share;
  // Warpgroups whose 64 rows of a tile are foreign do not multiply.
  const double foreign_slices =
      sliced ? 1 - group_slices * device::gemm::kWgmmaM / (group_units * height) : 0;
  const Shape s{config,
                sizes,
                device,
                coefficients,
                work,
                group_units,
                1 - (1 - coefficients.foreign_slice_share) * foreign_slices,
                units_m,
                units_n,
                clusters,
                steps,
                as_double(device::gemm::k_blocks_per_cta(config, sizes.k_blocks())),
                std::ceil(as_double(clusters * cluster) / active),
                active,
                capped,
                config.stream() ? std::max(waiting, capped) : capped};
  cost.tiles = units_m * units_n * config.cluster_m * config.cluster_n;
  cost.steps = s.steps;
  const auto expected_units = static_cast<std::int64_t>(std::ceil(group_units));
  cost.band_tiles =
      band_tiles_of(config, expected_units, clusters, sizes.k, device.l2_useful_bytes);
  cost.start_us = start_us(s);
  cost.tensor_us = tensor_us(s);
  cost.latency_us = latency_us(s);
  cost.ring_us = ring_us(s);
  cost.l2_us = l2_us(s);
  cost.hbm_us = hbm_us(s, cost.band_tiles);
  if (config.grouped)
    cost.band_tiles = group_band_tiles(config, sizes, expected_units, cost.band_tiles, clusters,
                                       device.l2_useful_bytes);
  cost.epilogue_us = epilogue_us(s);
  cost.total_us = cost.start_us + p_norm(cost, coefficients.norm) + cost.epilogue_us;
  return cost;
}

}  // namespace

GemmCost gemm_cost(const GemmConfig& config, const Sizes& sizes, std::int64_t ctas, int sms,
                   const DeviceSpec& device, const GemmCostCoefficients& coefficients) {
  const GemmWork work = expected_work(sizes);
  const int height = config.block_m * config.cluster_m;
  const auto cost = [&](double units, double slices) {
    return cost_of_units(config, sizes, ctas, sms, device, coefficients, work, units, slices);
  };
  const auto routed = [&] {
    return cost(routed_pieces(height, work), routed_pieces(device::gemm::kWgmmaM, work));
  };
  if (work.uneven >= 1) return routed();
  // Nothing is won by foreign slices.
  const double units = exact_pieces(height, work);
  GemmCost exact = cost(units, units * height / device::gemm::kWgmmaM);
  if (work.uneven > 0) exact.total_us += work.uneven * (routed().total_us - exact.total_us);
  return exact;
}

const char* bound_by(const GemmCost& cost) {
  const struct {
    const char* name;
    double us;
  } parts[] = {{"tensor", cost.tensor_us},
               {"latency", cost.latency_us},
               {"ring", cost.ring_us},
               {"l2", cost.l2_us},
               {"hbm", cost.hbm_us}};
  return std::max_element(std::begin(parts), std::end(parts),
                          [](const auto& a, const auto& b) { return a.us < b.us; })
      ->name;
}

}  // namespace fathom::plan
