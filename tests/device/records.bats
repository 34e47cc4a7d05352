#!/usr/bin/env bats
# Records that are missing, spoiled or lie: the kernel is the truth, nobody innocent is hurt, and del works.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# spoiled STATE: commands answer, say what they think of the record, and del leaves nothing
spoiled() {
	within 20 ublkctl list --json --output-all
	jq -e --arg state "$1" --argjson pid "$pid" '.devices | length == 1 and .[0].record == $state and .[0].state == "LIVE"
		and .[0].pid == $pid and (.[0].target == null or $state == "ok")' <<<"$output"
	within 20 ublkctl show --json "$id"
	jq -e --argjson pid "$pid" '.state == "LIVE" and .pid == $pid' <<<"$output"
	within 20 ublkctl list
	within 20 ublkctl show "$id"
	reads "$dev"
	within 20 ublkctl del "$id"
	[[ ! -e $dev && ! -e $record && ! -L $record ]]
	same "$(find "$run_dir" -mindepth 1 | wc -l)" 0 "files left"
}

start() {
	add_device -t ramdisk --size 4M
	record=$run_dir/$id.json
	[[ -s $record ]]
}

@test "a record is for all to read and for root to write" {
	start
	same "$(stat -c '%U %a' "$run_dir" "$record" "$run_dir/$id.stats" | tr '\n' ' ')" "root 755 root 644 root 644 "
	jq -e --argjson pid "$pid" '.schema_version == 1 and .pid == $pid and .target == "ramdisk"' "$record"
	spoiled ok
}

@test "no record" { start; rm "$record"; spoiled none; }
@test "no record and no counters" { start; rm "$run_dir/$id".*; spoiled none; }
@test "an empty record" { start; : >"$record"; spoiled spoiled; }
@test "a record of garbage" { start; head -c 3000 /dev/urandom >"$record"; spoiled spoiled; }
@test "a record that is cut off" { start; truncate -s 60 "$record"; spoiled spoiled; }
@test "a record that is too large" { start; truncate -s 10M "$record"; spoiled spoiled; }
@test "a record that is a link" { start; ln -sf /etc/passwd "$record"; spoiled spoiled; [[ -s /etc/passwd ]]; }
@test "a record that is a fifo" { start; rm "$record"; mkfifo "$record"; spoiled spoiled; }
@test "a record of a list, of wrong types, of another version" {
	start
	echo '[]' >"$record"
	listed '.[0].record == "spoiled"'
	echo '{"schema_version":1,"id":"0","cookie":1,"pid":"x","pid_start":null,"target":7,"backing":[],"data_path":{}}' >"$record"
	listed '.[0].record == "spoiled"'
	jq '.schema_version = 99' "$record" >"$tmp/new"
	cp "$tmp/new" "$record"
	spoiled spoiled
}

# named JQ STATE: the record after that change names an innocent process, which must live on
named() {
	local innocent
	start
	sleep 1000 3>&- &
	innocent=$!
	defer sh -c "kill $innocent 2>/dev/null; true"
	jq --argjson innocent "$innocent" "$1" "$record" >"$tmp/new"
	cp "$tmp/new" "$record"
	spoiled "$2"
	alive "$innocent"
}

# shellcheck disable=SC2016  # jq's variable
@test "a record that names an innocent process" { named '.pid = $innocent' ok; }
# shellcheck disable=SC2016
@test "a record of another device that names an innocent process" { named '.pid = $innocent | .cookie = "00ff"' stale; }
@test "a record that names an innocent process, and --force with a handler that is stuck" {
	local innocent
	start
	sleep 1000 3>&- &
	innocent=$!
	defer sh -c "kill $innocent 2>/dev/null; true"
	jq --argjson innocent "$innocent" '.pid = $innocent' "$record" >"$tmp/new"
	cp "$tmp/new" "$record"
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	within 40 ublkctl --timeout 3 del --force "$id"
	wait_until 20 gone "$pid"
	alive "$innocent"
}

@test "counters that are spoiled, cut off or of another make" {
	local stats
	start
	stats=$run_dir/$id.stats
	cp "$stats" "$tmp/stats"
	for bad in 'truncate -s 0' 'truncate -s 100' 'truncate -s 1G' 'dd if=/dev/urandom conv=notrunc bs=16 count=1 status=none of=/dev/stdin <>'; do
		cp "$tmp/stats" "$stats"
		eval "$bad \"$stats\""
		within 20 ublkctl show --json "$id"
		jq -e '.state == "LIVE" and .queues == []' <<<"$output"
	done
	cp "$tmp/stats" "$stats"
	spoiled ok
}

@test "a record of a device of old does not describe a new one" {
	start
	cp "$record" "$tmp/old"
	ublkctl del "$id"
	add_device -t null -n "$id"
	cp "$tmp/old" "$record"
	listed '.[0].record == "stale" and .[0].target == null'
	spoiled stale
}

@test "a runtime directory that others can write to is not used" {
	defer sh -c "rmdir $run_dir 2>/dev/null; true"
	mkdir -p "$run_dir"
	chmod 777 "$run_dir"
	defer chmod 755 "$run_dir"
	refused any "remove it" ublkctl add -t null
}
