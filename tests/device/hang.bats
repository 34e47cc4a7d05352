#!/usr/bin/env bats
# With a handler that stands still under load, and with a command stuck in the driver, every other command ends in time.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

margin=5

# in_time STATUS ARGUMENT...: it ends with that status, with --timeout 3, in that time and the margin
in_time() {
	local begun=$EPOCHREALTIME took want=$1
	shift
	must_fail "$want" "$UBLKCTL" --timeout 3 "$@"
	took=$(((${EPOCHREALTIME/./} - ${begun/./}) / 1000))
	if ((took <= (3 + margin) * 1000)); then return 0; fi
	echo "that took $took ms: $*" >&2
	return 1
}

new_kernel() { (($(uname -r | cut -d. -f1) >= 7)); }

# still: the handler stands still, and has requests
still() {
	pid=$(handler)
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	wait_until 30 in_flight 1
}

@test "a handler that stands still under load: each command ends, and after SIGCONT no byte is wrong" {
	local resize=3
	if new_kernel; then resize=0; fi
	add_device -t ramdisk --size 32M -q 2 --recovery reissue
	verifying
	still
	in_time 0 list
	in_time 0 show "$id"
	in_time 0 set "$id" --cpus 0
	in_time "$resize" resize "$id" --size 64M
	in_time 0 gc
	in_time 0 features
	in_time 7 recover "$id"
	[[ $output == *"process $pid ("*" is stopped by a signal"* ]]
	in_time 7 stop "$id"
	in_time 7 start "$id"
	in_time 7 del "$id"
	[[ $output == *"opened by process "*"(fio)"* ]]
	kill -CONT "$pid"
	sleep 1
	still
	in_time 0 upgrade "$id"
	[[ $(handler) != "$pid" ]]
	sleep 1
	verified
}

@test "a handler that stands still and has nothing to do: stop, start and del say who it is" {
	add_device -t ramdisk --size 16M --recovery queue
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	in_time 9 stop "$id"
	[[ $output == *"process $pid ("*" is stopped by a signal; use --force to kill it" ]]
	in_time 9 start "$id"
	[[ $output == *"process $pid ("*" is stopped by a signal; "* ]]
	in_time 9 del "$id"
	in_time 0 stop --force "$id"
	in_time 0 start "$id"
	reads "$dev"
	pid=$(handler)
	kill -STOP "$pid"
	in_time 0 del --lazy "$id"
	kill -CONT "$pid"
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
}

in_driver() { grep -qs ublk_ /proc/[0-9]*/task/*/stack; }

@test "a command that is stuck in the driver: the others end, and say where" {
	local del
	add_device -t ramdisk --size 16M -q 2
	load_device --rw=randrw
	still
	# It waits for what the handler has, with the device's lock, and then kills the handler.
	"$UBLKCTL" --timeout 20 del --force "$id" >"$tmp/del" 2>&1 3>&- &
	del=$!
	wait_until 8 in_driver
	in_time 0 list
	in_time 9 show "$id"
	# On a machine with other work the process that asks may not get to tell, and is looked at.
	if [[ $output != *"is in "*ublk_* ]]; then echo "$output"; false; fi
	in_time 0 features
	kill -CONT "$pid"
	wait "$del"
	wait_until 30 gone "$client"
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
}

# The first block of a new device is read by a process that does not have the device: who waits in the kernel for its own
# answer cannot be killed.
@test "add over a disk that is slow: it ends in time, killed or not, and nothing stands still" {
	run_check dmsetup create --noudevsync slow --table '0 32768 delay /dev/ram0 0 0'
	defer dmsetup remove --retry slow
	udevadm settle --timeout 30
	udevadm control --stop-exec-queue
	defer udevadm control --start-exec-queue
	slowed_to 6000
	defer slowed_to 0
	must_fail 9 "$UBLKCTL" --timeout 1 add -t loop -f /dev/mapper/slow
	wait_until 30 nothing_is_left
	"$UBLKCTL" add -t loop -f /dev/mapper/slow >/dev/null 2>&1 3>&- &
	sleep 1
	kill -KILL $!
	wait $! || true
	wait_until 30 nothing_is_left
}
# slowed_to MS: each read and write takes so long
slowed_to() {
	dmsetup suspend --noflush --noudevsync slow
	dmsetup reload slow --table "0 32768 delay /dev/ram0 0 $1"
	dmsetup resume --noudevsync slow
}
# What there was no time for is a dead device.
nothing_is_left() {
	ublkctl gc >/dev/null 2>&1 || true
	[[ ! $(processes) && ! $(ublkctl list --raw --noheadings) ]]
}
