/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <stdio.h>

static const struct load *load_of(const void *row)
{
	return row;
}

static const struct uc_thread_stats *did(const void *row)
{
	return &load_of(row)->did;
}

/* --- which device, and when --- */

static void get_id(const void *row, struct value *value)
{
	value_number(value, load_of(row)->device->info.dev_id);
}

static void get_device(const void *row, struct value *value)
{
	value_text(value, load_of(row)->device->node);
}

static void get_name(const void *row, struct value *value)
{
	if (load_of(row)->device->record.name[0])
		value_text(value, load_of(row)->device->record.name);
}

static void get_target(const void *row, struct value *value)
{
	value_text(value, load_of(row)->device->record.target);
}

static void get_state(const void *row, struct value *value)
{
	value_text(value, uc_device_state_name(load_of(row)->device->info.state));
}

static void get_queue(const void *row, struct value *value)
{
	if (load_of(row)->queue >= 0)
		value_number(value, (uint64_t)load_of(row)->queue);
}

static void get_span(const void *row, struct value *value)
{
	if (load_of(row)->span)
		value_time(value, load_of(row)->span);
}

/* --- how much --- */

static uint64_t others(const struct uc_thread_stats *d)
{
	return d->flushes + d->discards + d->write_zeroes;
}

uint64_t load_requests(const struct load *load)
{
	return load->did.reads + load->did.writes + others(&load->did);
}

static void get_reads(const void *row, struct value *value)
{
	value_number(value, did(row)->reads);
}

static void get_writes(const void *row, struct value *value)
{
	value_number(value, did(row)->writes);
}

static void get_others(const void *row, struct value *value)
{
	value_number(value, others(did(row)));
}

static void get_errors(const void *row, struct value *value)
{
	value_number(value, did(row)->errors);
}

static void get_in_flight(const void *row, struct value *value)
{
	value_number(value, did(row)->in_flight);
}

static void get_read_bytes(const void *row, struct value *value)
{
	value_bytes(value, did(row)->read_bytes);
}

static void get_write_bytes(const void *row, struct value *value)
{
	value_bytes(value, did(row)->write_bytes);
}

/* --- how much in a second; of totals nobody knows --- */

static uint64_t per_second(const void *row, uint64_t count)
{
	return (uint64_t)((double)count * 1e9 / (double)load_of(row)->span + 0.5);
}

static void put_rate(const void *row, struct value *value, uint64_t count)
{
	if (load_of(row)->span)
		value_number(value, per_second(row, count));
}

static void put_byte_rate(const void *row, struct value *value, uint64_t bytes)
{
	if (load_of(row)->span)
		value_bytes(value, per_second(row, bytes));
}

static void get_iops(const void *row, struct value *value)
{
	put_rate(row, value, load_requests(load_of(row)));
}

static void get_read_iops(const void *row, struct value *value)
{
	put_rate(row, value, did(row)->reads);
}

static void get_write_iops(const void *row, struct value *value)
{
	put_rate(row, value, did(row)->writes);
}

static void get_read_rate(const void *row, struct value *value)
{
	put_byte_rate(row, value, did(row)->read_bytes);
}

static void get_write_rate(const void *row, struct value *value)
{
	put_byte_rate(row, value, did(row)->write_bytes);
}

/* --- how long --- */

static void put_service(const struct uc_histogram *service, unsigned permille, struct value *value)
{
	if (uc_histogram_total(service))
		value_time(value, uc_histogram_permille(service, permille));
}

static void put_service_of_all(const void *row, unsigned permille, struct value *value)
{
	struct uc_histogram all = did(row)->service[0];

	for (unsigned class = 1; class < UC_CLASSES; class ++)
		for (unsigned i = 0; i < UC_HISTOGRAM_SIZE; i++)
			all.buckets[i] += did(row)->service[class].buckets[i];
	put_service(&all, permille, value);
}

#define SERVICE_COLUMNS(name, class)                                                               \
	static void get_##name##_p50(const void *row, struct value *value)                         \
	{                                                                                          \
		put_service(&did(row)->service[class], 500, value);                                \
	}                                                                                          \
	static void get_##name##_p99(const void *row, struct value *value)                         \
	{                                                                                          \
		put_service(&did(row)->service[class], 990, value);                                \
	}                                                                                          \
	static void get_##name##_p999(const void *row, struct value *value)                        \
	{                                                                                          \
		put_service(&did(row)->service[class], 999, value);                                \
	}                                                                                          \
	static void get_##name##_max(const void *row, struct value *value)                         \
	{                                                                                          \
		put_service(&did(row)->service[class], 1000, value);                               \
	}

