#!/usr/bin/env bats
# Devices that outlive their handler: recover, --respawn, what clients see meanwhile, and deaths in the middle of it.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# client MODE ...: see the head of client.c
client() { "${UBLKCTL%/cmd/*}/tests/client" "$@"; }

new_kernel() { (($(uname -r | cut -d. -f1) >= 7)); }

# data KIND: something behind a device, sparse and large enough for any client here; sets target
data() {
	case $1 in
	ramdisk) target=(-t ramdisk --size 1G) ;;
	loop) truncate -s 1G "$tmp/image"; target=(-t loop -f "$tmp/image") ;;
	null) target=(-t null --size 1G) ;;
	esac
}

state_is() { run_check ublkctl show --json "$id"; [[ $output == *"\"state\":\"$1\""* ]]; }

# kill_handler: of that moment
kill_handler() {
	pid=$(handler)
	kill -KILL "$pid"
}

served_by_another() { local new; new=$(handler); [[ $new != "$pid" && $(<"$run_dir/$id.json") == *'"recovering":false'* ]] && alive "$new"; }

# lost_handler STATE: kill -9 ends in that state, in bounded time
lost_handler() {
	kill_handler
	wait_until 20 state_is "$1"
	within 20 ublkctl list --json
}

recovered() {
	within 30 ublkctl recover "$id"
	same "$output" ""
	state_is LIVE
	served_by_another
}

# --- one death, nobody using it ---

# comes_back KIND MODE STATE: with what was written before, and counters that go on
comes_back() {
	local before after
	data "$1"
	add_device "${target[@]}" -q 2 --recovery "$2"
	same "$(shown .recovery)" "$2"
	if [[ $1 != null ]]; then client fill "$dev" A:0:65536 B:1048576:4096; fi
	before=$(of_queues writes write_bytes reads)
	lost_handler "$3"
	[[ $output == *'"pid":null'* ]]
	recovered
	if [[ $1 != null ]]; then client peek "$dev" 0:65536 "65536 A65536" 1048576:4096 "4096 B4096"; fi
	reads "$dev"
	after=$(of_queues writes write_bytes reads)
	paste <(tr ' ' '\n' <<<"$before") <(tr ' ' '\n' <<<"$after") | awk '$2 < $1 { exit 1 }'
}
@test "ramdisk comes back, mode queue" { comes_back ramdisk queue QUIESCED; }
@test "ramdisk comes back, mode reissue" { comes_back ramdisk reissue QUIESCED; }
@test "loop comes back, mode queue" { comes_back loop queue QUIESCED; }
@test "loop comes back, mode reissue" { comes_back loop reissue QUIESCED; }
@test "null comes back, mode reissue" { comes_back null reissue QUIESCED; }
@test "mode fail: comes back, or status 3" {
	local kind
	for kind in ramdisk loop; do
		if new_kernel; then
			comes_back "$kind" fail FAIL_IO
		else
			data "$kind"
			refused 3 "--recovery fail needs recovery-fail-io, which this kernel's driver does not have" \
				ublkctl add "${target[@]}" --recovery fail
		fi
	done
}

@test "recover at once after kill -9, and what else waits for it" {
	local reader
	data loop
	add_device "${target[@]}" --recovery reissue
	kill_handler
	within 30 ublkctl recover "$dev"
	reads "$dev"
	lost_handler QUIESCED
	reads "$dev" &
	reader=$!
	sleep 0.3
	alive "$reader"
	recovered
	wait "$reader"
}

@test "every data path comes back" {
	local path
	truncate -s 16M "$tmp/image"
	for path in copy map user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg; do
		if ! ublkctl add -t loop -f "$tmp/image" --recovery reissue --data-path "$path" >/dev/null 2>&1; then
			refused 3 "data path $path" ublkctl add -t loop -f "$tmp/image" --recovery reissue --data-path "$path"
			continue
		fi
		id=0 dev=/dev/ublkb0
		defer remove_device 0
		client fill "$dev" C:8192:8192
		lost_handler QUIESCED
		recovered
		same "$(shown '"\(.data_path) \(.data_path_by)"')" "$path request"
		client peek "$dev" 8192:8192 "8192 C8192"
		ublkctl del 0
	done
}

