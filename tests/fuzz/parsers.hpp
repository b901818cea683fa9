// What the fuzzers and the mutation test ask of each parser: an Error or a sound result, never
// anything else.
#pragma once

#include <cstdint>
#include <fathom/error.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "groups_file.hpp"
#include "safetensors.hpp"

namespace fathom::testing {

inline void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

/// The first byte chooses how many bytes of data the header is to describe.
inline void drive_safetensors_header(std::string_view input) {
  const std::int64_t data_bytes = input.empty() ? 0 : static_cast<unsigned char>(input[0]);
  cli::SafetensorsHeader header;
  try {
    header =
        cli::parse_safetensors_header(input.substr(input.empty() ? 0 : 1), data_bytes, "input");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kInvalidArgument, "a parser error of another code");
    return;
  }
  std::int64_t end = 0;
  for (const cli::SafetensorsEntry& entry : header.tensors) {
    require(entry.begin == end && entry.end >= end, "tensors overlap or leave a hole");
    require(cli::safetensors_bytes(entry.dtype, entry.shape) == entry.bytes(), "a size that lies");
    require(header.find(entry.name) != nullptr, "a tensor that is not found by its name");
    end = entry.end;
  }
  require(end == data_bytes, "bytes that belong to no tensor");
  // What we write of it is read as the same header.
  const std::string text = cli::format_safetensors_header(header);
  const cli::SafetensorsHeader again =
      cli::parse_safetensors_header(text.substr(8), data_bytes, "again");
  require(again.metadata == header.metadata, "metadata that changed");
  require(again.tensors.size() == header.tensors.size(), "tensors that got lost");
  for (const cli::SafetensorsEntry& entry : header.tensors) {
    const cli::SafetensorsEntry* same = again.find(entry.name);
    require(same != nullptr && same->shape == entry.shape && same->dtype == entry.dtype &&
                same->begin == entry.begin && same->end == entry.end,
            "a tensor that changed");
  }
}

inline void drive_groups_file(std::string_view input) {
  try {
    const cli::GroupsFile groups = cli::parse_groups(input, "input");
    require(groups.form != Groups::Form::kNone, "groups without a form");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kInvalidArgument, "a parser error of another code");
  }
}

}  // namespace fathom::testing
