# SPDX-License-Identifier: MIT
# UBLKCTL_DATE: when the sources were last changed, in seconds since 1970. What is built of them bears this date and not
# the build's, so that two builds are alike. $SOURCE_DATE_EPOCH goes before all else, as it does elsewhere; a tarball
# has the date in a file, where git archive has put it; git knows it of a clone.
set(UBLKCTL_DATE $ENV{SOURCE_DATE_EPOCH})
if(NOT UBLKCTL_DATE)
  file(STRINGS ${PROJECT_SOURCE_DIR}/packaging/date UBLKCTL_DATE REGEX "^[0-9]+$")
endif()
if(NOT UBLKCTL_DATE)
  find_program(GIT git)
  if(GIT)
    execute_process(COMMAND ${GIT} -C ${PROJECT_SOURCE_DIR} log -1 --format=%ct
                    OUTPUT_VARIABLE UBLKCTL_DATE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT UBLKCTL_DATE)
  file(TIMESTAMP ${PROJECT_SOURCE_DIR}/CHANGELOG.md UBLKCTL_DATE %s UTC)
endif()
