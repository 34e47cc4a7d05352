/* SPDX-License-Identifier: MIT */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digits only: strtoull() by itself would take "-1" and " 5". */
static int parse_digits(const char *text, uint64_t *ret_number, const char **ret_end)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	*ret_end = end;
	return errno ? -ERANGE : 0;
}

/* The unit's factor, or 0 if there is no such unit. */
static uint64_t parse_unit(const char *unit)
{
	static const char letters[] = "KMGTPE";
	const char *letter;
	uint64_t base = 1024;
	uint64_t factor = 1;

	if (!*unit || strcasecmp(unit, "B") == 0)
		return 1;
	letter = strchr(letters, toupper((unsigned char)unit[0]));
	if (!letter)
		return 0;
	if (strcasecmp(unit + 1, "B") == 0)
		base = 1000;
	else if (unit[1] && strcasecmp(unit + 1, "iB") != 0)
		return 0;
	for (const char *l = letters; l <= letter; l++)
		factor *= base;
	return factor;
}

int uc_size_parse(const char *text, const char *what, uint64_t *ret_bytes, struct uc_error *err)
{
	const char *unit = NULL;
	uint64_t number = 0;
	uint64_t factor;
	int ret = parse_digits(text, &number, &unit);

	factor = ret == 0 ? parse_unit(unit) : 1;
	if (ret == -EINVAL || factor == 0)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%s: '%s' is not a size; write a number and perhaps K, M, G, T "
			       "(1024) or KB, MB, GB, TB (1000)",
			       what, text);
	/* No file or device is larger than a signed 64-bit offset. */
	if (ret == -ERANGE || number > INT64_MAX / factor)
		return uc_fail(err, UC_USAGE, ERANGE, "%s: '%s' is too large", what, text);
	*ret_bytes = number * factor;
	return 0;
}

int uc_number_parse(const char *text, const char *what, uint64_t min, uint64_t max,
		    uint64_t *ret_number, struct uc_error *err)
{
	const char *end = NULL;
	uint64_t number = 0;
	int ret = parse_digits(text, &number, &end);

	if (ret == -EINVAL || *end)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64, what,
			       text, min, max);
	if (ret == -ERANGE || number < min || number > max)
		return uc_fail(err, UC_USAGE, ERANGE,
			       "%s: '%s' is out of range; give a number from %" PRIu64
			       " to %" PRIu64,
			       what, text, min, max);
	*ret_number = number;
	return 0;
}
