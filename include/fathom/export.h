/* Marks what the shared library exports; everything else is compiled with hidden visibility. Public
   layer; plain preprocessor, for C99 and C++20.

   Put FATHOM_API between `class` or `struct` and the name of a public type that has functions
   defined in a .cpp file or that is thrown, and in front of each public function. */
#ifndef FATHOM_EXPORT_H_
#define FATHOM_EXPORT_H_

#define FATHOM_API __attribute__((visibility("default")))

#endif /* FATHOM_EXPORT_H_ */
