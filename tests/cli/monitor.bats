#!/usr/bin/env bats
# monitor and wait on the model, which has no uevents: what nobody tells of is asked for once a second.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

# --- monitor ---

end() { kill -9 "$1" 2>/dev/null || true; }

# monitoring [OPTION...]: in the background; sets monitor (its pid)
monitoring() {
	"$program" monitor "$@" >"$tmp/log" 2>"$tmp/problems" </dev/null 3>&- &
	monitor=$!
	defer end "$monitor"
	wait_until 10 grep -q watching "$tmp/log"
}

# told: since it watches, without the times
told() { sed '0,/watching/d; s/^[^ ]* //' "$tmp/log"; }

telling() { told | grep -qF "$1"; }

# ended STATUS PID
ended() {
	wait_until 10 exited "$2"
	status=0
	wait "$2" || status=$?
	same "$status" "$1" 'exit status'
}

@test "monitor nosuch" { refused 6 "monitor: there is no device 'nosuch'; 'ublkctl list' shows those that there are"; }
@test "monitor --frob" { refused 2 "monitor: unknown option '--frob'"; }
@test "monitor: not allowed" {
	UBLKCTL_MODEL_FAULT=CTRL_OPEN:EACCES refused 4 'monitor: */ublk-control may not be opened here (Permission denied); *' monitor
}

@test "monitor: a whole life" {
	local first second third dev=$root/dev/ublkb0
	works add -t null -n 7
	monitoring
	grep -q " $root/dev/ublkb7: present, LIVE, handler $(listed '.[0].pid')$" "$tmp/log"
	works add -t ramdisk -s 1M --recovery reissue --name disk
	first=$(shown .pid)
	wait_until 10 telling "handler $first started"
	works resize disk --size 2M
	wait_until 10 telling resized
	kill -9 "$first"
	wait_until 10 telling QUIESCED
	works recover disk
	second=$(shown .pid)
	wait_until 10 telling LIVE
	works del disk
	wait_until 10 telling removed
	same "$(told | head -n 4)" "$dev: added
$dev (disk): started, 1M
$dev (disk): handler $first started
$dev (disk): resized to 2M"
	# Without uevents the order of these two is not sure, whether the handler was killed or the device deleted.
	same "$(told | sed -n 5,6p | sort)" "$dev (disk): handler $first ended
$dev (disk): is QUIESCED"
	same "$(told | sed -n 7,8p)" "$dev (disk): handler $second started
$dev (disk): is LIVE"
	same "$(told | sed -n 9,10p | sort)" "$dev (disk): handler $second ended
$dev (disk): stopped"
	same "$(told | tail -n +11)" "$dev (disk): removed"
	kill -TERM "$monitor"
	ended 0 "$monitor"
	same "$(<"$tmp/problems")" ''
}

