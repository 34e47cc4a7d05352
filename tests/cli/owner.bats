#!/usr/bin/env bats
# A change of a device has one owner: others wait for it, and it changes the device that was meant or none.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

state_is() { [[ $(listed '.[0].state') == "$1" ]]; }

# hold ID: somebody else is changing the device, until let_go
hold() {
	rm -f held
	python3 -c 'import fcntl, sys, time
lock = open(sys.argv[1], "r+")
fcntl.lockf(lock, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("held", flush=True)
time.sleep(100)' "$root/run/.lock" "$1" >held &
	holder=$!
	defer end "$holder"
	wait_until 10 grep -q held held
}
let_go() { end "$holder"; }
end() { kill "$1" 2>/dev/null || true; }

# Until one has found out which device is meant, and waits for its turn; servers have given their lock back
waits() {
	local pid
	for pid in $(processes); do
		if readlink "/proc/$pid/fd"/* 2>/dev/null | grep -qx "$root/run/.lock"; then return 0; fi
	done
	return 1
}
child_of() { sed 's/ .*//' "/proc/$1/task/$1/children"; }

# later ARGUMENT...: in the background, up to where it waits; its own says what becomes of it
later() {
	timeout -k 5 30 "$program" "$@" >"$tmp/later.out" 2>"$tmp/later.err" </dev/null &
	its=$!
	wait_until 10 waits
}

# it_ended: sets status and err
it_ended() {
	status=0
	wait "$its" || status=$?
	out=$(<"$tmp/later.out")
	err=$(grep -v "$progress" "$tmp/later.err") || true
}

# replaced ID OPTION...: by one who does not know of who holds the lock
replaced() {
	mv "$root/run/.lock" "$root/run/.lock-old"
	works del --force "$1"
	works add -n "$@"
	mv "$root/run/.lock-old" "$root/run/.lock"
}

# Each change that waits for its turn, and what the device has to be for it
@test "what waited for its turn does not touch another device that has the id by now" {
	local change
	truncate -s 4M old new
	for change in 'del 0' 'del --force 0' 'del --lazy 0' 'stop 0' 'set --cpus 0 0' 'resize --size 8M 0' 'upgrade 0' 'recover 0' 'start 0'; do
		works add -n 0 -t loop -f old --recovery reissue
		case $change in
		recover*)
			kill -9 "$(listed '.[0].pid')"
			wait_until 10 state_is QUIESCED
			;;
		start*) works stop 0 ;;
		esac
		hold 0
		# shellcheck disable=SC2086
		later $change
		replaced 0 -t loop -f new --recovery reissue --name precious
		before=$(listed '.[0] | tostring')
		let_go
		it_ended
		one_line 6 "${change%% *}: device 0 is gone, and another one has its id by now"
		same "$(listed '.[0] | tostring')" "$before" "$change"
		works del precious
	done
}

@test "del a b: b is the device that was meant, or none" {
	works add -t null -n 0 --name a
	works add -t null -n 1 --name b
	hold 1
	later del a b
	replaced 1 -t null --name precious
	let_go
	it_ended
	same "$status" 6
	[[ $err == *"device 1 is gone, and another one has its id by now"* ]]
	same "$(listed 'map(.name) | tostring')" '["precious"]'
}

@test "del of many: each has its answer, in their order, and the first failure decides" {
	local i ids=()
	for i in {0..19}; do
		works add -t null -n "$i"
		ids+=("$i")
	done
	invoke del 40 "${ids[@]}" 41 --json
	same "$status" 6
	same "$(jq -c '[.devices[].id]' <<<"$out")" "[40,$(IFS=,; echo "${ids[*]}"),41]"
	same "$(jq -c '[.devices[] | select(.action != "deleted") | .id]' <<<"$out")" '[40,41]'
	nothing_left
}

@test "who makes a device with an id waits until its old owner has come to an end" {
	works add -t null -n 3
	works del 3
	hold 3
	later add -t null -n 3
	let_go
	it_ended
	same "$status $out" "0 $root/dev/ublkb3"
}

# The command is killed, and its server goes on: it is the owner until it has come to an end.
@test "add that is killed: its server owns the device until that is there" {
	local server
	UBLKCTL_MODEL_FAULT='START_DEV:never' "$program" add -t null -n 0 >/dev/null 2>&1 </dev/null &
	its=$!
	wait_until 10 test -e "$root/run/0.json"
	server=$(child_of "$its")
	{ kill -9 "$its"; wait "$its"; } 2>/dev/null || true
	UBLKCTL_MODEL_TIMEOUT_MS=300 invoke del 0
	one_line 9 "del: device 0 is being changed by process $server (ublkctl_model); try again"
}

# A start that was killed when the old device had given its id away has left the record alone.
@test "the id of a stopped device is not given to another, though the driver has it free" {
	truncate -s 4M image
	works add -t loop -f image --name kept
	works stop kept
	mv "$root/run/0.json" record
	works del 0
	mv record "$root/run/0.json"
	works add -t null
	same "$out" "$root/dev/ublkb1"
	refused 8 "add: the id 0 is that of a stopped device; see 'ublkctl start' and 'ublkctl del'" add -t null -n 0
	refused 8 "add: the id 0 is that of a stopped device; see 'ublkctl start' and 'ublkctl del'" add -t null -n 0 --dry-run
	works start 0
	same "$(listed 'map([.id, .name]) | tostring')" '[[0,"kept"],[1,null]]'
}

# at_once N ARGUMENT...: by so many at the same time; says what went wrong
at_once() {
	local i n=$1 pids=()
	shift
	for ((i = 0; i < n; i++)); do
		timeout -k 5 30 "$program" "$@" >/dev/null 2>"$tmp/err.$i" </dev/null &
		pids+=("$!")
	done
	for ((i = 0; i < n; i++)); do
		wait "${pids[i]}" || { echo "$*: status $?: $(<"$tmp/err.$i")" >&2; return 1; }
	done
}

@test "up, down and del of all by three at once: what another has done is done" {
	local i
	mkdir -p "$root/etc"
	printf '%s null\n' a b c d e f >"$root/etc/ublktab"
	for i in {1..4}; do
		at_once 3 up --all
		same "$(listed length)" 6
		at_once 3 down --all
		works up --all
		at_once 3 del --all
		same "$(listed length)" 0
	done
}

@test "list, show and del of one, while others make and delete" {
	local i others
	(for i in {1..30}; do "$program" add -t null --name other && "$program" del other; done) >/dev/null 2>&1 </dev/null &
	others=$!
	for i in {1..40}; do
		works list
		invoke show other
		[[ $status == 0 || $status == 6 ]] || complain "show, round $i"
		works add -t null --name mine
		works del mine
	done
	wait "$others"
}
