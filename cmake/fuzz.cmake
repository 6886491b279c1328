# Fuzzers (libFuzzer): cmake --preset asan -DCORBEL_FUZZ=ON, then build and run <name>_fuzz.
option(CORBEL_FUZZ "build the programs under fuzz/ and instrument everything for them" OFF)
if(CORBEL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# fuzzer(<module>): fuzz/<module>_fuzz.cpp, which sees what the module's tests see.
function(fuzzer module)
  if(NOT CORBEL_FUZZ)
    return()
  endif()
  add_executable(${module}_fuzz EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/fuzz/${module}_fuzz.cpp)
  get_target_property(roots ${module} INCLUDE_DIRECTORIES)
  get_target_property(libraries ${module} LINK_LIBRARIES)
  target_include_directories(${module}_fuzz PRIVATE ${roots})
  target_link_libraries(${module}_fuzz PRIVATE ${module} ${libraries})
  target_compile_options(${module}_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_options(${module}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()
