// See score_chart.hpp.
#include "score_chart.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fathom::bench {
namespace {

constexpr double kRow = 22, kLabelWidth = 190, kPlotWidth = 480, kTop = 44;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string score_chart(const std::string& title, const std::vector<Bar>& bars) {
  double top = 1.2;
  for (const Bar& bar : bars) top = std::max(top, bar.value * 1.05);
  const double scale = kPlotWidth / top;
  const double height = kTop + kRow * static_cast<double>(bars.size()) + 16;
  const double one = kLabelWidth + scale;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"8\" y=\"22\" font-size=\"15\">{}</text>\n",
      kLabelWidth + kPlotWidth + 60, height, escaped(title));
  double y = kTop;
  for (const Bar& bar : bars) {
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n"
        "<rect x=\"{:.0f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" fill=\"{}\"/>\n"
        "<text x=\"{:.1f}\" y=\"{:.1f}\">{:.3f}</text>\n",
        kLabelWidth - 8, y + 14, escaped(bar.label), kLabelWidth, y + 3, bar.value * scale,
        kRow - 6, bar.value >= 1 ? "#2b7a4b" : "#b5562b", kLabelWidth + bar.value * scale + 6,
        y + 14, bar.value);
    y += kRow;
  }
  svg += fmt::format(
      "<line x1=\"{0:.1f}\" y1=\"{1:.0f}\" x2=\"{0:.1f}\" y2=\"{2:.0f}\" stroke=\"black\" "
      "stroke-dasharray=\"4 3\"/>\n</svg>\n",
      one, kTop - 6, y + 6);
  return svg;
}

}  // namespace fathom::bench
