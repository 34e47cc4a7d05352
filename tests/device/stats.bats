#!/usr/bin/env bats
# What stats and top say of devices at work: it only grows, a parser reads it, and service times are within what the
# client waits, and follow what is slow.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# --- service times ---

# timed OPTION...: fio, and "P50 P99" of its writes, in ns; nobody else writes to the device. Its threads do synchronous
# I/O, since then the clock is read before the kernel has the request; with io_uring that is after. Between two requests
# they sleep, which is no time of service.
timed() {
	run_check fio --name=time --filename="$dev" --direct=1 --ioengine=psync --numjobs=2 --thread --thinktime=10000 --group_reporting --bs=4k \
		--rw=randrw --norandommap --randrepeat=1 --size=16M --clocksource=clock_gettime --percentile_list=50:99 \
		--output-format=json --output="$tmp/fio.json" "$@"
	jq -r '.jobs[0].write.clat_ns.percentile | "\(.["50.000000"]) \(.["99.000000"])"' "$tmp/fio.json"
}

# served: the same of the handler, since it began
served() { ublkctl stats "$id" --raw --noheadings --bytes -o WRITE-P50,WRITE-P99; }

# within_client: sets p50; ours are rounded down, fio's to the middle of a bucket of 1/64
within_client() {
	local fio50 fio99 p99
	read -r fio50 fio99 <<<"$1"
	read -r p50 p99 < <(served)
	echo "# $BATS_TEST_DESCRIPTION: p50 $p50 of $fio50 ns, p99 $p99 of $fio99 ns" >&3
	((p50 > 0 && p50 <= fio50 * 129 / 128))
	((p99 >= p50 && p99 <= fio99 * 129 / 128))
}

# times OPTION...
times() {
	local p50
	add_device "$@"
	within_client "$(timed --number_ios=100)"
	# Far from the delay below
	((p50 < 20000000))
}
@test "service times: ramdisk" { times -t ramdisk --size 16M -q 2; }
@test "service times: loop" { truncate -s 16M "$tmp/image"; times -t loop -f "$tmp/image"; }
@test "service times: loop, user-copy" { truncate -s 16M "$tmp/image"; times -t loop -f "$tmp/image" --data-path user-copy; }

# A delay is a number of the kernel's ticks, of which the first is not a whole one: 36 ms at least, and rounded down.
@test "service times follow a disk that is slow by 40 ms" {
	local p50
	run_check dmsetup create slow --table '0 32768 delay /dev/ram1 0 40'
	defer dmsetup remove --retry slow
	add_device -t loop -f /dev/mapper/slow
	within_client "$(timed --number_ios=30)"
	((p50 >= 33000000))
}

# --- counters ---

# polling: all counters, as fast as it goes, until it is told to stop; each must be there
polling() {
	(
		until [[ -e $tmp/enough ]]; do ublkctl stats --openmetrics "$id" || exit 1; done
	) >"$tmp/polls" 2>"$tmp/poll.err" 3>&- &
	poller=$!
	defer touch "$tmp/enough"
	wait_until 30 test -s "$tmp/polls"
}

# polled_again: one that began after this is there; the first that ends may have begun before
polled_again() { wait_until 30 polls_are $(($(polls) + 2)); }
polls_are() { (($(polls) >= $1)); }
polls() { grep -c EOF "$tmp/polls" || true; }

# polled: nothing has become less
polled() {
	touch "$tmp/enough"
	wait "$poller" || { cat "$tmp/poll.err" >&2; return 1; }
	awk '/^#/ { polls += /EOF/; next }
		/^ublkctl_in_flight/ { next }
		$2 + 0 < last[$1] + 0 && bad++ < 5 { print "#", $1, last[$1], $2 }
		{ last[$1] = $2 }
		END { print "#", polls, "polls"; exit bad || polls < 4 }' "$tmp/polls" >&3
}

served_by_another() { local new; new=$(handler); [[ $new != "$pid" ]] && alive "$new"; }

@test "counters never go backwards: under load, over kill -9 and recover, and over an upgrade" {
	local client poller before
	truncate -s 64M "$tmp/image"
	add_device -t loop -f "$tmp/image" -q 2 --recovery reissue
	load_device --rw=randrw --size=64M --rate_iops=300
	polling
	pid=$(handler)
	kill -KILL "$pid"
	sleep 0.2
	within 30 ublkctl recover "$id"
	served_by_another
	goes_on
	polled_again
	within 30 ublkctl upgrade "$id"
	goes_on
	polled_again
	polled
	alive "$client"
	client_ends
	# A parser that is not ours
	ublkctl stats --openmetrics >"$tmp/metrics"
	/usr/bin/python3 - "$tmp/metrics" <<-'END'
		import sys
		from prometheus_client.openmetrics.parser import text_string_to_metric_families
		samples = [s for f in text_string_to_metric_families(open(sys.argv[1]).read()) for s in f.samples]
		answered = sum(s.value for s in samples if s.name == "ublkctl_service_seconds_count")
		begun = sum(s.value for s in samples if s.name == "ublkctl_requests_total")
		# Not looked at in the same instant
		assert answered > 100 and begun > 100, (answered, begun)
	END
}

@test "stats --interval and top under load: who is busy, and how" {
	local quiet
	add_device -t null
	quiet=$dev
	add_device -t ramdisk --size 16M -q 2 --name busy
	load_device --rw=randread --size=16M --rate_iops=500 --cpus_allowed=0-1
	ublkctl stats "$id" --interval 0.5 --count 3 --queues --json >"$tmp/lines"
	jq -se 'length == 3 and all(.[].stats; length == 3 and .[0].read_iops > 100 and .[0].queue == null and
		((.[0].read_iops - .[1].read_iops - .[2].read_iops) | fabs <= 2) and .[0].write_iops == 0 and
		(.[0].read_rate / .[0].read_iops | . > 4000 and . < 4200) and .[0].in_flight <= 32 and .[0].p50 > 0 and .[0].max >= .[0].p50)' \
		"$tmp/lines"
	touch "$tmp/screen"
	{ wait_until 30 shows_both; printf q; } |
		timeout 40 script -qfec "stty rows 10 cols 100; exec $UBLKCTL top -i 1" "$tmp/typescript" >"$tmp/screen" 2>&1
	[[ $(<"$tmp/screen") == *$'\e[?1049h'*$'\e[?1049l'* ]]
	client_ends
}
# The last screen
shows_both() { local last; last=$(<"$tmp/screen"); [[ ${last##*$'\e[H'} == *" busy "*"$quiet "* ]]; }
client_ends() { kill -9 "$client"; wait "$client" || true; }
