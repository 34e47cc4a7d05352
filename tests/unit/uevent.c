/* SPDX-License-Identifier: MIT */
#include "uevent.h"

#include <string.h>

#include "unit.h"

static const struct {
	const char *text;
	struct uc_uevent_message message;
} ours[] = {
	{"add@/devices/virtual/ublk-char/ublkc0", {UC_UEVENT_ADD, false, 0}},
	{"remove@/devices/virtual/ublk-char/ublkc1048575", {UC_UEVENT_REMOVE, false, 1048575}},
	{"add@/devices/virtual/block/ublkb12", {UC_UEVENT_ADD, true, 12}},
	{"change@/devices/virtual/block/ublkb12", {UC_UEVENT_CHANGE, true, 12}},
};

static const char *const others[] = {
	"",
	"@",
	"add@",
	"/ublkb0",
	"add/ublkb0",
	"add@ublkb0",
	"/ublkb0@add",
	"@/devices/virtual/block/ublkb0",
	"move@/devices/virtual/block/ublkb0",
	"ad@/devices/virtual/block/ublkb0",
	"added@/devices/virtual/block/ublkb0",
	"add@/devices/virtual/block/ublkb0/ublkb0p1",
	"add@/devices/virtual/block/ublkb",
	"add@/devices/virtual/block/ublkb1048576",
	"add@/devices/virtual/block/ublkb-1",
	"add@/devices/virtual/misc/ublk-control",
	"add@/devices/virtual/bdi/259:0",
	"add@/module/ublk_drv",
	"libudev",
};

static void test_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		struct uc_uevent_message message = {0};

		if (!uc_uevent_parse(ours[i].text, strlen(ours[i].text) + 1, &message))
			fail_msg("%s", ours[i].text);
		assert_int_equal(message.action, ours[i].message.action);
		assert_int_equal(message.block, ours[i].message.block);
		assert_int_equal(message.id, ours[i].message.id);
	}
}

static void test_others(void **state)
{
	struct uc_uevent_message message = {.id = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (uc_uevent_parse(others[i], strlen(others[i]) + 1, &message))
			fail_msg("%s", others[i]);
	/* Nothing that is not ended is looked at. */
	assert_false(uc_uevent_parse("", 0, &message));
	assert_false(uc_uevent_parse(ours[0].text, strlen(ours[0].text), &message));
	assert_int_equal(message.id, 77);
}

/* As the kernel sends them: the names behind the first string say nothing new. */
static void test_whole(void **state)
{
	static const char text[] = "remove@/devices/virtual/block/ublkb3\0ACTION=remove\0"
				   "DEVPATH=/devices/virtual/block/ublkb3\0SUBSYSTEM=block";
	struct uc_uevent_message message = {0};

	(void)state;
	assert_true(uc_uevent_parse(text, sizeof(text), &message));
	assert_int_equal(message.action, UC_UEVENT_REMOVE);
	assert_true(message.block);
	assert_int_equal(message.id, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
