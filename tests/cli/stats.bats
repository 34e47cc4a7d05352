#!/usr/bin/env bats
# What stats and top show of counters, on the model. A handler here is asked for nothing, so the counters are what a test
# puts into its page.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # jq's variables; tmp, root, out ... are set by helpers
load helpers

# The page: 64 bytes, then for each thread these words, and a histogram (its sum, its buckets) of each class
fields=(tid qid in_flight reads writes flushes discards write_zeroes fua read_bytes write_bytes discard_bytes errors shared)
buckets=464

# bytes_of NUMBER: 8 of them
bytes_of() {
	local i text=''
	for i in 0 8 16 24 32 40 48 56; do text+=$(printf '\\x%02x' $(($1 >> i & 255))); done
	printf '%b' "$text"
}

# poke ID THREAD WORD NUMBER
poke() {
	local page=$root/run/$1.stats stride
	stride=$(od -An -tu4 -j12 -N4 "$page")
	bytes_of "$4" | dd of="$page" bs=8 seek=$((8 + $2 * stride / 8 + $3)) conv=notrunc status=none
}

# counted ID THREAD FIELD=NUMBER...
counted() {
	local pair i
	for pair in "${@:3}"; do
		for i in "${!fields[@]}"; do
			if [[ ${fields[i]} == "${pair%=*}" ]]; then poke "$1" "$2" "$i" "${pair#*=}"; fi
		done
	done
}