@test "recover --all, and the wrong ones" {
	local first second
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image" --recovery queue; first=$id
	add_device -t ramdisk --size 16M --recovery queue; second=$id
	refused 7 "is being served by process" ublkctl recover "$second"
	add_device -t null
	refused 1 "was made without --recovery" ublkctl recover "$id"
	for id in $first $second; do kill_handler; done
	within 30 ublkctl recover --all
	for id in $first $second; do state_is LIVE; done
	within 30 ublkctl recover --all
	refused 6 "device 77 does not exist" ublkctl recover 77
}

@test "the record is gone: the options say what is behind it" {
	data loop
	add_device "${target[@]}" --recovery reissue --offset 1M
	client fill "$dev" D:4096:4096
	lost_handler QUIESCED
	rm "$run_dir/$id.json"
	refused 2 "there is no record of device $id" ublkctl recover "$id"
	refused 1 "has only" ublkctl recover "$id" -t loop -f "$tmp/image" --offset 2M
	state_is QUIESCED
	within 30 ublkctl recover "$id" -t loop -f "$tmp/image" --offset 1M
	client peek "$dev" 4096:4096 "4096 D4096"
	same "$(shown .backing)" "$tmp/image"
	lost_handler QUIESCED
	recovered
}

@test "a ramdisk's memory: gone with its keeper, and with the device" {
	local keeper
	data ramdisk
	add_device "${target[@]}" --recovery queue
	keeper=$(shown .keeper_pid)
	kill_handler
	kill -KILL "$keeper"
	refused 1 "the memory of device $id is gone with the process that kept it" ublkctl recover "$id"
	within 20 ublkctl del "$id"
	add_device "${target[@]}" --recovery queue
	keeper=$(shown .keeper_pid)
	within 20 ublkctl del "$id"
	gone "$keeper"
}

# --- deaths under load ---

# lives_again HOW
lives_again() { if [[ $1 == recover ]]; then within 30 ublkctl recover "$id"; else wait_until 30 served_by_another; fi; }

# Of how many deaths under load a test is; the soak test goes on from there.
many=$(rounds 8)
few=$(rounds 2)

# deaths HOW
deaths() {
	local i
	for ((i = 0; i < many; i++)); do
		kill_handler
		lives_again "$1"
		if [[ $1 == respawn ]]; then sleep 0.7; fi	# one that dies sooner counts as failed
		goes_on
		alive "$client"
	done
}

reissue() {
	data "$1"
	add_device "${target[@]}" -q 2 --recovery reissue "${@:3}"
	verifying
	deaths "$2"
	verified
	ublkctl del "$id"
}
@test "loop: kill -9 again and again under fio verify, recover" { reissue loop recover; }
@test "ramdisk: kill -9 again and again under fio verify, recover" { reissue ramdisk recover; }
@test "loop: kill -9 again and again under fio verify, --respawn" { reissue loop respawn --respawn; }
@test "ramdisk: kill -9 again and again under fio verify, --respawn" { reissue ramdisk respawn --respawn; }

# insisting: writes numbered blocks and knows which were acknowledged
insisting() {
	"${UBLKCTL%/cmd/*}/tests/client" insist "$dev" 100000 "$tmp/log" >"$tmp/failures" 3>&- &
	client=$!
	defer sh -c "kill -9 $client 2>/dev/null; true"
	wait_until 30 test -s "$tmp/log"
}

# insisted: it had errors only as awk's condition says (windows: of each death and recovery); all acknowledged is there
insisted() {
	kill -TERM "$client"
	wait "$client"
	tail -n 1 "$tmp/failures" | grep -q '^done [1-9]'
	client numbered "$dev" "$tmp/log"
	echo "# $(grep -c Input/output "$tmp/failures") errors, $(wc -l <"$tmp/log") blocks"
}

