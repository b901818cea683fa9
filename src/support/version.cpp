// version() and commit(). Support layer; the texts come from cmake/write_version.cmake, so that
// only this file is compiled again when HEAD moves.
#include <fathom/context.hpp>

#include "fathom_version.hpp"

namespace fathom {

std::string_view version() {
  return FATHOM_VERSION_TEXT;
}

std::string_view commit() {
  return FATHOM_COMMIT_TEXT;
}

}  // namespace fathom
