#!/usr/bin/env bats
# resize, on the model: what it refuses, and what it leaves alone.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # jq's variables; tmp, root, out ... are set by helpers
load helpers

size_is() { same "$(listed '.[0].size')" "$1"; }
loop_of() { truncate -s "$1" image; works add -t loop -f image "${@:2}"; }

@test "resize" { refused 2 'resize: give one device: an id or a path'; }
@test "resize 0 1" { refused 2 'resize: give one device: an id or a path'; }
@test "resize 0 --size" { refused 2 "resize: option '--size' needs an argument"; }
@test "resize 0 --size 0" { refused 2 'resize: --size: it must not be 0'; }
@test "resize 0 --size 1x" { refused 2 "resize: --size: '1x' is not a size; *"; }
@test "resize 3 --size 1M" { refused 6 "resize: device 3 does not exist; 'ublkctl list' shows those that do"; }
@test "resize on Linux 6.12" {
	old_driver
	works add -t null
	refused 3 'resize: device 0 cannot be resized: the driver did not grant update-size, which Linux 6.16 and newer have' resize 0 --size 1M
}
@test "resize: loop grows with its file, or follows it" {
	loop_of 4M
	works resize 0 --size 8M
	size_is 8388608
	same "$(stat -c %s image)" 8388608
	works resize 0
	size_is 8388608
	truncate -s 12M image
	works resize -n 0
	size_is 12582912
	same "$(shown .params.dev_sectors)" 24576
}
@test "resize: an offset counts, and half a block does not" {
	loop_of 5M --offset 1M
	works resize 0 --size 8M
	same "$(stat -c %s image)" 9437184
	truncate -s 10485961 image
	works resize 0
	size_is 9437184
}
@test "resize: smaller" {
	loop_of 8M
	refused 2 'resize: 4194304 bytes are less than the 8388608 that device 0 has; use --force if what is behind the new end may be lost' \
		resize 0 --size 4M
	works resize 0 --size 4M --force
	size_is 4194304
	same "$(stat -c %s image)" 4194304
}
@test "resize: a file that goes on behind the device is not cut" {
	loop_of 8M --size-limit 4M
	works resize 0 --size 2M --force
	size_is 2097152
	same "$(stat -c %s image)" 8388608
}
@test "resize: ramdisk, and null" {
	works add -t ramdisk --size 1M
	works resize 0 --size 3M
	size_is 3145728
	refused 1 'resize: a ramdisk can grow to 1T at most' resize 0 --size 2T
	works add -t null --size 1G
	works resize 1 --size 2T
	same "$(listed '.[1].size')" $((2 << 40))
	works resize 1
	same "$(listed '.[1].size')" $((2 << 40))
}
@test "resize: no whole block" {
	works add -t null --logical-block-size 4096
	refused 2 'resize: --size: 5120 is not a multiple of the block size 4096, or 0' resize 0 --size 5K
}
@test "resize: a device without a record, or without a handler" {
	loop_of 4M --recovery queue
	cp "$root/run/0.json" "$tmp/good"
	rm "$root/run/0.json"
	refused 1 'resize: there is no record of device 0, so what is behind it is not known' resize 0 --size 8M
	cp "$tmp/good" "$root/run/0.json"
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 listed '.[0].state == "QUIESCED"'
	refused 1 'resize: device 0 is QUIESCED, not LIVE, so it cannot be resized' resize 0 --size 8M
	same "$(stat -c %s image)" 4194304
}
@test "resize: what recover finds afterwards" {
	loop_of 4M --recovery queue
	works resize 0 --size 8M
	kill -9 "$(listed '.[0].pid')"
	works recover 0
	size_is 8388608
	same "$(jq -r '.options["size-limit"]' "$root/run/0.json")" 8388608
}
@test "resize: what a handler of --respawn finds and leaves recorded, and start finds" {
	local target old
	for target in ramdisk null; do
		works add -t $target --size 1M --recovery reissue --respawn
		works resize 0 --size 3M
		old=$(listed '.[0].pid')
		kill -9 "$old"
		wait_until 20 listed ".[0] | .state == \"LIVE\" and .pid != $old"
		same "$(jq -r '.options.size' "$root/run/0.json")" 3145728
		works stop 0
		works start 0
		size_is 3145728
		works del 0
	done
}

# --- a change that does not come to its end ---

@test "resize: the driver refuses, and all is as it was" {
	loop_of 4M
	UBLKCTL_MODEL_FAULT=UPDATE_SIZE:EIO refused 1 'resize: the driver refused UPDATE_SIZE for device 0*' resize 0 --size 8M
	works add -t ramdisk --size 1M --recovery reissue
	UBLKCTL_MODEL_FAULT=UPDATE_SIZE:EIO refused 1 'resize: the driver refused UPDATE_SIZE for device 1*' resize 1 --size 2M
	works upgrade 1
	same "$(listed '.[1].size')" 1048576
}
@test "resize: done, and nobody heard of it: the next change finds out" {
	local size
	works add -t ramdisk --size 2M --recovery reissue
	for size in 4194304 1048576; do
		UBLKCTL_MODEL_TIMEOUT_MS=300 UBLKCTL_MODEL_FAULT=UPDATE_SIZE:never-done invoke resize 0 --force --size "$size"
		same "$status" 9
		size_is "$size"
		works upgrade 0
		same "$(jq -r .options.size "$root/run/0.json")" "$size"
		works stop 0
		works start 0
		size_is "$size"
	done
}
