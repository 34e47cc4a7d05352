#!/usr/bin/env bats
# What monitor tells of each thing that can become of a device, and what wait waits for.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

new_kernel() { (($(uname -r | cut -d. -f1) >= 7)); }

end_process() { kill -KILL "$1" 2>/dev/null || true; }

# monitoring [OPTION...]: in the background; sets monitor (its pid)
monitoring() {
	"$UBLKCTL" monitor "$@" >"$tmp/log" 2>"$tmp/err" 3>&- &
	monitor=$!
	defer end_process "$monitor"
	wait_until 30 grep -q watching "$tmp/log"
}

# told: since it watches, without the times
told() { sed '0,/watching/d; s/^[^ ]* //' "$tmp/log"; }

telling() { told | grep -qF "$1"; }

# ended STATUS PID: a process of ours does so
ended() {
	local status=0
	wait_until 30 gone_or_dead "$2"
	wait "$2" || status=$?
	same "$status" "$1" 'exit status'
}
gone_or_dead() { [[ ! -e /proc/$1 || $(<"/proc/$1/stat") == *') Z '* ]]; }

# waits_for STATE DEVICE [OPTION...]: in the background; sets waiter
waits_for() {
	"$UBLKCTL" wait --state "$1" -t 30 "${@:2}" >"$tmp/waited" 2>&1 3>&- &
	waiter=$!
	defer end_process "$waiter"
	wait_until 30 asleep "$waiter"
}
# In poll() or epoll_wait(); wchan would need more of a kernel.
asleep() { [[ $(<"/proc/$1/syscall") =~ ^(7|232|271|281)\  ]]; }

# waited: it has ended well, with nothing to say
waited() {
	ended 0 "$waiter"
	same "$(without_progress <"$tmp/waited")" ''
}

# without_last_states: those expected between the last two handlers
without_last_states() { tac "$tmp/expected" | awk '!(/ is / && n++ < 2)' | tac; }

@test "a whole life: add, resize, kill -9, recover, upgrade, del" {
	local pids=()
	truncate -s 16M "$tmp/image"
	monitoring
	add_device -t loop -f "$tmp/image" --recovery reissue --name disk
	pids+=("$pid")
	wait_until 30 telling "handler $pid started"
	if new_kernel; then
		run_check ublkctl resize "$id" --size 32M
		wait_until 30 telling 'resized to 32M'
	fi
	kill -KILL "$pid"
	wait_until 30 telling 'is QUIESCED'
	run_check ublkctl recover "$id"
	pids+=("$(handler)")
	wait_until 30 telling 'is LIVE'
	run_check ublkctl upgrade "$id"
	pids+=("$(handler)")
	wait_until 30 telling "handler ${pids[2]} started"
	run_check ublkctl del "$id"
	wait_until 30 telling removed
	{
		echo "$dev: added"
		echo "started, 16M"
		echo "handler ${pids[0]} started"
		if new_kernel; then echo "resized to 32M"; fi
		echo "handler ${pids[0]} ended"
		echo "is QUIESCED"
		echo "handler ${pids[1]} started"
		echo "is LIVE"
		echo "handler ${pids[1]} ended"
		echo "is QUIESCED"
		echo "handler ${pids[2]} started"
		echo "is LIVE"
		echo "stopped"
		echo "handler ${pids[2]} ended"
		echo "removed"
	} | sed "2,\$s|^|$dev (disk): |" >"$tmp/expected"
	# While upgrade has its turn, the monitor may not get to see what lasts some milliseconds only.
	told | diff "$tmp/expected" - || told | diff <(without_last_states) -
	if grep -vE '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}[+-][01][0-9]:[0-5][0-9] ' "$tmp/log"; then
		false
	fi
	sed 's/ .*//' "$tmp/log" | sort -c
	kill -TERM "$monitor"
	ended 0 "$monitor"
	same "$(<"$tmp/err")" ''
}

@test "a death without recovery, and --json" {
	local other
	add_device -t ramdisk --size 16M; other=$id
	monitoring --json
	add_device -t ramdisk --size 16M
	wait_until 30 grep -q '"event":"handler-started"' "$tmp/log"
	kill -KILL "$pid"
	wait_until 30 grep -q '"event":"handler-ended"' "$tmp/log"
	wait_until 30 grep -q '"event":"stopped"' "$tmp/log"
	run_check ublkctl del "$id"
	wait_until 30 grep -q '"event":"removed"' "$tmp/log"
	kill -INT "$monitor"
	ended 0 "$monitor"
	command jq -e -s --arg dev "$dev" --argjson id "$id" --argjson pid "$pid" --argjson other "$other" '
		(map(keys_unsorted | join(" ")) | unique == ["schema_version time event id device name state pid size"]) and
		(map(.schema_version) | unique == [1]) and
		(.[0] | .event == "present" and .id == $other and .state == "LIVE" and .pid > 1 and .size == 16777216) and
		(.[1] | .event == "watching" and .id == null) and
		(.[2:] | map(.id == $id and .device == $dev) | all) and
		(.[2:5] | map([.event, .state, .pid, .size]) == [["added", "DEAD", null, null],
			["started", "LIVE", null, 16777216], ["handler-started", "LIVE", $pid, 16777216]]) and
		# The driver may be quicker than the end of the process.
		(.[5:7] | map(.event) | sort == ["handler-ended", "stopped"]) and
		(.[5:7] | map(select(.event == "handler-ended"))[0].pid == $pid) and
		(.[6].state == "DEAD" or .[5].state == "DEAD") and
		(.[7] | .event == "removed" and .state == null and .pid == null) and length == 8' "$tmp/log" || {
		cat "$tmp/log" >&2
		return 1
	}
}