# took ID THREAD CLASS BUCKET NUMBER
took() { poke "$1" "$2" $((${#fields[@]} + $3 * (buckets + 1) + 1 + $4)) "$5"; }

# stats FILTER [OPTION...]: what jq makes of the rows
rows() { works stats --json "${@:2}"; jq -rc ".stats | $1" <<<"$out"; }

@test "stats: none" {
	works stats
	same "$out" ''
	works stats --json
	same "$(jq -c . <<<"$out")" '{"schema_version":1,"stats":[]}'
	UBLKCTL_MODEL_DRIVER=missing works stats
	same "$out" ''
}

@test "stats: totals, of the device and of its queues" {
	works add -t null -q 2 --name one
	counted 0 0 reads=5 read_bytes=20480 in_flight=2 flushes=1
	counted 0 1 reads=7 writes=11 write_bytes=1073741824 discards=2 write_zeroes=3 errors=4
	works stats
	same "$(tr -s ' ' <"$tmp/out" | sed 's/^ //; s/ $//')" \
		"ID DEVICE NAME READS WRITES OTHERS READ-BYTES WRITE-BYTES ERRORS IN-FLIGHT P50 P99 P999 MAX
0 $root/dev/ublkb0 one 12 11 6 20K 1G 4 2"
	same "$(rows 'map([.queue, .reads, .writes, .others, .read_bytes, .write_bytes, .errors, .in_flight, .p50])' -q)" \
		'[[null,12,11,6,20480,1073741824,4,2,null],[0,5,0,1,20480,0,0,2,null],[1,7,11,5,0,1073741824,4,0,null]]'
	same "$(rows 'map([.iops, .read_rate, .span])' -O)" '[[null,null,null]]'
}

@test "stats: the threads of a queue are one" {
	works add -t null -q 2 --threads 2
	for i in 0 1 2 3; do counted 0 $i reads=$((10 ** i)); done
	same "$(rows 'map(.reads)' -q)" '[1111,11,1100]'
}

# 983040 ns, 16.8 ms and 1.07 s are where the buckets of 1 ms, 2^24 and 2^30 ns begin.
@test "stats: percentiles of reads, writes, others and all" {
	works add -t null
	took 0 0 0 174 990
	took 0 0 0 240 9
	took 0 0 0 336 1
	took 0 0 1 240 5
	same "$(rows 'map([.p50, .p99, .p999, .max, .read_p50, .read_p99, .read_p999, .read_max])' -O)" \
		'[[983040,16777216,16777216,1073741824,983040,983040,16777216,1073741824]]'
	same "$(rows 'map([.write_p50, .write_max, .other_p50, .other_max])' -O)" '[[16777216,16777216,null,null]]'
	works stats -o P50,P99,MAX --raw --noheadings
	same "$out" '983us 16.8ms 1.07s'
	works stats -o P50,P99,MAX --raw --noheadings --bytes
	same "$out" '983040 16777216 1073741824'
}

@test "stats: -O shows what --help lists, in JSON too" {
	local columns
	works add -t null
	works stats --help
	columns=$(sed -n '/^Columns:/,/^Default:/s/^  \([A-Z0-9-]*\) .*/\1/p' "$tmp/out")
	works stats -O --raw
	same "$(head -n 1 "$tmp/out")" "$(tr '\n' ' ' <<<"$columns" | sed 's/ $//')"
	works stats --output-all --json
	same "$(command jq -r '.stats[0] | keys_unsorted[]' <<<"$out")" "$(tr 'A-Z-' 'a-z_' <<<"$columns")"
}

@test "stats: by id, path, name, and those that have no counters" {
	local name
	works add -t null --name one
	works add -t null
	for name in 0 one "$root/dev/ublkb0" '-n 0'; do
		# shellcheck disable=SC2086
		same "$(rows 'map(.id)' $name)" '[0]'
	done
	mv "$root/run/1.json" "$tmp"
	same "$(rows 'map(.id)')" '[0]'
	refused 1 "stats: device 1 has no record of ours, so its counters are not known; see 'ublkctl list -o +RECORD'" stats 0 1
	mv "$tmp/1.json" "$root/run"
	dd if=/dev/zero of="$root/run/1.stats" bs=4 count=1 seek=1 conv=notrunc status=none
	same "$(rows 'map(.id)')" '[0]'
	refused 1 "stats: the counters of device 1 are spoiled, or of another version of ublkctl; 'ublkctl upgrade 1' begins new ones" \
		stats 1
	rm "$root/run/1.stats"
	refused 1 "stats: the counters of device 1 cannot be read: No such file or directory" stats 1
}

@test "stats --count 2" { refused 2 'stats: --count needs --interval'; }
@test "stats --interval 0" { refused 2 "stats: --interval: '0' is out of range; give seconds from 0.1 to 3600"; }
@test "stats --interval 3601" { refused 2 "stats: --interval: '3601' is out of range; give seconds from 0.1 to 3600"; }
@test "stats --interval -1" { refused 2 "stats: --interval: '-1' is not a number of seconds such as 2 or 0.5"; }
@test "stats --interval 1s" { refused 2 "stats: --interval: '1s' is not a number of seconds such as 2 or 0.5"; }
@test "stats --interval nan" { refused 2 "stats: --interval: 'nan' is not a number of seconds such as 2 or 0.5"; }
@test "stats --interval ." { refused 2 "stats: --interval: '.' is not a number of seconds such as 2 or 0.5"; }
@test "stats --interval 1 --count 0" { refused 2 "stats: --count: '0' is out of range; give a number from 1 to 4294967295"; }
@test "stats --openmetrics --json" {
	refused 2 'stats: --openmetrics has all counters of each queue, and takes no other option'
}
@test "stats --openmetrics --interval 1" {
	refused 2 'stats: --openmetrics has all counters of each queue, and takes no other option'
}
@test "stats -o FOO --interval 1" { refused 2 "stats: --output: 'FOO' is not a column"; }
@test "stats 5" { refused 6 "stats: device 5 does not exist; 'ublkctl list' shows those that do"; }

# --- in each interval ---

# watching OPTION...: in the background, until it has said something
watching() {
	# A shell's background job would have SIGINT ignored.
	env --default-signal "$program" stats --interval 0.1 --json "$@" >"$tmp/lines" 2>"$tmp/watch" </dev/null 3>&- &
	watcher=$!
	defer sh -c "kill -9 $watcher 2>/dev/null; true"
	wait_until 10 test -s "$tmp/lines"
}

# seen FILTER: one of the lines has such a row
seen() { jq -se "any(.[].stats[]; $1)" "$tmp/lines" >/dev/null; }

# watched: it ends well when it is told to
watched() {
	kill "-${1-INT}" "$watcher"
	wait_until 10 exited "$watcher"
	wait "$watcher"
	same "$(<"$tmp/watch")" ''
}

@test "stats --interval: what happened in each, one line of JSON" {
	works add -t null
	counted 0 0 reads=1000000 errors=5
	watching -o +READS
	counted 0 0 reads=1000300 read_bytes=4096 errors=6
	wait_until 10 seen '.read_iops > 0'
	took 0 0 0 174 1
	wait_until 10 seen '.p50 == 983040'
	watched
	# Nothing of before, and nothing twice
	same "$(jq -sc 'map(.stats[0] | [.reads, .errors, (.p50 | values)]) | transpose | map(add)' "$tmp/lines")" '[300,1,983040]'
	same "$(jq -s 'map(.schema_version) | unique[]' "$tmp/lines")" 1
}
@test "stats --interval: SIGTERM" {
	works add -t null
	watching
	watched TERM
}
@test "stats --interval: rates are of the time that has passed" {
	works add -t null
	watching -o ID,SPAN,IOPS,READ-RATE
	counted 0 0 reads=1000 read_bytes=4096000
	wait_until 10 seen '.read_rate > 0'
	watched
	same "$(jq -sc 'map(.stats[0] | (.span / 1e9) as $s | [.iops * $s, .read_rate * $s]) | transpose |
		map(add / 10 | round)' "$tmp/lines")" '[100,409600]'
}
@test "stats --interval: a device goes, and another with its id is another" {
	works add -t null
	counted 0 0 reads=1000000
	watching
	works del 0
	works add -t ramdisk -s 1M
	counted 0 0 reads=3
	sleep 0.5
	watched
	# No row of the one less the other
	jq -se 'all(.[].stats[]; .read_iops < 1000)' "$tmp/lines"
}
@test "stats --interval: a named device goes" {
	local status=0
	works add -t null
	watching 0
	works del 0
	wait_until 10 exited "$watcher"
	wait "$watcher" || status=$?
	same "$status" 6
	same "$(<"$tmp/watch")" "ublkctl: stats: device 0 does not exist; 'ublkctl list' shows those that do"
}
@test "stats --interval --count, and the end of a pipe" {
	works add -t null
	works stats --interval 0.1 --count 3 --noheadings --raw -o ID
	same "$out" $'0\n0\n0'
	bash -o pipefail -c 'timeout 10 "$1" stats -i 0.1 | head -n 1' - "$program" >"$tmp/out" 2>"$tmp/err"
	same "$(<"$tmp/err")" ''
	status=0
	timeout 10 "$program" stats -i 0.1 >/dev/full 2>"$tmp/err" || status=$?
	same "$status" 1
	[[ $(<"$tmp/err") == 'ublkctl: cannot write standard output: '* ]]
}

# --- OpenMetrics ---

# parsed: as "NAME TYPE UNIT, then LABELS VALUE" of the samples that are not 0, by a parser that is not ours
parsed() {
	/usr/bin/python3 -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for f in text_string_to_metric_families(sys.stdin.read()):
	print(f.name, f.type, f.unit, bool(f.documentation))
	for s in f.samples:
		if s.value: print(s.name, s.labels.get("queue"), s.labels.get("op"), s.labels.get("le", ""), repr(s.value), s.labels["device"], s.labels["name"], s.labels["target"])'
}

@test "stats --openmetrics: a parser reads it" {
	works add -t null -q 2 --name one
	counted 0 1 reads=7 write_zeroes=3 discard_bytes=512 errors=4 in_flight=1
	took 0 1 2 174 2
	poke 0 1 $((${#fields[@]} + 2 * (buckets + 1))) 3000000001
	works stats --openmetrics
	same "$(tail -n 1 "$tmp/out")" '# EOF'
	parsed <"$tmp/out" >"$tmp/parsed"
	same "$(grep -v "$root" "$tmp/parsed")" 'ublkctl_requests counter  True
ublkctl_moved_bytes counter bytes True
ublkctl_errors counter  True
ublkctl_in_flight gauge  True
ublkctl_service_seconds histogram seconds True'
	same "$(sed -n "s| $root/dev/ublkb0 one null\$||p" "$tmp/parsed" | grep -v _bucket)" \
		'ublkctl_requests_total 1 read  7
ublkctl_requests_total 1 write_zeroes  3
ublkctl_moved_bytes_total 1 discard  512
ublkctl_errors_total 1 None  4
ublkctl_in_flight 1 None  1
ublkctl_service_seconds_count 1 other  2
ublkctl_service_seconds_sum 1 other  3.000000001'
	# From the first bound above 1 ms to the last and infinity
	same "$(grep -c _bucket "$tmp/parsed")" 19
	same "$(grep -m1 _bucket "$tmp/parsed" | cut -d' ' -f1-5)" 'ublkctl_service_seconds_bucket 1 other 0.001048576 2'
}
@test "stats --openmetrics: what there is of no device" {
	works stats --openmetrics
	same "$(parsed <"$tmp/out" | wc -l)" 5
}
@test "stats --openmetrics: labels are escaped" {
	export UBLKCTL_MODEL_ROOT=$root/$'q"b\\n\nl'
	mkdir "$UBLKCTL_MODEL_ROOT"
	works add -t null
	works stats --openmetrics
	works del 0
	export UBLKCTL_MODEL_ROOT=$root
	works --version
}

# --- top ---

# on_terminal PATTERN COMMAND: in a terminal of 80 columns and 8 lines, where first x and then q is pressed once it shows
# PATTERN; sets out to all that it showed
on_terminal() {
	touch "$tmp/screen"
	{ wait_until 10 on_screen "$1"; printf xq; } |
		timeout 20 script -qfec "stty cols 80 rows 8; $2; echo status \$?" "$tmp/typescript" >"$tmp/screen" 2>&1
	out=$(tr -d '\r' <"$tmp/screen")
}

on_screen() { grep -q "$1" "$tmp/screen"; }

entered=$'\e[?1049h' left=$'\e[?7h\e[?25h\e[?1049l' home=$'\e[H'

@test "top: the busiest first, and q gives the terminal back" {
	works add -t null --name quiet
	works add -t null --name busy
	works add -t null --name middle
	# Once it has looked for the first time
	{ wait_until 10 grep -q IOPS "$tmp/screen"; counted 2 0 reads=50; counted 1 0 reads=90000; } &
	on_terminal '[1-9][0-9]\{4\}' "stty -a >$tmp/before; $program top -i 0.6; stty -a >$tmp/after"
	wait $!
	cmp "$tmp/before" "$tmp/after"
	[[ $out == "$entered"*"$left"*'status 0'* ]]
	# Perhaps not both at once
	[[ ${out##*"$home"} == *' busy '*' quiet '* && $out == *' middle '*' quiet '* ]]
}
@test "top: a terminal that becomes smaller" {
	local i
	for i in 1 2 3 4; do works add -t null --name "name$i"; done
	{ wait_until 10 grep -q name4 "$tmp/screen"; stty rows 4 <"$(<"$tmp/tty")"; wait_until 10 cut_off; touch "$tmp/enough"; } &
	on_terminal NEVER "tty >$tmp/tty; { until [ -e $tmp/enough ]; do sleep 0.1; done; kill -TERM \$\$; } & exec $program top -i 3600" || true
	wait $!
	out=$(tr -d '\r' <"$tmp/screen")
	cut_off
}
# cut_off: one line is left for devices
cut_off() { local last; last=$(<"$tmp/screen"); last=${last##*"$home"}; [[ $last == *' name1 '* && $last != *' name2 '* ]]; }

@test "top: SIGTERM and SIGINT give the terminal back" {
	local name
	works add -t null
	for name in TERM INT; do
		on_terminal 'status 0' "stty -a >$tmp/before; env --default-signal $program top & until [ -s $tmp/screen ]; do sleep 0.1; done; sleep 0.3; kill -$name \$!; wait \$!; stty -a >$tmp/after; echo status \$?"
		cmp "$tmp/before" "$tmp/after"
		[[ $out == *"$entered"*"$left"*'status 0'* ]]
	done
}
@test "top" { refused 2 "top: standard output is no terminal; use 'ublkctl stats --interval 2'"; }
@test "top --interval 0" { refused 2 "top: --interval: '0' is out of range; give seconds from 0.1 to 3600"; }
@test "top 5: no such device, and the terminal is not touched" {
	on_terminal status "$program top 5"
	[[ $out == "ublkctl: top: device 5 does not exist; 'ublkctl list' shows those that do"*'status 6'* ]]
}

@test "stats --interval: no difference between two lives of the counters" {
	truncate -s 4M image
	works add -t loop -f image --recovery reissue
	counted 0 0 reads=1000000 writes=5000
	watching -o +READS,WRITES
	works stop 0
	works start 0
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 eval '[[ $(listed ".[0].state") == QUIESCED ]]'
	works recover 0 --threads 2
	counted 0 0 reads=7
	sleep 0.3
	watched
	same "$(jq -se 'all(.[].stats[]; .reads < 1000 and .writes < 1000)' "$tmp/lines")" true
}