@test "monitor --json: a document a line, always with the same members" {
	local pid
	works add -t null --name disk
	pid=$(listed '.[0].pid')
	monitoring --json
	works del disk
	wait_until 10 telling removed
	kill -INT "$monitor"
	ended 0 "$monitor"
	command jq -e -s --arg dev "$root/dev/ublkb0" --argjson pid "$pid" '
		(map(keys_unsorted | join(" ")) | unique == ["schema_version time event id device name state pid size"]) and
		(map(.event) | .[:2] == ["present", "watching"] and (.[2:4] | sort) == ["handler-ended", "stopped"] and .[4:] == ["removed"]) and
		(map(select(.id == 0 and .device == $dev and .name == "disk")) | length) == 4 and
		(.[0] | [.schema_version, .state, .pid, .size]) == [1, "LIVE", $pid, 268435456000] and
		(map(select(.event == "handler-ended"))[0].pid == $pid) and
		(map(select(.event == "stopped"))[0] | [.state, .size]) == ["DEAD", null] and
		(.[4] | [.state, .pid, .size]) == [null, null, null] and
		(map(.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}[+-][0-9]{2}:[0-9]{2}$")) | all)' "$tmp/log"
}

@test "monitor: the time is the local one" {
	export TZ=XYZ-05:30
	monitoring
	grep -qE 'T[0-9:]{8}\.[0-9]{3}\+05:30 watching$' "$tmp/log"
}

@test "monitor: only the devices that are named" {
	works add -t null --name eins
	monitoring eins 5
	works add -t null
	works add -t null -n 5
	works del --all
	wait_until 10 telling 'ublkb5: removed'
	wait_until 10 telling '(eins): removed'
	if telling ublkb1; then false; fi
}

@test "monitor: a device that was there before, and dead" {
	works add -t null
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 listed '.[0].state == "DEAD"'
	monitoring
	grep -q ' present, DEAD, no handler$' "$tmp/log"
}

@test "monitor: another program's device, and a spoiled record" {
	monitoring
	works add -t null
	wait_until 10 telling 'handler'
	echo x >"$root/run/0.json"
	works del 0
	wait_until 10 telling removed
}

@test "monitor: a record that says anything stays one line" {
	works add -t null --name disk
	jq '.name = "a\nb\u001bc"' "$root/run/0.json" >"$tmp/record"
	cp "$tmp/record" "$root/run/0.json"
	monitoring
	grep -qF ' (a?b?c): present, LIVE' "$tmp/log"
}

@test "monitor: no driver yet" {
	UBLKCTL_MODEL_DRIVER=missing monitoring
	kill "$monitor"
	ended 0 "$monitor"
	same "$(<"$tmp/problems")" ''
}

@test "monitor: it ends with its reader, at once" {
	# shellcheck disable=SC2016
	same "$(timeout 10 bash -c '"$1" monitor | head -n 1 | wc -l; echo "${PIPESTATUS[0]}"' - "$program")" $'1\n0'
}

@test "monitor: a reader that does not read, and SIGTERM" {
	local pipe
	mkfifo "$tmp/pipe"
	exec {pipe}<>"$tmp/pipe"
	head -c 65536 /dev/zero >&"$pipe"
	"$program" monitor >&"$pipe" 2>"$tmp/problems" </dev/null 3>&- &
	monitor=$!
	defer end "$monitor"
	sleep 0.3
	alive "$monitor"
	kill -TERM "$monitor"
	ended 0 "$monitor"
}

@test "monitor: a full disk" {
	status=0
	timeout 10 "$program" monitor >/dev/full 2>"$tmp/err" || status=$?
	same "$status $(<"$tmp/err")" '1 ublkctl: monitor: cannot write standard output: No space left on device'
}

@test "monitor: no standard output" {
	status=0
	timeout 10 "$program" monitor >&- 2>"$tmp/err" || status=$?
	same "$status $(<"$tmp/err")" '1 ublkctl: monitor: cannot write standard output: Bad file descriptor'
}

# --- wait ---

# waits_for STATE DEVICE: in the background; sets waiter
waits_for() {
	"$program" wait --state "$1" -t 20 "$2" >"$tmp/waited" 2>&1 </dev/null 3>&- &
	waiter=$!
	defer end "$waiter"
	wait_until 10 asleep "$waiter"
}
asleep() { [[ $(sed 's/.*) //' "/proc/$1/stat") == S* && -e /proc/$1/fd/4 ]]; }

# What it has said while it waited is about this machine.
without_progress() { grep -v "$progress" "$tmp/waited" || true; }
waited() {
	ended 0 "$waiter"
	same "$(without_progress)" ''
}

@test "wait" { refused 2 'wait: no device: give an id, a name or a path'; }
@test "wait 0" { refused 2 'wait: nothing to wait for: give --state live, dead, quiesced, fail-io or removed'; }
@test "wait --state 0" { refused 2 'wait: --state: '\''0'\'' is not live, dead, quiesced, fail-io or removed'; }
@test "wait --state live 0 1" { refused 2 "wait: unexpected argument '1'"; }
@test "wait --state live -n 0 1" { refused 2 "wait: unexpected argument '1'"; }
@test "wait --state live --timeout 0 0" { refused 2 "wait: --timeout: '0' is out of range; give a number from 1 to 86400"; }
@test "wait --state live --timeout 86401 0" {
	refused 2 "wait: --timeout: '86401' is out of range; give a number from 1 to 86400"
}
@test "wait --state live /dev/null" { refused 2 "wait: '/dev/null' is not a ublk device: *"; }
@test "wait --state dead 7" { refused 6 "wait: device 7 does not exist; 'ublkctl list' shows those that do"; }
@test "wait --state quiesced abc" { refused 6 "wait: there is no device 'abc'; 'ublkctl list' shows those that there are"; }
@test "wait --state removed 7" { works wait --state removed 7; }
@test "wait --state removed abc" { works wait --state removed abc; }
@test "wait --state live --timeout 1 7" { refused 9 "wait: after 1 s there is no device '7'"; }
@test "--timeout 1 wait --state live abc" { refused 9 "wait: after 1 s there is no device 'abc'"; }
@test "wait: no driver" {
	export UBLKCTL_MODEL_DRIVER=missing
	works wait --state removed 0
	refused 9 "wait: after 1 s there is no device '0'" wait --state live -t 1 0
	refused 5 "wait: the ublk driver is not loaded *; run 'modprobe ublk_drv'" wait --state dead 0
}
@test "wait: not allowed" {
	UBLKCTL_MODEL_FAULT=CTRL_OPEN:EACCES refused 4 'wait: */ublk-control may not be opened here (Permission denied); *' wait --state live 0
}

@test "wait: what is already so" {
	local text
	works add -t null --name disk
	mkdir "$root/dev/ublk" "$root/dev/ublk/by-name"
	for text in 0 ublkb0 "$root/dev/ublkb0" disk "$root/dev/ublk/by-name/disk"; do
		works wait --state live "$text"
		same "$out" ''
	done
	rm -r "$root/dev/ublk"
	works wait -s LIVE -n disk
	refused 9 'wait: after 1 s device 0 is LIVE, not QUIESCED' wait --state quiesced -t 1 disk
	refused 9 'wait: after 1 s device 0 is LIVE, not REMOVED' wait --state removed -t 1 0
}

@test "wait: each state" {
	waits_for live disk
	works add -t ramdisk -s 1M --recovery reissue --name disk
	waited
	waits_for QUIESCED disk
	kill -9 "$(shown .pid)"
	waited
	refused 9 'wait: after 1 s device 0 is QUIESCED, not LIVE' wait --state live -t 1 0
	waits_for Live "$root/dev/ublkb0"
	works recover 0
	waited
	waits_for removed 0
	works del 0
	waited
	works add -t null --recovery fail
	waits_for FAIL_IO 0
	kill -9 "$(shown .pid)"
	waited
	works wait --state fail-io 0
	works del 0
	works add -t null
	waits_for dead 0
	kill -9 "$(shown .pid)"
	waited
}

@test "wait: a device that goes" {
	works add -t null
	waits_for quiesced 0
	works del 0
	ended 6 "$waiter"
	same "$(without_progress)" "ublkctl: wait: device 0 does not exist; 'ublkctl list' shows those that do"
}

@test "wait: another device with the same id" {
	works add -t null --name eins
	waits_for removed eins
	kill -STOP "$waiter"
	works del 0
	works add -t null --name zwei
	kill -CONT "$waiter"
	waited
}

@test "wait: twenty at once" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		"$program" wait --state live -t 20 disk >>"$tmp/waited" 2>&1 </dev/null 3>&- &
		pids+=($!)
		defer end $!
	done
	works add -t null --name disk
	for i in "${pids[@]}"; do ended 0 "$i"; done
	same "$(without_progress)" ''
}