SERVICE_COLUMNS(read, UC_CLASS_READ)
SERVICE_COLUMNS(write, UC_CLASS_WRITE)
SERVICE_COLUMNS(other, UC_CLASS_OTHER)

static void get_p50(const void *row, struct value *value)
{
	put_service_of_all(row, 500, value);
}

static void get_p99(const void *row, struct value *value)
{
	put_service_of_all(row, 990, value);
}

static void get_p999(const void *row, struct value *value)
{
	put_service_of_all(row, 999, value);
}

static void get_max(const void *row, struct value *value)
{
	put_service_of_all(row, 1000, value);
}

static const struct column columns[] = {
	{"ID", true, "device id", get_id},
	{"DEVICE", false, "block device node", get_device},
	{"NAME", false, "what it is called", get_name},
	{"TARGET", false, "what serves it", get_target},
	{"STATE", false, "as the driver says", get_state},
	{"QUEUE", true, "queue; none: all of the device", get_queue},
	{"SPAN", true, "time between the two looks at the counters", get_span},
	{"READS", true, "reads", get_reads},
	{"WRITES", true, "writes", get_writes},
	{"OTHERS", true, "flushes, discards and writes of zeroes", get_others},
	{"READ-BYTES", true, "what was read without an error", get_read_bytes},
	{"WRITE-BYTES", true, "what was written without an error", get_write_bytes},
	{"IOPS", true, "requests of all kinds in a second", get_iops},
	{"READ-IOPS", true, "reads in a second", get_read_iops},
	{"WRITE-IOPS", true, "writes in a second", get_write_iops},
	{"READ-RATE", true, "bytes read in a second", get_read_rate},
	{"WRITE-RATE", true, "bytes written in a second", get_write_rate},
	{"ERRORS", true, "requests that were answered with an error", get_errors},
	{"IN-FLIGHT", true, "requests that are not answered yet", get_in_flight},
	{"P50", true, "service time that half of all requests did not exceed", get_p50},
	{"P99", true, "the same for 99 %", get_p99},
	{"P999", true, "the same for 99.9 %", get_p999},
	{"MAX", true, "longest service time", get_max},
	{"READ-P50", true, "service time that half of the reads did not exceed", get_read_p50},
	{"READ-P99", true, "that 99 % of reads did not exceed", get_read_p99},
	{"READ-P999", true, "that 99.9 % of reads did not exceed", get_read_p999},
	{"READ-MAX", true, "the longest of reads", get_read_max},
	{"WRITE-P50", true, "service time that half of the writes did not exceed", get_write_p50},
	{"WRITE-P99", true, "that 99 % of writes did not exceed", get_write_p99},
	{"WRITE-P999", true, "that 99.9 % of writes did not exceed", get_write_p999},
	{"WRITE-MAX", true, "the longest of writes", get_write_max},
	{"OTHER-P50", true, "service time that half of the others did not exceed", get_other_p50},
	{"OTHER-P99", true, "that 99 % of others did not exceed", get_other_p99},
	{"OTHER-P999", true, "that 99.9 % of others did not exceed", get_other_p999},
	{"OTHER-MAX", true, "the longest of others", get_other_max},
};

#define SHOWN(queue, work) "ID,DEVICE,NAME," queue work ",ERRORS,IN-FLIGHT,P50,P99,P999,MAX"
#define TOTALS             "READS,WRITES,OTHERS,READ-BYTES,WRITE-BYTES"
#define RATES              "READ-IOPS,WRITE-IOPS,READ-RATE,WRITE-RATE"

const struct table load_columns = {
	.columns = columns,
	.nr_columns = sizeof(columns) / sizeof(columns[0]),
	.defaults = SHOWN("", TOTALS),
	.json_name = "stats",
	.row_size = sizeof(struct load),
};

struct table load_table(bool span, bool queues)
{
	struct table table = load_columns;

	if (span)
		table.defaults = queues ? SHOWN("QUEUE,", RATES) : SHOWN("", RATES);
	else if (queues)
		table.defaults = SHOWN("QUEUE,", TOTALS);
	return table;
}
