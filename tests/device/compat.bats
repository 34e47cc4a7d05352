#!/usr/bin/env bats
# A script as it was written for `ublk`, the older tool, runs unchanged by way of a link of that name.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, id, output ... are set by helpers
load helpers

# The script knows nothing of this program: it finds `ublk` in PATH, and takes its list apart by columns.
write_script() {
	mkdir "$tmp/bin"
	ln -s "$UBLKCTL" "$tmp/bin/ublk"
	cat >"$tmp/script" <<-'END'
		#!/bin/bash
		set -e
		get_state() { ublk list -n "$1" | grep "state" | awk '{print $11}'; }
		get_pid() { ublk list -n "$1" | grep "pid" | awk '{print $7}'; }
		get_tid() { ublk list -n "$1" | grep "queue $2" | awk '{print $4}'; }
		wait_state() {
			for ((i = 0; i < 200; i++)); do
				[ "$(get_state "$1")" == "$2" ] && return
				sleep 0.1
			done
			echo "device is $(get_state "$1")"
			return 1
		}

		truncate -s 64M "$TMPDIR/img"
		ublk add -t loop -f "$TMPDIR/img" -n 5 -q 2 -d 64 -r 1 -i 1 -u 1 > "$TMPDIR/full" 2>&1
		udevadm settle
		ublk list -n 5 >> "$TMPDIR/full"
		mkfs.ext4 -q -F /dev/ublkb5
		mkdir "$TMPDIR/mnt"
		mount /dev/ublkb5 "$TMPDIR/mnt"
		echo before > "$TMPDIR/mnt/file"
		sync "$TMPDIR/mnt/file"

		pid=$(get_pid 5)
		tid=$(get_tid 5 1)
		test -d "/proc/$pid/task/$tid"
		kill -9 "$pid"
		wait_state 5 QUIESCED
		ublk recover -n 5 >> "$TMPDIR/full" 2>&1
		wait_state 5 LIVE
		test "$(get_pid 5)" != "$pid"
		echo after >> "$TMPDIR/mnt/file"
		sync "$TMPDIR/mnt/file"
		cat "$TMPDIR/mnt/file"
		umount "$TMPDIR/mnt"

		id=$(ublk add -t null -q 64 | grep "dev id" | awk -F '[ :]' '{print $3}')
		dd if="/dev/ublkb$id" of=/dev/null bs=4096 count=1 iflag=direct status=none
		echo "capacity $(ublk list -n "$id" | grep "dev id" | awk '{print $NF}') of $(blockdev --getsz "/dev/ublkb$id")"
		set -- $(ublk list -n "$id" | grep ublkb)
		echo "numbers $2 $4 of $(cat "/sys/class/ublk-char/ublkc$id/dev" "/sys/block/ublkb$id/dev" | xargs)"
		ublk features | grep -q USER_RECOVERY
		# Still in use: it goes all the same.
		exec 4< /dev/ublkb5
		ublk del -n 5 &
		sleep 0.5
		exec 4<&-
		wait $!
		ublk del -a
		ublk del -n 5
		ublk list
		udevadm settle
		ls /dev/ublkb* 2> /dev/null || echo "none"
	END
	chmod +x "$tmp/script"
}

@test "add, list by columns, kill -9 of the daemon pid, recover, del -a: as scripts for ublk do it" {
	write_script
	run_check env PATH="$tmp/bin:$PATH" TMPDIR="$tmp" timeout -k 5 120 "$tmp/script"
	same "$(sed -n 1,2p <<<"$output" | xargs)" "before after"
	[[ $output =~ 'capacity 524288000 of 524288000' ]]
	[[ $output =~ numbers\ ([0-9:]+)\ ([0-9:]+)\ of\ ([0-9:]+\ [0-9:]+) ]]
	same "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
	same "$(tail -n 2 <<<"$output")" "ublk: del: device 5 does not exist; 'ublkctl list' shows those that do"$'\nnone'
	same "$(grep -c '^dev id 5: nr_hw_queues 2 queue_depth 64 block size [0-9]* dev_capacity 131072$' "$tmp/full")" 3
}

@test "-z: zero copy where the driver has it, and no other path where it has not" {
	write_script
	ext4_dir
	truncate -s 64M "$dir/image"
	defer within 30 ublkctl del --all
	if "$tmp/bin/ublk" features | grep ZERO_COPY >/dev/null; then
		run_check "$tmp/bin/ublk" add -t loop -f "$dir/image" -z
		# Bit 0 of the flags
		[[ $output =~ flags\ 0x[0-9a-f]*[13579bdf]\ state\ LIVE ]]
		reads /dev/ublkb0
	else
		must_fail 3 "$tmp/bin/ublk" add -t loop -f "$dir/image" -z
		[[ $output == 'ublk: add: '*zero-copy* && $output != *$'\n'* ]]
	fi
}