@test "only the devices that are named" {
	local first
	add_device -t null --name eins; first=$dev
	monitoring eins
	add_device -t null
	run_check ublkctl del "$id"
	run_check ublkctl del eins
	wait_until 30 telling removed
	if told | grep -vF "$first (eins): "; then false; fi
	refused 6 "there is no device 'zwei'" ublkctl monitor zwei
}

# woken PID: how often it has slept and been woken; work PID: that, and its CPU time
woken() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }
work() { woken "$1"; cut -d' ' -f14,15 "/proc/$1/stat"; }

# rests PID: it does nothing for two seconds
rests() {
	local before
	before=$(work "$1")
	sleep 2
	[[ $(work "$1") == "$before" ]]
}

# seldom PID: once it has become patient it is woken hardly more than once a second
seldom() {
	local before
	sleep 2
	before=$(woken "$1")
	sleep 2
	(($(woken "$1") - before <= 12))
}

# bats test_tags=long
@test "at rest it sleeps, and with a dead device it looks once a second, as wait does" {
	add_device -t null
	monitoring
	# Others' events may wake it, for example what udev has to do with the new device.
	wait_until 60 rests "$monitor"
	waits_for dead "$id"
	seldom "$waiter"
	kill -KILL "$pid"
	wait_until 30 telling stopped
	waited
	seldom "$monitor"
}

@test "it ends with its reader" {
	# shellcheck disable=SC2016
	within 20 bash -c '"$1" monitor | head -n 1; exit ${PIPESTATUS[0]}' - "$UBLKCTL"
	[[ $output == *watching ]]
}

# --- wait ---

@test "wait: each state, and what is already so" {
	waits_for live disk
	add_device -t ramdisk --size 16M --recovery reissue --name disk
	waited
	waits_for quiesced "$id"
	kill -KILL "$pid"
	waited
	within 20 ublkctl wait --state QUIESCED "$dev"
	refused 9 "after 1 s device $id is QUIESCED, not LIVE" ublkctl wait --state live -t 1 disk
	waits_for live disk
	run_check ublkctl recover "$id"
	waited
	reads "$dev"
	waits_for removed disk
	run_check ublkctl del "$id"
	waited
	within 20 ublkctl wait --state removed "$id"
	refused 6 "device $id does not exist" ublkctl wait --state quiesced "$id"
	dies dead none
	if new_kernel; then dies fail-io fail; fi
}

# dies STATE MODE: a device of that recovery mode is in that state afterwards
dies() {
	add_device -t null --recovery "$2"
	waits_for "$1" "$dev"
	kill -KILL "$pid"
	waited
}

# bats test_tags=long
@test "wait: the time is over" {
	add_device -t ramdisk --size 16M --name disk
	refused 9 "after 1 s device $id is LIVE, not QUIESCED" ublkctl wait --state quiesced --timeout 1 disk
	refused 9 "after 1 s device $id is LIVE, not REMOVED" ublkctl --timeout 1 wait --state removed disk
	refused 9 "after 1 s there is no device 'other'" ublkctl wait --state live --timeout 1 other
	# While udev has it open, what it has read is in the page cache.
	wait_until 30 udevadm settle
	kill -STOP "$pid"
	defer kill -CONT "$pid"
	wait_until 30 stopped "$pid"
	refused 9 "after 1 s device $id is LIVE, but $dev does not read" ublkctl wait --state live --timeout 1 disk
	waits_for live disk
	kill -CONT "$pid"
	waited
}

# bats test_tags=long
@test "wait: twenty at once" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		"$UBLKCTL" wait --state live -t 60 "$([[ $((i % 2)) == 0 ]] && echo 0 || echo disk)" 3>&- &
		pids+=($!)
		defer end_process $!
	done
	add_device -t ramdisk --size 16M --name disk
	same "$id" 0
	for i in "${pids[@]}"; do ended 0 "$i"; done
	pids=()
	for ((i = 0; i < 20; i++)); do
		"$UBLKCTL" wait --state removed -t 60 disk 3>&- &
		pids+=($!)
		defer end_process $!
	done
	wait_until 30 asleep "${pids[19]}"
	run_check ublkctl del disk
	for i in "${pids[@]}"; do ended 0 "$i"; done
}

# --- last, since udev has to do with them for a while ---

# Each as long as may be: the room for those that nobody takes is soon used up
flood() {
	local i long
	long=$(printf 'A%.0s' {1..1500})
	for ((i = 0; i < 150; i++)); do
		echo "change 01234567-0123-0123-0123-0123456789ab LONG=$long" >/sys/class/mem/null/uevent
	done
}

@test "events that are lost are told of, and what has changed all the same" {
	local old
	add_device -t null; old=$dev
	monitoring
	kill -STOP "$monitor"
	flood
	run_check ublkctl del "$id"
	add_device -t null -n 5 --name new
	kill -CONT "$monitor"
	wait_until 30 telling "handler $pid started"
	told | head -n 1 | grep -qx 'events were lost; what has changed meanwhile follows'
	told | tail -n +2 | sort >"$tmp/told"
	grep -qx "$old: removed" "$tmp/told"
	grep "^$dev" "$tmp/told" | diff - <(printf "$dev%s\n" ' (new): handler '"$pid"' started' ' (new): started, 250G' ': added')
}
