#!/usr/bin/env bats
# Records that are missing, spoiled or lie: the kernel is the truth, nobody innocent is hurt, and del works.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

start() {
	add_device -t ramdisk --size 4M
	record=$run_dir/$id.json
	[[ -s $record ]]
	cp "$record" "$tmp/record"
}

# is STATE: commands answer, say that of the record, and believe the kernel
is() {
	within 20 ublkctl list --json --output-all
	jq -e --arg state "$1" --argjson pid "$pid" '.devices | length == 1 and .[0].record == $state and .[0].state == "LIVE"
		and .[0].pid == $pid and (.[0].target == null or $state == "ok")' <<<"$output"
	within 20 ublkctl show "$id"
	grep -qE "^pid: +$pid$" <<<"$output"
}

# is_deleted: and with it all files that are named after it
is_deleted() {
	within 20 ublkctl del "$id"
	[[ ! -e $dev && ! -e $record && ! -L $record ]]
	same "$(find "$run_dir" -mindepth 1 ! -name ".lock*" | wc -l)" 0 "files left"
}

@test "a record is for all to read and for root to write" {
	start
	same "$(stat -c '%U %a' "$run_dir" "$record" "$run_dir/$id.stats" | tr '\n' ' ')" "root 755 root 644 root 644 "
	jq -e --argjson pid "$pid" '.schema_version == 1 and .pid == $pid and .target == "ramdisk"' "$record"
	is ok
	is_deleted
}

# Each does something to the record.
empty() { : >"$record"; }
garbage() { head -c 3000 /dev/urandom >"$record"; }
cut_off() { truncate -s 60 "$record"; }
too_large() { truncate -s 10M "$record"; }
link() { ln -s /etc/passwd "$record"; }
fifo() { mkfifo "$record"; }
a_list() { echo '[]' >"$record"; }
wrong_types() {
	echo '{"schema_version":1,"id":"0","cookie":1,"pid":"x","pid_start":null,"target":7,"backing":[],"data_path":{}}' >"$record"
}
other_version() { sed 's/"schema_version":1/"schema_version":99/' "$tmp/record" >"$record"; }

@test "records that are spoiled, one after the other" {
	local how
	start
	for how in empty garbage cut_off too_large link fifo a_list wrong_types other_version; do
		echo "# $how"
		if [[ $how == cut_off ]]; then cp "$tmp/record" "$record"; else rm -f "$record"; fi
		$how
		is spoiled
		rm "$record"
	done
	is none
	cp "$tmp/record" "$record"
	is ok
}

@test "del without a record" { start; rm "$record"; is_deleted; }
@test "del without record and counters" { start; rm "$run_dir/$id".*; is none; is_deleted; }
@test "del with a spoiled record" { start; garbage; is_deleted; }
@test "del with a record that is a link" { start; rm "$record"; link; is_deleted; [[ -s /etc/passwd ]]; }
@test "del with a record that is a fifo" { start; rm "$record"; fifo; is_deleted; }

# named JQ STATE: the record after that change names an innocent process, which must live on
named() {
	local innocent
	start
	sleep 1000 3>&- &
	innocent=$!
	defer sh -c "kill $innocent 2>/dev/null; true"
	jq --argjson innocent "$innocent" "$1" "$record" >"$tmp/new"
	cp "$tmp/new" "$record"
	is "$2"
	is_deleted
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

garble() { dd if=/dev/urandom of="$1" conv=notrunc bs=16 count=1 status=none; }

@test "counters that are spoiled, cut off or of another make" {
	local stats
	start
	stats=$run_dir/$id.stats
	cp "$stats" "$tmp/stats"
	for bad in 'truncate -s 0' 'truncate -s 100' 'truncate -s 1G' garble; do
		cp "$tmp/stats" "$stats"
		$bad "$stats"
		within 20 ublkctl show --json "$id"
		jq -e '.state == "LIVE" and .queues == []' <<<"$output"
	done
	cp "$tmp/stats" "$stats"
	is ok
}

@test "a record of a device of old does not describe a new one" {
	start
	cp "$record" "$tmp/old"
	ublkctl del "$id"
	add_device -t null -n "$id"
	cp "$tmp/old" "$record"
	listed '.[0].record == "stale" and .[0].target == null'
	is stale
	is_deleted
}

@test "a runtime directory that others can write to is not used" {
	defer sh -c "rmdir $run_dir 2>/dev/null; true"
	mkdir -p "$run_dir"
	chmod 777 "$run_dir"
	defer chmod 755 "$run_dir"
	refused 1 "run 'rm -r $run_dir'" ublkctl add -t null
}
