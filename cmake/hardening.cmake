# SPDX-License-Identifier: MIT
# What distributions add to the compiler's and linker's flags. A packager whose tools give these (dpkg-buildflags, the
# macros of rpm) leaves the option off.
option(UBLKCTL_HARDENING "PIE, RELRO, immediate binding, fortified libc calls, stack protectors" OFF)
if(UBLKCTL_HARDENING)
  include(CheckCCompilerFlag)
  # Not CMAKE_POSITION_INDEPENDENT_CODE: that is -fPIC for the static libraries, whose functions are then not inlined.
  add_compile_options(-fPIE -fstack-protector-strong)
  add_link_options(-pie LINKER:-z,relro LINKER:-z,now)
  foreach(flag stack-clash-protection cf-protection)
    check_c_compiler_flag(-f${flag} HAVE_${flag})
    if(HAVE_${flag})
      add_compile_options(-f${flag})
    endif()
  endforeach()
  # Only with optimisation, and some compilers set it by themselves.
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()

option(UBLKCTL_REPRODUCIBLE "Nothing of where it was built is in the program and its debug information" OFF)
if(UBLKCTL_REPRODUCIBLE)
  # The last that fits counts, and the build directory may be in the source directory.
  add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -ffile-prefix-map=${PROJECT_BINARY_DIR}=build)
endif()