# Each death may fail what was in flight (one request of this client), and nothing else
@test "mode queue: only what was in flight fails, and what was acknowledged is there" {
	local kind i
	for kind in 'loop recover' 'ramdisk recover' 'loop respawn --respawn' 'ramdisk respawn --respawn'; do
		# shellcheck disable=SC2086
		set -- $kind
		data "$1"
		add_device "${target[@]}" --recovery queue "${@:3}"
		rm -f "$tmp/log"
		insisting
		for ((i = 0; i < few; i++)); do
			kill_handler
			lives_again "$2"
			sleep 0.6
		done
		insisted
		(($(grep -c Input/output "$tmp/failures") <= few))
		ublkctl del "$id"
	done
}

@test "mode fail: errors only between death and recovery" {
	local kind i
	new_kernel || { refused 3 recovery-fail-io ublkctl add -t null --recovery fail; return 0; }
	for kind in 'loop recover' 'ramdisk recover' 'loop respawn --respawn' 'ramdisk respawn --respawn'; do
		# shellcheck disable=SC2086
		set -- $kind
		data "$1"
		add_device "${target[@]}" --recovery fail "${@:3}"
		rm -f "$tmp/log" "$tmp/windows"
		insisting
		for ((i = 0; i < few; i++)); do
			pid=$(handler)
			printf '%s ' "$EPOCHREALTIME" >>"$tmp/windows"
			kill -KILL "$pid"
			if [[ $2 == recover ]]; then sleep 0.3; fi
			lives_again "$2"
			printf '%s\n' "$EPOCHREALTIME" >>"$tmp/windows"
			sleep 0.6
		done
		insisted
		grep -q Input/output "$tmp/failures" || grep -q 'Remote I/O' "$tmp/failures"
		awk 'FNR == NR { from[NR] = $1; to[NR] = $2; n = NR; next }
			/error/ { for (i = 1; i <= n && !($1 >= from[i] && $1 <= to[i]); i++); if (i > n) { print; bad = 1 } }
			END { exit bad }' "$tmp/windows" "$tmp/failures"
		ublkctl del "$id"
	done
}

# --- deaths in the middle of a recovery ---

# Whatever is left can be recovered or, where it says that it cannot, deleted
recovery_killed() {
	local recover i
	"$UBLKCTL" recover "$id" >"$tmp/out" 2>&1 3>&- &
	recover=$!
	sleep "$1"
	pkill -KILL -f "^$UBLKCTL recover" || true
	wait "$recover" || true
	if timeout -k 5 40 "$UBLKCTL" recover "$id" >"$tmp/out" 2>&1 || grep -q 'is being served by' "$tmp/out"; then
		if reads "$dev"; then recoverable=$((recoverable + 1)); return 0; fi
	fi
	grep -c '' "$tmp/out"
	grep -q '^ublkctl: recover: ' "$tmp/out"
	within 30 ublkctl del "$id"
	deleted=$((deleted + 1))
	add_device "${target[@]}" -q "$queues" --recovery reissue
}

@test "kill -9 of recover at moments of all its time: recoverable or deletable" {
	local i begun long recoverable=0 deleted=0 queues moments
	moments=$(rounds 10)
	for queues in 1 2; do
		data loop
		add_device "${target[@]}" -q "$queues" --recovery reissue
		lost_handler QUIESCED
		begun=${EPOCHREALTIME/./}
		recovered
		long=$((${EPOCHREALTIME/./} - begun))
		for ((i = 0; i < moments; i++)); do
			kill_handler
			recovery_killed "$(printf '%d.%06d' $((long * i * 5 / 4 / moments / 1000000)) $((long * i * 5 / 4 / moments % 1000000)))"
		done
		ublkctl del "$id"
	done
	echo "# $recoverable recovered, $deleted deleted"
}
