#!/usr/bin/env bats
# What the commands do and print when all is well.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # jq's variables; tmp, root, out ... are set by helpers
load helpers

commands=$(sed -nE 's/^\tX\(([a-z]+)\).*/\1/p' "$top/cmd/cmd.h")

# printed TEXT: so, to the byte, on stdout
printed() { cmp "$tmp/out" <(printf '%s\n' "$@"); }

# --- the front door ---

@test "--version" { works --version; [[ $out =~ ^ublkctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]; }
@test "-V, and nothing of what follows is looked at" { works -V frobnicate; [[ $out == ublkctl\ * ]]; }
@test "--help, -h and help are the same, and name every command" {
	local command
	works --help
	cp "$tmp/out" "$tmp/help"
	for command in $commands; do grep -q "^  $command  " "$tmp/help"; done
	grep -q -- '--timeout=SECONDS' "$tmp/help"
	works -h
	cmp "$tmp/out" "$tmp/help"
	works help
	cmp "$tmp/out" "$tmp/help"
}
@test "help COMMAND is COMMAND --help" {
	local command
	for command in $commands; do
		works "$command" --help
		cp "$tmp/out" "$tmp/help"
		[[ $out == "Usage: ublkctl $command"* ]]
		works help "$command"
		cmp "$tmp/out" "$tmp/help"
		works "$command" -h
		cmp "$tmp/out" "$tmp/help"
	done
}
@test "--help of each command lists each option of its tables" {
	local command option files
	for command in $commands; do
		files=("$top/cmd/$command.c")
		if grep -q table_option_table "${files[0]}"; then files+=("$top/cmd/table.c"); fi
		if grep -q plan_option_table "${files[0]}"; then files+=("$top/cmd/plan.c"); fi
		if grep -q serve_parse "${files[0]}"; then files+=("$top/cmd/serve.c"); fi
		works "$command" --help
		options "${files[@]}" >"$tmp/options"
		lists_options "$command"
	done
	works add -t null --help
	options "$top"/cmd/{add,serve}.c "$top/targets/null.c" >"$tmp/options"
	lists_options 'add -t null'
	works add --help -t ramdisk
	options "$top"/cmd/{add,serve}.c "$top/targets/ramdisk.c" >"$tmp/options"
	lists_options 'add -t ramdisk'
	works help add
	[[ $out != *--huge-pages* ]]
	works add --target=loop --help
	options "$top"/cmd/{add,serve}.c "$top/targets/loop_open.c" >"$tmp/options"
	lists_options 'add -t loop'
	[[ $(wc -l <"$tmp/options") -ge 16 ]]
}
# options FILE...: "-x --long" of each row of its popt tables
options() { sed -nE "s/^\t\{\"([a-z-]+)\", '(.*)', POPT_ARG_(STRING|NONE).*/\2 \1/p" "$@"; }
# lists_options WHAT: each in $tmp/options is in $out, with its short form if it has one
lists_options() {
	local short long
	while read -r short long; do
		# shellcheck disable=SC1003
		if [[ $short == '\0' ]]; then short='   '; else short="-$short,"; fi
		[[ $out == *"  $short --$long"[\ =$'\n']* ]] || complain "--help of $1 does not list --$long" || return
	done <"$tmp/options"
}
@test "--help of each command lists no option twice" {
	local command
	for command in $commands; do
		works "$command" --help
		same "$(grep -oE -e '^ .{6}--[a-z-]+' <<<"$out" | sort | uniq -d)" '' || return
		same "$(grep -cE -e ' --timeout=SECONDS' <<<"$out")" 1 || return
	done
}
@test "--timeout before a command" { works --timeout 5 list; works -t 5 list; works --timeout=3600 targets; }
@test "options may follow operands, and -- ends them" {
	works add -t null
	works list 0 --noheadings
	works list --noheadings -- 0
}

# --- add ---

@test "add prints the path, a newline, and nothing else" {
	works add -t null
	printed "$root/dev/ublkb0"
	works add -t null
	printed "$root/dev/ublkb1"
	works add -t null -n 1048575
	printed "$root/dev/ublkb1048575"
	[[ -e $root/dev/ublkb1048575 ]]
}
@test "add --json" {
	works add -t ramdisk -s 2M -q 2 -d 16 --json
	command jq -e '.schema_version == 1 and .id == 0 and .device == $device and .target == "ramdisk" and .pid > 1 and
		.queues == 2 and .depth == 16 and .data_path == "direct" and
		keys_unsorted == ["schema_version", "changed", "dry_run", "status", "error", "devices", "id", "device", "target", "pid",
			"queues", "depth", "data_path"]' \
		--arg device "$root/dev/ublkb0" <<<"$out"
	alive "$(jq .pid <<<"$out")"
}
@test "add: every way to name a target" {
	works add --target null
	works add --target=null
	works add -tnull
	works add -t=null
	works add -t null -t null
	same "$(listed 'map(.target) | tostring')" '["null","null","null","null","null"]'
}
@test "add: what is asked for is what there is" {
	works add -t null -n 42 -q 3 -d 7 -s 1G --max-io-size 64K --logical-block-size 1K --physical-block-size 8K --read-only
	same "$(listed '.[0] | [.id, .queues, .depth, .size, .max_io, .log_sec, .phy_sec, .ro] | tostring')" \
		'[42,3,7,1073741824,65536,1024,8192,true]'
	same "$(shown '[.nr_queues, .queue_depth, .max_io_bytes, .params.max_sectors, (.queues | length)] | tostring' 42)" \
		'[3,7,65536,128,3]'
}
@test "add: the limits of depth and of the size of requests" {
	works add -t ramdisk -s 1M -d 1 --max-io-size 4K
	works add -t ramdisk -s 1M -d 4096 --max-io-size 32M
	same "$(listed 'map([.depth, .max_io]) | tostring')" '[[1,4096],[4096,33554432]]'
}
@test "add: sizes with every unit" {
	local text bytes
	while read -r text bytes; do
		works add -t null -s "$text"
		same "$(listed '.[0].size')" "$bytes" "$text"
		works del 0
	done <<-END
		2048 2048
		2048B 2048
		1K 1024
		1k 1024
		512KB 512000
		512kb 512000
		1KiB 1024
		3M 3145728
		64MB 64000000
		3MiB 3145728
		1G 1073741824
		1GB 1000000000
		1GiB 1073741824
		1T 1099511627776
		1TB 1000000000000
	END
	works add -t null
	same "$(listed '.[0].size')" $((250 << 30)) default
}
@test "add: loop, whole file, and a part of it" {
	truncate -s 10M image
	works add -t loop -f image
	works add -t loop -f other --create -s 3M
	truncate -s 10M third
	works add -t loop -f third --offset 1M --size-limit 2M
	truncate -s 10000 odd
	invoke add -t loop -f odd --read-only
	same "$status $err" "0 ublkctl: odd: the last 272 bytes are left out: the device has blocks of 512"
	truncate -s 10M fifth
	works add -t loop -f fifth --size-limit 1T --logical-block-size 4096
	same "$(listed 'map([.size, .ro, .log_sec]) | tostring')" \
		'[[10485760,false,512],[3145728,false,512],[2097152,false,512],[9728,true,512],[10485760,false,4096]]'
	same "$(listed 'map(.backing) | join(" ")')" "$PWD/image $PWD/other $PWD/third $PWD/odd $PWD/fifth"
	same "$(stat -c '%s %a' other)" '3145728 600'
}
@test "add: loop, --direct-io off and auto" {
	truncate -s 1M image
	works add -t loop -f image --direct-io off
	works del 0
	works add -t loop -f image --direct-io auto
}
@test "add: a file may be read by several devices" {
	truncate -s 1M image
	works add -t loop -f image --read-only
	works add -t loop -f image --read-only
}
@test "add: a file is free again after del" {
	truncate -s 1M image
	works add -t loop -f image
	works del 0
	works add -t loop -f image
}
@test "add: names with blanks, quotes and UTF-8" {
	local name=$'a b\tc"d\'ä\\'
	truncate -s 1M "$name"
	works add -t loop -f "$name"
	same "$(listed '.[0].backing')" "$PWD/$name"
	same "$(shown '.backing')" "$PWD/$name"
	works list --raw --noheadings -o BACKING
	same "$(wc -l <"$tmp/out")" 1
	[[ $out != *[$' \t']* ]]
}
@test "add: all targets on Linux 6.12" {
	old_driver
	truncate -s 1M image
	works add -t null
	works add -t loop -f image
	works add -t ramdisk -s 1M
	same "$(listed 'map(.state + " " + .path) | join(", ")')" 'LIVE user-copy, LIVE copy, LIVE direct'
	same "$(listed '.[0].features')" comp-in-task,ioctl-encode,user-copy
	works del --all
	same "$(listed length)" 0
}
@test "dev=\$(ublkctl add), 50 times" {
	local i dev
	for ((i = 0; i < 50; i++)); do
		dev=$(ublkctl add -t ramdisk -s 64K)
		same "$(wc -c <"$dev")" 65536
		works del "$dev"
		[[ ! -e $dev ]]
	done
	wait_until 10 nothing_left
}
@test "add: eight at once" {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		ublkctl add -t null >"$tmp/out.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	same "$(cat "$tmp"/out.* | sort -u | wc -l)" 8
	same "$(listed 'map(select(.state == "LIVE" and .record == "ok")) | length')" 8
}

# --- the handler ---

@test "handler: /dev/null, a session and files of its own" {
	local pid fd machine
	truncate -s 1M image
	echo secret >held
	# As a careless caller leaves them: a lock file, a pipe, a high number.
	ublkctl add -t loop -f image 9<held 8> >(cat >/dev/null) 250<held </dev/null >"$tmp/out"
	pid=$(listed '.[0].pid')
	for fd in 0 1 2; do same "$(readlink "/proc/$pid/fd/$fd")" /dev/null "file $fd"; done
	same "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid" session
	[[ /proc/$pid/cwd -ef $root/run ]]
	same "$(grep Umask "/proc/$pid/status")" $'Umask:\t0022'
	# Its own are the device's, the image, a pipe to itself, signals; and the model's directories. It has left all
	# mounts behind, so names may begin where theirs begin.
	readlink "/proc/$pid/fd"/* | sed 's|^/dev/shm/|/|' | sort -u >"$tmp/fds"
	machine=${root#/dev/shm}
	if grep -vE "^(/dev/null|/|/proc|$machine|$machine/dev/.*|$PWD/image|anon_inode:.*|pipe:.*)$" "$tmp/fds"; then false; fi
	same "$(grep -c '^pipe:' "$tmp/fds")" 1 'pipes'
}
@test "handler: a caller that waits for the end of its output gets it" {
	same "$(timeout 10 bash -c '"$1" add -t null | cat' - "$program")" "$root/dev/ublkb0"
	same "$(timeout 10 bash -c '"$1" add -t null 2>&1 | cat' - "$program")" "$root/dev/ublkb1"
}
@test "handler: SIGTERM removes the device, SIGHUP does not" {
	local pid
	works add -t null
	pid=$(listed '.[0].pid')
	kill -HUP "$pid"
	works list 0
	same "$(listed '.[0].state')" LIVE
	kill -TERM "$pid"
	wait_until 10 nothing_left
	works add -t null
	kill -INT "$(listed '.[0].pid')"
	wait_until 10 nothing_left
}
@test "handler: killed, the device is dead, and can be deleted" {
	truncate -s 1M image
	works add -t loop -f image
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 listed '.[0].state == "DEAD"'
	works list
	works show 0
	same "$(shown '[.state, .pid, .size] | tostring')" '["DEAD",null,null]'
	works del 0
	wait_until 10 nothing_left
	works add -t loop -f image
}

# end PID: also when it has ended
end() { kill -9 "$1" 2>/dev/null || true; }

# foreground SIGNAL: it prints at once, and ends with 0 and without a device
foreground() {
	local pid
	truncate -s 1M image
	"$program" add -t loop -f image --foreground >"$tmp/path" 2>"$tmp/log" </dev/null 3>&- &
	pid=$!
	defer end "$pid"
	wait_until 10 test -s "$tmp/path"
	same "$(<"$tmp/path")" "$root/dev/ublkb0"
	same "$(listed '.[0].pid')" "$pid"
	same "$(listed '.[0] | .state + " " + .record')" 'LIVE ok'
	if [[ $1 == del ]]; then works del 0; else kill "-$1" "$pid"; fi
	wait_until 10 exited "$pid"
	wait "$pid"
	wait_until 10 nothing_left
}

@test "add --foreground ends on SIGTERM" { foreground TERM; }
@test "add --foreground ends on SIGINT" { foreground INT; }
@test "add --foreground ends with its device" { foreground del; }
@test "add --foreground --json" {
	local pid
	"$program" add -t null --foreground --json >"$tmp/json" 2>"$tmp/log" </dev/null 3>&- &
	pid=$!
	defer end "$pid"
	wait_until 10 test -s "$tmp/json"
	same "$(jq .pid "$tmp/json")" "$pid"
	kill "$pid"
	wait "$pid"
}

# interrupted SIGNAL: an add that waits for the driver gives up soon, and takes all away
interrupted() {
	local pid begun
	# A shell's background job would have SIGINT ignored.
	UBLKCTL_MODEL_FAULT=START_DEV:never env --default-signal "$program" add -t loop -f new --create -s 1M \
		>"$tmp/out" 2>"$tmp/err" </dev/null 3>&- &
	pid=$!
	wait_until 10 test -e "$root/run/0.stats"
	begun=$SECONDS
	kill "-$1" "$pid"
	status=0
	wait "$pid" || status=$?
	took_in
	one_line 1 'add: interrupted; no device was made'
	((SECONDS - begun <= 4))
	[[ ! -e new ]]
	wait_until 10 nothing_left
}

@test "add: SIGINT while the driver does not answer" { interrupted INT; }
@test "add: SIGTERM while the driver does not answer" { interrupted TERM; }
@test "add: SIGHUP while the driver does not answer" { interrupted HUP; }

@test "add --create: SIGINT at any moment leaves the device with its image, or neither" {
	local i pid
	for i in {0..19}; do
		env --default-signal "$program" add -t loop -f new --create -s 1M >"$tmp/out" 2>"$tmp/err" </dev/null 3>&- &
		pid=$!
		sleep "0.0$(printf %02d $((i * 2)))"
		kill -INT "$pid" 2>/dev/null || true
		if wait "$pid"; then
			works del 0
			rm new
		fi
		[[ ! -e new ]]
		wait_until 10 nothing_left
	done
}
@test "add | true: a path that nobody reads leaves no device" {
	status=0
	{ ublkctl add -t null 2>"$tmp/err" || echo "$?" >"$tmp/status"; } | true
	wait_until 10 test -s "$tmp/status"
	same "$(<"$tmp/status") $(<"$tmp/err")" "1 ublkctl: add: cannot write the path to standard output"
	wait_until 10 nothing_left
}

# is_live: the first device is there and served
is_live() { [[ $(listed '.[0].state') == LIVE ]]; }

@test "add: SIGTERM after the device is there, before its path is printed" {
	local pid pipe
	mkfifo "$tmp/pipe"
	exec {pipe}<>"$tmp/pipe"
	# The pipe is full, so that add waits before it has told of its device.
	head -c 65536 /dev/zero >&"$pipe"
	"$program" add -t null >&"$pipe" 2>"$tmp/err" </dev/null 3>&- &
	pid=$!
	wait_until 10 is_live
	kill -TERM "$pid"
	head -c 65536 <&"$pipe" >/dev/null
	wait "$pid"
	IFS= read -r -t 10 path <&"$pipe"
	same "$path" "$root/dev/ublkb0"
	works del 0
}

# settled: there is a device that works, or nothing
settled() {
	if [[ $(listed 'map(.state + .record) | join("")') == LIVEok ]] && (($(processes | wc -l) == 1)); then return 0; fi
	nothing_left
}

@test "add: killed at any time, it leaves a working device or nothing" {
	local i pid works=0 nothing=0
	for ((i = 0; i < 40; i++)); do
		"$program" add -t null -s 1M >/dev/null 2>&1 </dev/null 3>&- &
		pid=$!
		# From before the fork to after the path is printed.
		sleep "0.0$(printf %02d $((i * 5 / 8)))"
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		wait_until 10 settled
		if nothing_left 2>/dev/null; then
			nothing=$((nothing + 1))
		else
			works=$((works + 1))
			works del 0
			wait_until 10 nothing_left
		fi
	done
	echo "$works worked, $nothing left nothing" >&2
}
@test "add: killed while the driver does not answer, it leaves nothing" {
	local pid
	export UBLKCTL_MODEL_TIMEOUT_MS=500
	UBLKCTL_MODEL_FAULT=START_DEV:never "$program" add -t null >/dev/null 2>&1 </dev/null 3>&- &
	pid=$!
	wait_until 10 test -e "$root/run/0.stats"
	kill -9 "$pid"
	wait "$pid" || true
	wait_until 10 nothing_left
}

# --- list ---

two_devices() {
	truncate -s 1536K image
	works add -t ramdisk -s 1G -q 2
	works add -t loop -f image -n 7 -d 16
}

@test "list: nothing" {
	works list
	same "$out" ''
	works list --json
	jq -e '. == {schema_version: 1, devices: []}' <<<"$out"
}
@test "list: a table" {
	local pids
	two_devices
	mapfile -t pids < <(listed '.[].pid')
	works list
	same "$(tr -s ' ' <"$tmp/out" | sed 's/^ //; s/ $//')" "ID DEVICE NAME TARGET STATE SIZE QUEUES DEPTH PID BACKING
0 $root/dev/ublkb0 ramdisk LIVE 1G 2 128 ${pids[0]}
7 $root/dev/ublkb7 loop LIVE 1.5M 1 16 ${pids[1]} $PWD/image"
}
@test "list: JSON, with types" {
	two_devices
	works list --json --output-all
	jq -e '.schema_version == 1 and (.devices | length == 2) and .devices[1].target == "loop" and
		([.devices[] | .id, .size, .queues, .depth, .pid, .log_sec, .phy_sec, .max_io, .owner | type] | unique == ["number"]) and
		([.devices[] | .ro | type] | unique == ["boolean"]) and
		([.devices[] | .device, .target, .state, .path, .features, .record, .["maj:min"] | type] | unique == ["string"]) and
		([.devices[].backing | type] == ["null", "string"])' <<<"$out"
}
@test "list: -O shows what --help lists, in JSON too" {
	local columns
	two_devices
	works list --help
	columns=$(sed -n '/^Columns:/,/^Default:/s/^  \([A-Z:-]*\) .*/\1/p' "$tmp/out")
	works list -O --raw
	same "$(head -n 1 "$tmp/out")" "$(tr '\n' ' ' <<<"$columns" | sed 's/ $//')"
	works list --output-all --json
	same "$(command jq -r '.devices[0] | keys_unsorted[]' <<<"$out")" "$(tr 'A-Z-' 'a-z_' <<<"$columns")"
}
@test "list: columns, in any case and order" {
	two_devices
	works list -o SIZE,id,Target --raw
	printed 'SIZE ID TARGET' '1G 0 ramdisk' '1.5M 7 loop'
	works list -o +RO,record --raw --noheadings
	same "$(awk '{ print $(NF - 1), $NF }' "$tmp/out")" $'0 ok\n0 ok'
	works list --output=ID --json
	same "$(jq -c .devices <<<"$out")" '[{"id":0},{"id":7}]'
}
@test "list: --raw has as many fields in each line, --noheadings no headings, --bytes bytes" {
	two_devices
	works list --raw --output-all
	works list --noheadings --bytes -o ID,SIZE --raw
	printed '0 1073741824' '7 1572864'
	works list -b -o SIZE --noheadings
	same "$(tr -d ' ' <"$tmp/out")" $'1073741824\n1572864'
	works list -rb --noheadings -o MAX-IO 0
	printed 524288
}
@test "list: one device, by every name it has" {
	local name
	two_devices
	ln -s "$root/dev/ublkb7" link
	for name in 7 ublkb7 ublkc7 "$root/dev/ublkb7" "$root/dev/ublkc7" ./link; do
		works list "$name" -o ID --noheadings --raw
		printed 7
	done
	works list -n 7 -o ID --noheadings --raw
	printed 7
	works list 7 0 "$root/dev/ublkb7" -o ID --noheadings --raw
	printed 7 0
}
@test "list: a device that goes away meanwhile is left out" {
	two_devices
	export UBLKCTL_MODEL_FAULT='GET_DEV_INFO2:ENODEV;GET_DEV_INFO:ENODEV'
	works list -o ID --noheadings --raw
	printed 7
	no_faults
	works list -o ID --noheadings --raw
	printed 0 7
}
@test "list: no driver is no device" {
	UBLKCTL_MODEL_DRIVER=missing works list
	same "$out" ''
	UBLKCTL_MODEL_DRIVER=missing works list --json
	jq -e '.devices == []' <<<"$out"
}
@test "list: a device of another program" {
	works add -t null
	rm "$root"/run/*
	same "$(listed '.[0] | [.state, .target, .backing, .record] | tostring')" '["LIVE",null,null,"none"]'
	works del 0
	same "$(listed length)" 0
}

# --- show ---

@test "show: JSON, with types" {
	two_devices
	works show 7 --json
	jq -e '.schema_version == 1 and .id == 7 and .device == $root + "/dev/ublkb7" and .char_device == $root + "/dev/ublkc7" and
		.state == "LIVE" and .target == "loop" and .backing == $file and .data_path == "copy" and .pid > 1 and
		.size == 1572864 and .read_only == false and .nr_queues == 1 and .queue_depth == 16 and
		.max_io_bytes == 524288 and (.features | index("ioctl-encode") != null) and
		.params.logical_block_size == 512 and .params.dev_sectors == 3072 and .params.volatile_cache == true and
		.params.fua == true and (.queues | length == 1) and
		([.queues[0][] | type] | unique == ["number"]) and
		(.threads | length == 1 and (.[0] | .queue == 0 and (.cpus | type == "string")))' \
		--arg root "$root" --arg file "$PWD/image" <<<"$out"
}
@test "show: the threads of the queues are the handler's" {
	local tid
	two_devices
	for tid in $(shown '.threads[].tid'); do [[ -d /proc/$(shown .pid)/task/$tid ]]; done
	same "$(shown '.queues | map(.id) | tostring')" '[0,1]'
	same "$(shown '[.queues[] | .in_flight, .reads, .errors] | add')" 0
}
@test "show: for people" {
	two_devices
	works show "$root/dev/ublkb7"
	grep -qE '^state: +LIVE$' "$tmp/out"
	grep -qE '^size: +1\.5M \(1572864 bytes\)$' "$tmp/out"
	grep -qE "^backing: +$PWD/image$" "$tmp/out"
	grep -qE '^  logical block size: +512B \(512 bytes\)$' "$tmp/out"
	grep -qE '^features: .*ioctl-encode' "$tmp/out"
	grep -qE '^ID +IN-FLIGHT READS' "$tmp/out"
	grep -qE '^ *TID +QUEUE +CPUS$' "$tmp/out"
	works show -n 7
	works show 7 7
}
@test "show: text and JSON have the same members" {
	two_devices
	works show 0 --json
	command jq -r 'del(.schema_version) | keys_unsorted[]' <<<"$out" | tr _ ' ' >"$tmp/members"
	works show 0
	while read -r member; do grep -q "^$member:" "$tmp/out"; done <"$tmp/members"
}

# --- del ---

@test "del: several, in any form, with nothing to say" {
	local i
	for i in 0 1 2 3 4; do works add -t null; done
	works del 1 "$root/dev/ublkb3" -n 0 ublkb4
	same "$out" ''
	same "$(listed 'map(.id) | tostring')" '[2]'
	[[ ! -e $root/dev/ublkb1 && ! -e $root/dev/ublkc1 ]]
}
@test "del --all, also when there is none" {
	works add -t null
	works add -t null -n 300
	works add -t null -n 1048575
	works del --all
	same "$out" ''
	same "$(listed length)" 0
	works del -a
	UBLKCTL_MODEL_DRIVER=missing works del -a
}
@test "del --force" { works add -t null; works del --force 0; same "$(listed length)" 0; }
@test "del: one named twice is deleted once" { works add -t null; works del 0 0 ublkb0; }
@test "del: the id is free at once" {
	local i
	for i in 1 2 3 4 5; do
		works add -t null -n 3
		works del 3
	done
}
@test "del: two at once" {
	local i round pids status
	for round in {1..10}; do
		works add -t null -n 0
		ublkctl del 0 2>"$tmp/err.1" &
		pids=($!)
		ublkctl del 0 2>"$tmp/err.2" &
		pids+=($!)
		# Each either deletes it or finds it gone.
		for i in "${pids[@]}"; do
			status=0
			wait "$i" || status=$?
			((status == 0 || status == 6)) || cat "$tmp"/err.? >&2
			((status == 0 || status == 6))
		done
		wait_until 10 nothing_left
	done
}

# --- features and targets ---

@test "features: newest" {
	works features --json
	# The model has all but three: see MODEL_LACKS.
	jq -e '.schema_version == 1 and (.features | length == 21) and
		([.features[] | select(.driver | not) | .feature] == ["zero-copy", "auto-buf-reg", "batch-io"]) and
		([.features[].bit] == [range(21)]) and ([.features[] | .feature, .description | type] | unique == ["string"])' <<<"$out"
	works features -o FEATURE,BIT,DRIVER --raw --noheadings
	same "$(head -n 2 "$tmp/out")" $'zero-copy 0 0\ncomp-in-task 1 1'
}
@test "features: Linux 6.12" {
	old_driver
	works features --json
	same "$(jq -r '[.features[] | select(.driver) | .feature] | join(" ")' <<<"$out")" \
		'comp-in-task need-get-data user-recovery recovery-reissue unprivileged ioctl-encode user-copy zoned'
	same "$(jq '.features | length' <<<"$out")" 21
}
@test "targets" {
	works targets --noheadings --raw -o TARGET
	printed null loop ramdisk
	works targets --json
	jq -e '.schema_version == 1 and ([.targets[].target] == ["null", "loop", "ramdisk"])' <<<"$out"
}

# --- threads and CPUs ---

@test "add --threads: each serves a share of the queue" {
	works add -t ramdisk -s 1M -q 2 -d 5 --threads 3
	same "$(shown '.threads | map(.queue) | tostring')" '[0,0,0,1,1,1]'
	same "$(shown '.threads | map(.tid) | unique | length')" 6
	same "$(shown '.queues | length')" 2
}
@test "add --threads: not on Linux 6.12" {
	old_driver
	refused 3 "add: this kernel's driver lets one thread serve a queue, not 2; use --threads 1, or more queues with -q" \
		add -t null --threads 2
	nothing_left
}
@test "add --cpus" {
	works add -t null --cpus 0,0-0
	same "$(shown '.threads | map(.cpus) | tostring')" '["0"]'
}
@test "add --cpus: the longest list there is, and the record can be read" {
	local list
	list=$(seq -s, 0 2 8190)
	works add -t null --cpus "$list" --recovery reissue
	same "$(listed '.[0].record')" ok
	same "$(jq -r .cpus "$root/run/0.json")" "$list"
}
@test "set --cpus lasts: upgrade, recover" {
	works add -t null --recovery reissue
	works set --cpus 1 0
	works upgrade 0
	same "$(shown '.threads | map(.cpus) | tostring')" '["1"]'
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 eval '[[ $(listed ".[0].state") == QUIESCED ]]'
	works recover 0
	same "$(shown '.threads | map(.cpus) | tostring')" '["1"]'
}
@test "set --cpus" {
	works add -t null -q 2
	works set 0 --cpus 1
	same "$(shown '.threads | map(.cpus) | unique | tostring')" '["1"]'
	works set --cpus 0-1 -n 0
	[[ $(shown '.threads[0].cpus') =~ ^[01](-1)?$ ]]
	works set --cpus 0 "$root/dev/ublkb0"
	same "$(shown '.threads | map(.cpus) | unique | tostring')" '["0"]'
}
@test "set --cpus: the handler is dead" {
	works add -t null
	local pid
	pid=$(shown .pid)
	kill -9 "$pid"
	wait_until 10 exited "$pid"
	invoke set --cpus 0 0
	one_line 1 "set: the handler of device 0 is not running; see 'ublkctl list'"
}
@test "set --cpus: another program's device, or a lost record" {
	works add -t null
	mv "$root/run/0.json" "$tmp"
	refused 1 "set: there is no record of device 0, so its threads are not known" set --cpus 0 0
}

@test "add -f /dev/fd/N and /proc/self/fd/N: the file that is open there, which the server does not keep open" {
	local name
	truncate -s 4M image
	for name in /dev/fd/57 /proc/self/fd/57; do
		works add -t loop -f "$name" 57<>image
		same "$(shown .backing)" "$PWD/image"
		[[ ! -e /proc/$(shown .pid)/fd/57 ]]
		works del 0
	done
	refused 1 'add: /dev/fd/57: No such file or directory; *' add -t loop -f /dev/fd/57
}
