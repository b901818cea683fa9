#include "emulator/report.hpp"

#include <fmt/format.h>

namespace fathom::emulator {

const char* name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::kDeadlock:
      return "deadlock";
    case FindingKind::kTransactionMismatch:
      return "transaction mismatch";
    case FindingKind::kBarrierOverflow:
      return "barrier overflow";
    case FindingKind::kBarrierMisuse:
      return "barrier misuse";
    case FindingKind::kOutOfBounds:
      return "out of bounds";
    case FindingKind::kMisaligned:
      return "misaligned";
    case FindingKind::kNeverWritten:
      return "never written";
    case FindingKind::kInFlight:
      return "in flight";
    case FindingKind::kEarlyRead:
      return "accumulator read too early";
    case FindingKind::kMissingFence:
      return "missing fence";
    case FindingKind::kPeerGone:
      return "peer gone";
    case FindingKind::kRegisterBudget:
      return "register budget";
    case FindingKind::kDivergence:
      return "divergence";
    case FindingKind::kTensorMap:
      return "tensor map";
    case FindingKind::kDependency:
      return "dependency on the grid before";
    case FindingKind::kTrap:
      return "trap";
  }
  return "unknown";
}

std::string to_string(const Finding& finding) {
  const Place& place = finding.place;
  std::string text = fmt::format("{}: CTA {} (rank {} of cluster {})", name_of(finding.kind),
                                 place.cta, place.rank, place.cluster);
  if (place.thread >= 0) text += fmt::format(" thread {}", place.thread);
  if (!place.role.empty()) text += fmt::format(", {}", place.role);
  if (!place.last_wait.empty()) text += fmt::format(", after {}", place.last_wait);
  text += fmt::format(": {}", finding.what);
  if (finding.times > 1) text += fmt::format(" ({} times in this warp)", finding.times);
  for (const std::string& detail : finding.details) text += "\n    " + detail;
  return text;
}

bool Report::has(FindingKind kind) const {
  for (const Finding& finding : findings) {
    if (finding.kind == kind) return true;
  }
  return false;
}

std::string Report::text() const {
  std::string text;
  for (const Finding& finding : findings) text += to_string(finding) + "\n";
  return text + fmt::format("{} findings; seed {}, trace {:016x}: the same seed replays this\n",
                            findings.size(), seed, trace_hash);
}

}  // namespace fathom::emulator
