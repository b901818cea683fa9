#include "emulator/box.hpp"

#include <fmt/format.h>

#include <cstring>

namespace fathom::emulator {

Box::Row Box::row(std::int64_t index) const {
  Row row{index, true, base, at[0] * element};
  std::int64_t rest = index;
  for (int i = 1; i < rank; ++i) {
    const std::int64_t place = at[i] + rest % edges[i];
    rest /= edges[i];
    row.exists = row.exists && place >= 0 && place < dims[i];
    if (row.exists) row.start += place * pitch[i];
  }
  return row;
}

std::string decode(const TensorMap& map, std::initializer_list<int> at, Box* box) {
  if (reinterpret_cast<std::uintptr_t>(&map) % 64 != 0)
    return "the tensor map does not lie at a multiple of 64 bytes";
  EncodedTensorMap encoded;
  std::memcpy(static_cast<void*>(&encoded), &map, sizeof encoded);
  const int element = element_bytes(encoded.type);
  if (encoded.rank != at.size() || element == 0 || encoded.interleave != 0)
    return fmt::format("not a tensor map of rank {} (rank {}, type {}, interleave {})", at.size(),
                       encoded.rank, static_cast<int>(encoded.type), encoded.interleave);
  box->rank = encoded.rank;
  box->type = encoded.type;
  box->element = element;
  box->span = swizzle_span(encoded.swizzle);
  box->base = reinterpret_cast<unsigned char*>(encoded.base);
  box->rows = 1;
  for (int i = 0; i < box->rank; ++i) {
    box->at[i] = at.begin()[i];
    box->dims[i] = static_cast<std::int64_t>(encoded.dims[i]);
    box->edges[i] = encoded.box[i];
    if (i > 0) box->pitch[i] = static_cast<std::int64_t>(encoded.strides[i - 1]);
    if (i > 0) box->rows *= encoded.box[i];
    if (encoded.element_strides[i] != 1) return "element strides are not emulated";
    if (box->edges[i] < 1 || box->edges[i] > 256 || box->dims[i] < 1)
      return fmt::format("edge {} of the box is {}; it needs 1 to 256", i, box->edges[i]);
    if (box->pitch[i] % 16 != 0)
      return fmt::format("the pitch {} is not a multiple of 16 bytes", box->pitch[i]);
  }
  box->dim_bytes = box->dims[0] * element;
  box->row_bytes = box->edges[0] * element;
  if (encoded.base % 16 != 0 || box->row_bytes % 16 != 0)
    return fmt::format("base {:#x} and box rows of {} bytes must be multiples of 16", encoded.base,
                       box->row_bytes);
  if (box->span > 16 && box->row_bytes != box->span)
    return fmt::format("box rows of {} bytes with a swizzle of {}: only equal ones are emulated",
                       box->row_bytes, box->span);
  return {};
}

}  // namespace fathom::emulator
