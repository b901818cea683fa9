// Problems for the tests of the load balancer: the published sample, random deployments and loads.
#pragma once

#include <cmath>
#include <fathom/balance.hpp>
#include <vector>

#include "support/random.hpp"

namespace fathom::testing_support {

/// The sample that the published balancer prints: 2 layers of 12 experts.
struct PublishedSample {
  static constexpr int kExperts = 12;
  std::vector<float> loads = {90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                              20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};
  balance::Deployment deployment = {
      .num_replicas = 16, .num_groups = 4, .num_nodes = 2, .num_gpus = 8};
  std::vector<std::int64_t> phy2log = {5, 6,  5, 7, 8, 4,  3, 4, 10, 9, 10, 2, 0, 1, 11, 1,
                                       7, 10, 6, 8, 6, 11, 8, 9, 2,  4, 5,  1, 5, 0, 3,  1};

  balance::Loads view() const { return {2, kExperts, loads}; }
};

/// Loads that fall like rank^-exponent over experts in random order; 0 = all alike.
inline std::vector<float> zipf_loads(support::Random& random, int layers, int experts,
                                     double exponent) {
  std::vector<float> loads;
  std::vector<int> rank(experts);
  for (int layer = 0; layer < layers; ++layer) {
    for (int i = 0; i < experts; ++i) rank[i] = i;
    for (int i = experts - 1; i > 0; --i) std::swap(rank[i], rank[random.integer(0, i)]);
    for (int i = 0; i < experts; ++i) {
      loads.push_back(static_cast<float>(std::round(1e6 * std::pow(rank[i] + 1.0, -exponent))));
    }
  }
  return loads;
}

struct BalanceCase {
  int experts = 0;
  balance::Deployment deployment;
  std::vector<float> loads;  ///< one layer

  balance::Loads view() const { return {1, experts, loads}; }
};

inline std::vector<float> random_loads(support::Random& random, int experts) {
  std::vector<float> loads;
  const auto kind = random.integer(0, 3);
  for (int e = 0; e < experts; ++e) {
    const double u = random.uniform();
    if (kind == 0) loads.push_back(static_cast<float>(random.integer(0, 5)));  // ties and zeros
    if (kind == 1) loads.push_back(static_cast<float>(u * 100));
    if (kind == 2) loads.push_back(static_cast<float>(1 / (u + 0.01)));
    if (kind == 3) loads.push_back(e == 0 ? 1e6f : static_cast<float>(u));  // one hot expert
  }
  return loads;
}

/// Any legal deployment of equal GPUs, with at most so many nodes, GPUs of a node and slots of a
/// GPU.
inline BalanceCase random_case(support::Random& random, int most_nodes, int most_gpus,
                               int most_slots) {
  BalanceCase result;
  balance::Deployment& d = result.deployment;
  d.num_nodes = random.integer(1, most_nodes);
  d.num_gpus = d.num_nodes * random.integer(1, most_gpus);
  d.num_replicas = d.num_gpus * random.integer(1, most_slots);
  d.num_groups = random.integer(1, std::min<std::int64_t>(d.num_replicas, 8));
  const auto most = d.num_replicas / d.num_groups;
  result.experts = static_cast<int>(d.num_groups * random.integer((most + 1) / 2, most));
  result.loads = random_loads(random, result.experts);
  return result;
}

}  // namespace fathom::testing_support
