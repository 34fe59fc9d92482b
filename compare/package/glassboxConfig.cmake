# SPDX-License-Identifier: Apache-2.0
#
# find_package(glassbox 0.1) gives
#     glassbox::glassbox    reference, certified truth, verdicts: #include <glassbox/reference/glassbox.h>
#     glassbox::files       case files and streams of them:       #include <glassbox/compare/io/case.h>
# Both are static; what they need of the system comes with them. Where the GPU kernels were built, also
#     glassbox::cuda        kernels for NVIDIA GPUs, shared:      #include <glassbox/fast/cuda/gla_cuda.h>

get_filename_component(_glassbox_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET glassbox::glassbox)
  add_library(glassbox::glassbox STATIC IMPORTED)
  set_target_properties(glassbox::glassbox PROPERTIES
    IMPORTED_LOCATION "${_glassbox_prefix}/lib/libglassbox.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_glassbox_prefix}/include"
    INTERFACE_LINK_LIBRARIES "mpfi;mpfr;gmp;pthread;m")

  add_library(glassbox::files STATIC IMPORTED)
  set_target_properties(glassbox::files PROPERTIES
    IMPORTED_LOCATION "${_glassbox_prefix}/lib/libglassbox_files.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_glassbox_prefix}/include"
    INTERFACE_LINK_LIBRARIES "glassbox::glassbox;jansson;zip")

  if(EXISTS "${_glassbox_prefix}/lib/libglassbox_cuda.so")
    add_library(glassbox::cuda SHARED IMPORTED)
    set_target_properties(glassbox::cuda PROPERTIES
      IMPORTED_LOCATION "${_glassbox_prefix}/lib/libglassbox_cuda.so"
      IMPORTED_SONAME "libglassbox_cuda.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_glassbox_prefix}/include")
  endif()
endif()

unset(_glassbox_prefix)
