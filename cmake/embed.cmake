# embed(<source> <NAME>=<folder>...): <source> is assembled with the files of the folders (.incbin); they are
# named to it by the macros <NAME>. It is built again when one of the files changes.
function(embed source)
  foreach(pair IN LISTS ARGN)
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 folder)
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*)
    set_property(SOURCE ${source} APPEND PROPERTY OBJECT_DEPENDS ${files})
    set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS ${name}="${folder}")
  endforeach()
endfunction()
