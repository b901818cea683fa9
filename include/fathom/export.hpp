// Marks what the shared library exports. Public layer; plain preprocessor, so that c_api.h can
// include it from C.
//
// Everything else is compiled with hidden visibility. Put FATHOM_API between `class` or `struct`
// and the name of a public type that has functions defined in a .cpp file or that is thrown, and in
// front of each public function.
#pragma once

#define FATHOM_API __attribute__((visibility("default")))
