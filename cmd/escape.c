/* SPDX-License-Identifier: MIT */
#include "escape.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* The byte that \ooo stands for; 0 if it is none, since no text can have that. */
static char octal(const char *at)
{
	unsigned byte = 0;

	if (*at++ != '\\')
		return '\0';
	for (int i = 0; i < 3; i++, at++) {
		if (*at < '0' || *at > '7')
			return '\0';
		byte = byte * 8 + (unsigned)(*at - '0');
	}
	return byte <= 0xff ? (char)byte : '\0';
}

const char *escape_undo(char *text)
{
	const char *from = text;

	while (*from) {
		const char byte = octal(from);

		if (*from == '\\' && !byte)
			return from;
		*text++ = byte ? byte : *from;
		from += byte ? 4 : 1;
	}
	*text = '\0';
	return NULL;
}

static bool is_special(char c)
{
	return iscntrl((unsigned char)c) || strchr(" \\,", c);
}

void escape_print(FILE *out, const char *text)
{
	for (; *text; text++)
		if (is_special(*text))
			fprintf(out, "\\%03o", (unsigned char)*text);
		else
			putc(*text, out);
}
