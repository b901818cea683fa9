// The handles of the C ABI and its tensors as views. Front end.
#pragma once

#include <fathom/c_api.h>

#include <algorithm>
#include <string>

#include <fathom/gemm.hpp>

#include "api/c_support.hpp"

struct fathom_context {
  fathom::Context context;
};

struct fathom_gemm_plan {
  fathom::GemmPlan plan;
};

namespace fathom::api {

inline TensorView view_of(const fathom_tensor& tensor) {
  TensorView view;
  view.data = tensor.data;
  view.dtype = static_cast<DType>(tensor.dtype);
  view.device = {static_cast<DeviceType>(tensor.device_type), tensor.device_index};
  view.rank = tensor.rank;
  std::copy(std::begin(tensor.shape), std::end(tensor.shape), view.shape.begin());
  std::copy(std::begin(tensor.stride), std::end(tensor.stride), view.stride.begin());
  return view;
}

inline void override_text(std::string& field, const char* value) {
  if (value != nullptr && value[0] != '\0') field = value;
}

}  // namespace fathom::api
