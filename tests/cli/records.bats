#!/usr/bin/env bats
# Records that are spoiled, stale, or name what is not ours: they take away what only they know, and nothing else.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # jq's variables; tmp, root, out ... are set by helpers
load helpers

setup_device() {
	works add -t ramdisk --size 1M
	record=$root/run/0.json
	cp "$record" "$tmp/good"
}

# without_record STATE: what the kernel knows is all there, and RECORD says what is wrong with the rest
without_record() {
	same "$(listed '.[0] | "\(.id) \(.state) \(.size) \(.queues) \(.depth) \(.pid > 1) \(.record)"')" \
		"0 LIVE 1048576 1 128 true $1" &&
		same "$(ublkctl list --json -O | jq -c '.devices[0] | [.target, .backing, .path]')" '[null,null,null]' &&
		works list &&
		works show 0 &&
		same "$(ublkctl show 0 --json | jq -c '[.state, .size, .target, .backing, .data_path, .queues]')" \
			'["LIVE",1048576,null,null,null,[]]'
}

# spoiled STATE: so, and it can be deleted; nothing is left (see teardown)
spoiled() {
	without_record "$1"
	works del 0
	wait_until 10 nothing_left
}

# record_with JQ-FILTER [OPTION...]: the good one, changed
record_with() { jq "${@:2}" "$1" "$tmp/good" >"$record"; }

@test "record: as it was written" {
	setup_device
	same "$(listed '.[0] | "\(.record) \(.target) \(.path)"')" 'ok ramdisk direct'
	record_with .
	same "$(listed '.[0] | "\(.record) \(.target) \(.path)"')" 'ok ramdisk direct'
}
@test "record: none" { setup_device; rm "$record"; spoiled none; }
@test "record: empty" { setup_device; : >"$record"; spoiled spoiled; }
@test "record: garbage" { setup_device; head -c 3000 /dev/urandom >"$record"; spoiled spoiled; }
@test "record: a word" { setup_device; echo '"word"' >"$record"; spoiled spoiled; }
@test "record: an array" { setup_device; jq -s . "$tmp/good" >"$record"; spoiled spoiled; }
@test "record: cut off" { setup_device; head -c 60 "$tmp/good" >"$record"; spoiled spoiled; }
@test "record: a byte of zero" { setup_device; printf '{\0}' >"$record"; spoiled spoiled; }
@test "record: deeper than any parser goes" {
	setup_device
	printf '[%.0s' $(seq 30000) >"$record"
	spoiled spoiled
}
@test "record: larger than any of ours" {
	setup_device
	truncate -s 100G "$record"
	spoiled spoiled
}
@test "record: a link to a good one" { setup_device; ln -sf "$tmp/good" "$record"; spoiled spoiled; }
@test "record: a FIFO" { setup_device; rm "$record"; mkfifo "$record"; spoiled spoiled; }
@test "record: a directory" {
	setup_device
	rm "$record"
	mkdir "$record"
	without_record spoiled
	rmdir "$record"
}
@test "record: of another version" { setup_device; record_with '.schema_version = 2'; spoiled spoiled; }
@test "record: of another device" { setup_device; record_with '.id = 1'; spoiled stale; }
@test "record: with another cookie" { setup_device; record_with '.cookie = "0123456789abcdef"'; spoiled stale; }
@test "record: with a cookie that is no number" { setup_device; record_with '.cookie = "xyz"'; spoiled spoiled; }
@test "record: with an empty cookie" { setup_device; record_with '.cookie = ""'; spoiled spoiled; }

# Each of the members, missing or of the wrong type
each_member() {
	local member
	setup_device
	for member in $(jq -r 'keys[]' "$tmp/good"); do
		record_with "$1" --arg member "$member"
		without_record spoiled || complain "member $member" || return
	done
}

