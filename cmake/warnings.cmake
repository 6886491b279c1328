add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wnull-dereference -Wimplicit-fallthrough
  -Wthread-safety -Werror -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
# Boost.Describe's macros are variadic and may be called without a list.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-gnu-zero-variadic-macro-arguments>)
