# SPDX-License-Identifier: MIT
# cmake --build BUILD --target uninstall: removes what 'cmake --install BUILD' has installed, and nothing else. What is
# below $DESTDIR, as with the installation. Directories stay, as others may want them, but for our own.
if(NOT EXISTS ${MANIFEST})
  message(FATAL_ERROR "nothing was installed from here: there is no ${MANIFEST}")
endif()
file(STRINGS ${MANIFEST} installed)
foreach(file ${installed})
  set(file $ENV{DESTDIR}${file})
  if(EXISTS ${file} OR IS_SYMLINK ${file})
    message(STATUS "Removing ${file}")
    file(REMOVE ${file})
  else()
    message(STATUS "Is not there: ${file}")
  endif()
endforeach()
file(REMOVE ${MANIFEST})
