# SPDX-License-Identifier: MIT
# Read by cpack, for each kind of package. Paths of the program are in what is installed, so it cannot be moved later.
if(NOT CPACK_UBLKCTL_PREFIX STREQUAL CPACK_PACKAGING_INSTALL_PREFIX)
  message(FATAL_ERROR "this build is for ${CPACK_UBLKCTL_PREFIX}, and packages are for "
                      "${CPACK_PACKAGING_INSTALL_PREFIX}: make them with 'cmake --workflow --preset package'")
endif()
set(ENV{SOURCE_DATE_EPOCH} ${CPACK_UBLKCTL_DATE})
if(CPACK_GENERATOR STREQUAL "RPM")
  string(TIMESTAMP date "%a %b %d %Y" UTC)
  set(CPACK_RPM_CHANGELOG_FILE ${CPACK_UBLKCTL_BUILD}/packaging/rpm-changelog)
  configure_file(${CPACK_UBLKCTL_SOURCE}/packaging/rpm/changelog.in ${CPACK_RPM_CHANGELOG_FILE} @ONLY)
endif()
