# SPDX-License-Identifier: MIT
# Read by cpack when the files of a package are in their places: what a distribution wants otherwise than 'cmake --install'
# has it, or besides.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX})
set(doc ${root}/share/doc/${CPACK_PACKAGE_NAME})

# compressed FILE...: in its place, and without a date.
function(compressed)
  execute_process(COMMAND gzip -9nf ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB pages ${root}/share/man/man?/*.[0-9])
foreach(page ${pages})
  if(IS_SYMLINK ${page})
    file(READ_SYMLINK ${page} target)
    file(REMOVE ${page})
    file(CREATE_LINK ${target}.gz ${page}.gz SYMBOLIC)
  else()
    compressed(${page})
  endif()
endforeach()

file(MAKE_DIRECTORY ${doc})
if(CPACK_GENERATOR STREQUAL "DEB")
  configure_file(${CPACK_UBLKCTL_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY)
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  configure_file(${CPACK_UBLKCTL_SOURCE}/packaging/debian/changelog.in ${doc}/changelog.Debian @ONLY)
  compressed(${doc}/changelog ${doc}/changelog.Debian)
  file(READ ${CPACK_UBLKCTL_SOURCE}/LICENSE licence)
  string(FIND "${licence}" "Permission" begin)
  string(SUBSTRING "${licence}" ${begin} -1 licence)
  string(REPLACE "\n" "\n " licence " ${licence}")
  string(REPLACE "\n \n" "\n .\n" licence "${licence}")
  string(STRIP "${licence}" licence)
  configure_file(${CPACK_UBLKCTL_SOURCE}/packaging/debian/copyright.in ${doc}/copyright @ONLY)
  if(EXISTS ${root}/share/zsh/site-functions)
    file(RENAME ${root}/share/zsh/site-functions ${root}/share/zsh/vendor-completions)
  endif()
else()
  configure_file(${CPACK_UBLKCTL_SOURCE}/LICENSE ${doc}/LICENSE COPYONLY)
  configure_file(${CPACK_UBLKCTL_SOURCE}/CHANGELOG.md ${doc}/CHANGELOG.md COPYONLY)
endif()

# Whatever the umask of whoever makes it, and whenever the sources came to lie here.
execute_process(COMMAND chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_INSTALL_DIRECTORY} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -exec touch -h -d @$ENV{SOURCE_DATE_EPOCH} {} +
                COMMAND_ERROR_IS_FATAL ANY)
