/* SPDX-License-Identifier: MIT */
#include "openmetrics.h"

#include <inttypes.h>
#include <stdio.h>

/* Powers of two from a microsecond to two minutes, in ns. */
#define FIRST_BOUND 10
#define LAST_BOUND  37

static const char *const class_names[UC_CLASSES] = {
	[UC_CLASS_READ] = "read", [UC_CLASS_WRITE] = "write", [UC_CLASS_OTHER] = "other"};

static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", stdout);
		else if (*text == '\\' || *text == '"')
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void print_label(const char *name, const char *value)
{
	printf("%s=\"", name);
	print_escaped(value);
	putchar('"');
}

/* The labels that all have; `op` may be NULL. The brace is left open. */
static void begin_line(const char *name, const struct sample *s, unsigned queue, const char *op)
{
	printf("%s{", name);
	print_label("device", s->device.node);
	putchar(',');
	print_label("name", s->device.record.name);
	putchar(',');
	print_label("target", s->device.record.target);
	printf(",queue=\"%u\"", queue);
	if (op)
		printf(",op=\"%s\"", op);
}

static void print_count(const char *name, const struct sample *s, unsigned queue, const char *op,
			uint64_t count)
{
	begin_line(name, s, queue, op);
	printf("} %" PRIu64 "\n", count);
}

static void print_requests(const struct sample *s, unsigned queue)
{
	static const char name[] = "ublkctl_requests_total";
	const struct uc_thread_stats *q = &s->queues[queue];

	print_count(name, s, queue, "read", q->reads);
	print_count(name, s, queue, "write", q->writes);
	print_count(name, s, queue, "flush", q->flushes);
	print_count(name, s, queue, "discard", q->discards);
	print_count(name, s, queue, "write_zeroes", q->write_zeroes);
}

static void print_bytes(const struct sample *s, unsigned queue)
{
	static const char name[] = "ublkctl_moved_bytes_total";
	const struct uc_thread_stats *q = &s->queues[queue];

	print_count(name, s, queue, "read", q->read_bytes);
	print_count(name, s, queue, "write", q->write_bytes);
	print_count(name, s, queue, "discard", q->discard_bytes);
}

static void print_errors(const struct sample *s, unsigned queue)
{
	print_count("ublkctl_errors_total", s, queue, NULL, s->queues[queue].errors);
}

static void print_in_flight(const struct sample *s, unsigned queue)
{
	print_count("ublkctl_in_flight", s, queue, NULL, s->queues[queue].in_flight);
}

static void print_bucket(const struct sample *s, unsigned queue, const char *op, const char *bound,
			 uint64_t count)
{
	begin_line("ublkctl_service_seconds_bucket", s, queue, op);
	printf(",le=\"%s\"} %" PRIu64 "\n", bound, count);
}

static void print_histogram(const struct sample *s, unsigned queue, const char *op,
			    const struct uc_histogram *h)
{
	const uint64_t total = uc_histogram_total(h);

	for (unsigned bits = FIRST_BOUND; bits <= LAST_BOUND; bits++) {
		char bound[32];

		snprintf(bound, sizeof(bound), "%.12g", (double)(UINT64_C(1) << bits) / 1e9);
		print_bucket(s, queue, op, bound, uc_histogram_below(h, bits));
	}
	print_bucket(s, queue, op, "+Inf", total);
	print_count("ublkctl_service_seconds_count", s, queue, op, total);
	begin_line("ublkctl_service_seconds_sum", s, queue, op);
	printf("} %" PRIu64 ".%09" PRIu64 "\n", h->sum / 1000000000U, h->sum % 1000000000U);
}

static void print_service(const struct sample *s, unsigned queue)
{
	for (unsigned class = 0; class < UC_CLASSES; class ++)
		print_histogram(s, queue, class_names[class], &s->queues[queue].service[class]);
}

static const struct family {
	const char *name;
	const char *type;
	const char *unit; /* NULL: none */
	const char *help;
	void (*print)(const struct sample *s, unsigned queue);
} families[] = {
	{"ublkctl_requests", "counter", NULL, "Requests that the handler was given.",
	 print_requests},
	{"ublkctl_moved_bytes", "counter", "bytes",
	 "Data of the requests that were answered without an error.", print_bytes},
	{"ublkctl_errors", "counter", NULL, "Requests that were answered with an error.",
	 print_errors},
	{"ublkctl_in_flight", "gauge", NULL, "Requests that are not answered yet.",
	 print_in_flight},
	{"ublkctl_service_seconds", "histogram", "seconds",
	 "Time from when the handler had a request until it answered.", print_service},
};

void openmetrics_print(const struct samples *samples)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		const struct family *family = &families[f];

		printf("# TYPE %s %s\n", family->name, family->type);
		if (family->unit)
			printf("# UNIT %s %s\n", family->name, family->unit);
		printf("# HELP %s %s\n", family->name, family->help);
		for (size_t i = 0; i < samples->count; i++)
			for (unsigned q = 0; q < samples->list[i].nr_queues; q++)
				family->print(&samples->list[i], q);
	}
	puts("# EOF");
}