@test "record: without one of its members" { each_member 'del(.[$member])'; }
@test "record: with an array for a member" { each_member '.[$member] = [1]'; }
@test "record: with a null for a member" { each_member '.[$member] = null'; }
@test "record: with a boolean for a member" { each_member '.[$member] |= (if type == "boolean" then 0 else true end)'; }
@test "record: with numbers that are none of ours" {
	local change
	setup_device
	for change in '.pid = -1' '.pid = 4294967297' '.id = -1' '.id = 4294967296' '.schema_version = -1' '.pid = 1.5'; do
		record_with "$change"
		without_record spoiled || complain "$change" || return
	done
}
@test "record: with texts longer than any of ours" {
	setup_device
	record_with '.target = "t" * 5000 | .backing = "b" * 20000 | .data_path = "d" * 5000'
	works list -O
	works show 0
	works del 0
}
@test "record: with a terminal's escapes" {
	setup_device
	record_with '.backing = "a\u001b[2Jb\nc"'
	works list
	[[ $out != *$'\e'* ]] || complain 'an escape in list' || return
	same "$(wc -l <"$tmp/out")" 2
	works list --raw
	[[ $out != *$'\e'* ]] || complain 'an escape in list --raw' || return
	works show 0
	[[ $out != *$'\e'* ]] || complain 'an escape in show' || return
	same "$(shown .backing)" $'a\e[2Jb\nc'
}

# The counters, too, are only read, and never believed
@test "counters: none, garbage, cut off, a link, a directory" {
	local stats=$root/run/0.stats kind
	setup_device
	cp "$stats" "$tmp/stats"
	for kind in none garbage cut link fifo directory; do
		rm -rf "$stats"
		case $kind in
		none) ;;
		garbage) head -c "$(wc -c <"$tmp/stats")" /dev/urandom >"$stats" ;;
		cut) head -c 100 "$tmp/stats" >"$stats" ;;
		link) ln -s "$tmp/stats" "$stats" ;;
		fifo) mkfifo "$stats" ;;
		directory) mkdir "$stats" ;;
		esac
		works show 0 || complain "$kind" || return
		same "$(shown '.queues | length')" 0
	done
	rmdir "$stats"
}

# --- a record that names an innocent process ---

# bystander: a process that is none of ours; sets pid and start (as in a record)
bystander() {
	sleep 300 3>&- &
	pid=$!
	defer kill "$pid"
	start=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)
}

@test "record: naming a bystander as the handler" {
	local handler
	setup_device
	bystander
	handler=$(listed '.[0].pid')
	record_with '.pid = $pid | .pid_start = $start' --argjson pid "$pid" --argjson start "$start"
	same "$(listed '.[0].pid')" "$handler"
	same "$(shown .pid)" "$handler"
	works del 0
	wait_until 10 exited "$handler"
	alive "$pid"
}
@test "record: naming a bystander, del --force" {
	setup_device
	bystander
	record_with '.pid = $pid | .pid_start = $start' --argjson pid "$pid" --argjson start "$start"
	works del --force 0
	alive "$pid"
}
@test "record: naming a bystander, for a device whose handler is dead" {
	setup_device
	bystander
	kill -9 "$(listed '.[0].pid')"
	record_with '.pid = $pid | .pid_start = $start' --argjson pid "$pid" --argjson start "$start"
	wait_until 10 listed '.[0].state == "DEAD"'
	same "$(listed '.[0] | .pid == null')" true
	works del 0
	alive "$pid"
}
@test "record: naming a bystander, for a device that does not exist" {
	setup_device
	bystander
	jq --argjson pid "$pid" '.id = 5 | .pid = $pid' "$tmp/good" >"$root/run/5.json"
	same "$(listed 'map(.id) | tostring')" '[0]'
	refused 6 "show: device 5 does not exist; 'ublkctl list' shows those that do" show 5
	refused 6 "del: device 5 does not exist; 'ublkctl list' shows those that do" del 5
	refused 6 "del: device 5 does not exist; 'ublkctl list' shows those that do" del --force 5
	# A new device of that number takes its place.
	works add -t null -n 5
	same "$(listed '.[1] | "\(.id) \(.record) \(.target)"')" '5 ok null'
	works del --all
	alive "$pid"
}
