# The headers that nearly every file reads, parsed once a build folder instead of once a file: half of the time of a
# build. Only what no rule of the house is about: the standard library, fmt, GoogleTest. CORBEL_PRECOMPILED is off in a
# release, where a file that forgot an #include does not compile.
option(CORBEL_PRECOMPILED "parse standard headers once" OFF)

# precompiled(<name> <header> [<library>...]): objects that other targets take their precompiled header from.
function(precompiled name header)
  add_library(${name} OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled/anchor.cpp)
  target_link_libraries(${name} PRIVATE ${ARGN})
  target_compile_options(${name} PRIVATE -Xclang -fno-pch-timestamp)   # a header from ccache is younger than its own
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled/${header})
  # The file itself names the folder of the build. For ccache it is what its headers say, in any folder.
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -std=c++23 -x c++ -E -P ${CMAKE_SOURCE_DIR}/cmake/precompiled/${header}
    OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(SHA256 sum "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.pch.sum CONTENT "${sum}")
endfunction()

if(CORBEL_PRECOMPILED)
  precompiled(precompiled standard.h fmt::fmt)
  precompiled(precompiled_test test.h fmt::fmt GTest::gmock)
  target_compile_options(precompiled_test PRIVATE ${CORBEL_TEST_OPTIONS})
endif()

# use_precompiled(<target> precompiled | precompiled_test): by the compiler's own option, for what CMake's REUSE_FROM adds
# names the folder of the build, and ccache would not know a file again in another one.
function(use_precompiled target from)
  if(CORBEL_PRECOMPILED)
    set(file ${CMAKE_BINARY_DIR}/CMakeFiles/${from}.dir/cmake_pch.hxx.pch)
    target_compile_options(${target} PRIVATE "SHELL:-include-pch ${file}")
    get_target_property(sources ${target} SOURCES)
    set_property(SOURCE ${sources} APPEND PROPERTY OBJECT_DEPENDS ${file})
  endif()
endfunction()
