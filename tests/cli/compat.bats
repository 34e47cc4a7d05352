#!/usr/bin/env bats
# The program by the name `ublk`: the grammar and the list of the older tool. What is expected here is from that tool's
# manual and from the scripts that take its output apart, and not from what this program prints.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # tmp, out, status ... are set by helpers
load helpers

ublk() {
	[[ -L $tmp/ublk ]] || ln -s "$program" "$tmp/ublk"
	timeout -k 5 30 "$tmp/ublk" "$@"
}

# called ARGUMENT...: sets status, out and err
called() {
	status=0
	ublk "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	took_in
}

# done_by ARGUMENT...: it must succeed and have nothing to say on stderr
done_by() {
	called "$@"
	if ((status)) || [[ $err ]]; then complain "it did not work: $*"; fi
}

# fails STATUS MESSAGE ARGUMENT...: with this one line, and nothing has changed
fails() {
	local code=$1 message=$2 before
	shift 2
	before=$(everything)
	called "$@"
	((status == code)) || complain "not status $code: $*" || return
	[[ ! $out ]] || complain "something on stdout: $*" || return
	# shellcheck disable=SC2053
	[[ $err == "ublk: "$message && $err != *$'\n'* ]] || complain "not this one line: ublk: $message" || return
	wait_until 10 unchanged "$before"
}

# --- what scripts do: the same expressions as in blktests, the kernel's selftests and the older tool's own tests ---

state_of() { ublk list -n "$1" | grep "state" | awk '{print $11}'; }
pid_of() { ublk list -n "$1" | grep "pid" | awk '{print $7}'; }
tid_of() { ublk list -n "$1" | grep "queue $2" | awk '{print $4}'; }
id_of() { grep "dev id" <<<"$1" | awk -F '[ :]' '{print $3}'; }
backing_file() { ublk list | grep "loop" | awk '{print $2}' | awk -F "," '{print $1}' | awk -F ":" '{print $2}' | xargs; }
has_feature() { ublk features | grep "$1" >/dev/null 2>&1; }

# laid_out QUEUES DEPTH SECTORS MAX STATE TARGET: $out is one device of ours, as the older tool lays it out
laid_out() {
	local qid pattern
	pattern="^dev id [0-9]+: nr_hw_queues $1 queue_depth $2 block size (512|4096) dev_capacity $3"$'\n'
	pattern+=$'\t'"max rq size $4 daemon pid -?[0-9]+ flags 0x[0-9a-f]+ state $5"$'\n'
	pattern+=$'\t'"ublkc: [0-9]+:[0-9]+ ublkb: [0-9]+:[0-9]+ owner: [0-9]+:[0-9]+"$'\n'
	for ((qid = 0; qid < $1; qid++)); do pattern+=$'\t'"queue $qid: tid [0-9]+ affinity\(([0-9]+ )+\)"$'\n'; done
	pattern+=$'\t'"target $6\$"
	[[ $out =~ $pattern ]] || complain "not of this form: $pattern"
}
null_target='\{"dev_size":268435456000,"name":"null","type":0\}'
loop_target() { echo "\\{\"backing_file\":\"$tmp/work/$1\",\"dev_size\":$2,\"name\":\"loop\",\"offset\":$3,\"type\":0\\}"; }

# --- add and list ---

@test "add: the device that was made, in the older layout" {
	done_by add -t null
	laid_out 1 128 524288000 524288 LIVE "$null_target"
	same "$(id_of "$out")" 0
	same "$(state_of 0)" LIVE
	same "$(pid_of 0)" "$(shown .pid)"
	same "$(tid_of 0 0)" "$(shown '.threads[0].tid')"
	done_by list -n 0
	laid_out 1 128 524288000 524288 LIVE "$null_target"
	truncate -s 10M image
	done_by add -t loop -f image -n 7 -q 2 -d 64 --max_io_buf_bytes 65536
	laid_out 2 64 20480 65536 LIVE "$(loop_target image 10485760 0)"
	same "$(id_of "$out")" 7
	same "$(tid_of 7 1)" "$(shown '.threads[1].tid' 7)"
	same "$(backing_file)" "$tmp/work/image"
}

@test "add: long options, and the other ways to say it" {
	truncate -s 4M image
	done_by add --type loop --file image --number 3 --queues 2 --depth 32
	same "$(shown '"\(.target) \(.nr_queues) \(.queue_depth) \(.backing)"' 3)" "loop 2 32 $tmp/work/image"
	done_by del --number 3
	done_by add --type=loop --file=image --number=3 --queue=2 --depth=32
	same "$(shown '"\(.nr_queues) \(.queue_depth)"' 3)" "2 32"
	done_by del -n3
	done_by add loop -f image -q2
	same "$(shown .backing)" "$tmp/work/image"
	done_by del -a
	done_by add -t loop image
	same "$(shown .backing)" "$tmp/work/image"
	done_by add -t null -n -1
	same "$(id_of "$out")" 1
}

@test "add: recovery, by one flag or number each" {
	local said
	while read -r want said; do
		# shellcheck disable=SC2086
		done_by add -t null -n 0 $said
		same "$(shown .recovery)" "$want" "$said"
		done_by del -n 0
	done <<-END
		none -r 0
		none -r 0 -i 0 -e 0
		queue -r
		queue -r 1
		queue -r1
		queue --user_recovery 1
		queue --user_recovery=1
		queue --recovery 1
		reissue -r 1 -i 1
		reissue -i 1
		reissue -r -i
		reissue --user_recovery_reissue 1
		reissue --recovery_reissue 1
		fail -r 1 -e 1
		fail -e 1
		fail --user_recovery_fail_io 1
		fail --recovery_fail_io 1
	END
	fails 2 "add: -i and -e exclude each other: *" add -t null -i 1 -e 1
	fails 2 "add: -r: 'x' is neither 0 nor 1 (see 'ublk help')" add -t null -rx
}

@test "add: what is behind a loop device" {
	truncate -s 4M image
	done_by add -t loop -f image --buffered_io -o 2048
	laid_out 1 128 6144 524288 LIVE \
		"\\{\"backing_file\":\"$tmp/work/image\",\"dev_size\":3145728,\"direct_io\":0,\"name\":\"loop\",\"offset\":2048,\"type\":0\\}"
	done_by del -a
	done_by add -t loop -f image --offset 8
	laid_out 1 128 8184 524288 LIVE "$(loop_target image 4190208 8)"
}

@test "add: data paths and threads" {
	truncate -s 4M image
	done_by add -t loop -f image --usercopy
	same "$(shown '"\(.data_path) \(.data_path_by)"')" "user-copy request"
	done_by del -a
	done_by add -t null --user_copy -T 2
	same "$(shown '"\(.data_path) \(.threads | length)"')" "user-copy 2"
	done_by del -a
	# The model's driver has no zero copy. Nobody gets another path instead.
	fails 3 "add: *zero-copy*" add -t loop -f image -z
	fails 3 "add: *zero-copy*" add -t loop -f image --zerocopy
	fails 3 "add: *zero-copy*" add -t loop -f image --zero_copy
	fails 2 "add: -z and --usercopy exclude each other *" add -t null -z --usercopy
}

@test "add: what only concerns driver and handler changes nothing, and is taken" {
	done_by add -t null -g 1 -u 1 -n 0
	done_by add -t null -g -n 1
	done_by add -t null --need_get_data 0 --uring_comp 1 --get_data --debug_mask=0x1 --quiet -n 2
	same "$(shown '"\(.data_path_by) \(.recovery)"' 2)" "auto none"
}

@test "add: more queues than CPUs, or too deep, is what the driver gives" {
	mkdir -p "$root/sys/devices/system/cpu"
	echo 0-1 >"$root/sys/devices/system/cpu/possible"
	done_by add -t null -q 16 -d 5000
	laid_out 2 4096 524288000 524288 LIVE "$null_target"
	rm -r "$root/sys/devices"
}

@test "add: one device for a file" {
	truncate -s 4M image
	done_by add -t loop -f image
	fails 7 "add: image is in use: *" add -t loop -f image
}

@test "the man page has no option that is not taken" {
	local option
	local -a options
	mapfile -t options < <(sed -n '/^## add/,/^## list/p' "$top/man/ublk.8.scd" | grep '^\*-' | grep -oE -e '--?[a-zA-Z_]+')
	((${#options[@]} > 30))
	for option in "${options[@]}"; do
		called add -t null -n x "$option"
		if [[ $err == *unknown* ]]; then complain "$option" || return; fi
	done
}

@test "add --unprivileged: of a plain user; root does without" {
	done_by add -t null --unprivileged
	same "$(listed 'map(.unprivileged) | first | tostring')" false
	done_by del -n 0
	export UBLKCTL_MODEL_UID=1001 XDG_RUNTIME_DIR=$tmp/user
	mkdir -m 700 "$tmp/user"
	done_by add -t null --unprivileged
	[[ $out == *' owner: 1001:1001'$'\n'* ]]
	done_by del -n 0
	unset UBLKCTL_MODEL_UID
}

@test "add --foreground: told of by the server itself, which ends by a signal" {
	local server
	ublk add -t null --foreground >"$tmp/told" 2>"$tmp/err" &
	server=$!
	wait_until 10 grep -q target "$tmp/told"
	out=$(<"$tmp/told")
	laid_out 1 128 524288000 524288 LIVE "$null_target"
	kill "$(pid_of 0)"
	wait "$server"
	done_by list
	same "$out" ''
}

@test "add: nothing is left when it cannot be told of" {
	local before
	before=$(everything)
	status=0
	ublk add -t null >/dev/full 2>"$tmp/err" || status=$?
	same "$status $(<"$tmp/err")" "1 ublk: add: cannot write to standard output"
	wait_until 10 unchanged "$before"
	status=0
	{ ublk add -t null 2>"$tmp/err" || echo "$?" >"$tmp/status"; } | exec true
	wait_until 10 test -s "$tmp/status"
	same "$(<"$tmp/status") $(<"$tmp/err")" "1 ublk: add: cannot write to standard output"
	wait_until 10 unchanged "$before"
}

@test "add: refused" {
	fails 2 "add: no type: say -t null or -t loop (see 'ublk help')" add
	fails 2 "add: no type: say -t null or -t loop (see 'ublk help')" add -n 1
	fails 2 "add: there is no type 'nbd' here, only null and loop; *" add -t nbd --unix /x
	fails 2 "add: there is no type 'ramdisk' here, only null and loop; *" add ramdisk
	fails 2 "add: target loop needs --file: *" add -t loop
	fails 1 "add: /nonexistent: No such file or directory; *" add -t loop -f /nonexistent
	fails 2 "add: unexpected argument 'x' (see 'ublk help')" add -t null x
	fails 2 "add: unknown option '-x' (see 'ublk help')" add -t null -x
	fails 2 "add: unknown option '--recovery-mode' (see 'ublk help')" add -t null --recovery-mode
	fails 2 "add: option '-n' needs an argument (see 'ublk help')" add -t null -n
	fails 2 "add: -n: 'x' is not a whole number *" add -t null -n x
	fails 2 "add: -q: 'x' is not a whole number *" add -t null -q x
	fails 2 "add: -d: '0' is out of range*" add -t null -d 0
	fails 2 "add: --max-io-size: *" add -t null --max_io_buf_bytes 5000
	fails 2 "add: --threads: *" add -t null -T 0
	fails 2 "add: --offset: 'x' is not a whole number *" add -t loop -f x -o x
	fails 2 "add: option --direct-io belongs to target loop, not to null *" add -t null --buffered_io
	fails 2 "add: --batch-io is not done here; *" add -t null --batch-io
	fails 2 "add: --batch-io is not done here; *" add -t null -b
	fails 2 "add: --seq_tags is not done here; *" add -t null -S
	fails 2 "add: memory shared with clients is not done here; *" add -t null --shmem_zc
	fails 2 "add: memory shared with clients is not done here; *" add -t null --htlb /x
	UBLKCTL_MODEL_DRIVER=missing fails 5 "add: *" add -t null
	done_by add -t null -n 0
	fails 8 "add: ADD_DEV for device 0: the id is taken; *" add -t null -n 0
}

@test "list: all in order, one, none" {
	local before
	done_by list
	same "$out" ''
	done_by add -t null -n 12
	done_by add -t null -n 3
	done_by list
	same "$(id_of "$out" | xargs)" "3 12"
	done_by list -a
	same "$(id_of "$out" | xargs)" "3 12"
	done_by list -n 12
	same "$(id_of "$out")" 12
	# Each of the words is in one line, whatever else a device has.
	same "$(grep -c state <<<"$out") $(grep -c pid <<<"$out") $(grep -c 'queue 0' <<<"$out")" "1 1 1"
	fails 6 "list: device 4 does not exist; *" list -n 4
	fails 2 "list: -n: 'x' is not a whole number *" list -n x
	fails 2 "list: option '-n' needs an argument *" list -n
	fails 2 "list: unknown option '-q' *" list -q 1
	fails 2 "list: unknown option '--async' *" list --async
	fails 2 "list: unexpected argument '3' *" list 3
}

@test "list -v: the same as JSON, by the older names" {
	truncate -s 4M image
	done_by add -t loop -f image -q 2 -r 1
	done_by list -v
	same "$(command jq -r 'keys_unsorted | join(" ")' <<<"$out")" "dev_info params queues target"
	same "$(jq -r '.dev_info | "\(.dev_id) \(.nr_hw_queues) \(.queue_depth) \(.max_io_buf_bytes) \(.state)"' <<<"$out")" "0 2 128 524288 1"
	same "$(jq -r '.dev_info.ublksrv_pid' <<<"$out")" "$(pid_of 0)"
	same "$(jq -r '.dev_info.flags' <<<"$out")" "$(($(ublk list -n 0 | grep flags | awk '{print $9}')))"
	same "$(jq -r '.params.basic.dev_sectors' <<<"$out")" 8192
	same "$(jq -r '.queues["1"] | "\(.qid) \(.tid)"' <<<"$out")" "1 $(tid_of 0 1)"
	same "$(jq -r '.target | "\(.name) \(.backing_file) \(.dev_size)"' <<<"$out")" "loop $tmp/work/image 4194304"
	done_by list -n 0 --verbose
	same "$(jq -r '.dev_info.dev_id' <<<"$out")" 0
}

@test "list: of a device of another program, what the driver knows" {
	local lines
	done_by add -t null
	mv "$root/run/0.json" "$tmp/record"
	done_by list
	lines=$out
	same "$(wc -l <<<"$out")" 3
	same "$(state_of 0)" LIVE
	done_by list -v
	same "$out" "$lines"
	mv "$tmp/record" "$root/run/0.json"
}

# --- recover and del ---

@test "kill -9 of the daemon pid, recover: LIVE again" {
	local pid
	truncate -s 4M image
	done_by add -t loop -f image -n 2 -r 1 -q 2
	pid=$(pid_of 2)
	kill -9 "$pid"
	quiesced() { [[ $(state_of 2) == QUIESCED ]]; }
	wait_until 10 quiesced
	done_by list -n 2
	laid_out 2 128 8192 524288 QUIESCED "$(loop_target image 4194304 0)"
	same "$(pid_of 2)" -1
	done_by recover -n 2
	laid_out 2 128 8192 524288 LIVE "$(loop_target image 4194304 0)"
	[[ $(pid_of 2) != "$pid" ]]
	# In this family some want all of it once more.
	kill -9 "$(pid_of 2)"
	wait_until 10 quiesced
	done_by recover -t loop -f "$tmp/work/image" -n 2 -r 1 -q 2 -d 128
	same "$(state_of 2)" LIVE
}

@test "without a server: the state by the driver's name" {
	done_by add -t null -e 1
	kill -9 "$(pid_of 0)"
	failing() { [[ $(state_of 0) == FAIL_IO ]]; }
	wait_until 10 failing
	done_by recover -n 0
	done_by del -n 0
	done_by add -t null
	kill -9 "$(pid_of 0)"
	dead() { [[ $(state_of 0) == DEAD ]]; }
	wait_until 10 dead
	done_by list
	same "$(id_of "$out")" 0
}

@test "recover: refused" {
	fails 2 "recover: no device: say -n ID (see 'ublk help')" recover
	fails 6 "recover: device 5 does not exist; *" recover -n 5
	fails 2 "recover: --foreground goes with add only (see 'ublk help')" recover -n 5 --foreground
	fails 2 "recover: -n: 'x' is not a whole number *" recover -n x
	done_by add -t null
	fails 1 "recover: *" recover -n 0
}

@test "del: one, all, and what is not there" {
	done_by add -t null
	done_by del -n 0
	same "$out" ''
	# As scripts that clean up want it: it is said, and is no failure.
	fails 0 "del: device 0 does not exist; *" del -n 0
	done_by add -t null -n 1
	done_by add -t null -n 300
	done_by del -n 1 -a
	done_by list
	same "$(id_of "$out")" 300
	done_by add -t null -n 2
	done_by del --all
	done_by del -a
	done_by list
	same "$out" ''
	done_by add -t null -n 2
	done_by del -n 2 --async
	wait_until 10 nothing_left
	fails 2 "del: no device: say -n ID, or -a for all (see 'ublk help')" del
	fails 2 "del: unexpected argument '0' *" del 0
	fails 2 "del: unknown option '-v' *" del -v
	fails 2 "del: unknown option '--verbose' *" del --verbose
	UBLKCTL_MODEL_DRIVER=missing fails 5 "del: *" del -n 0
}

# --- the rest ---

@test "features: the driver's, by the older names" {
	done_by features
	same "$(head -n 1 <<<"$out")" "ublk_drv features: 0x$(printf %x "$(ublkctl features --json | jq '[.features[] | select(.driver) | pow(2; .bit)] | add')")"
	[[ $out == *$'\n\tUSER_RECOVERY       : 0x8\n'* ]]
	for name in GET_DATA RECOVERY_REISSUE UNPRIVILEGED_DEV CMD_IOCTL_ENCODE USER_COPY RECOVERY_FAIL_IO UPDATE_SIZE; do
		has_feature "$name"
	done
	if has_feature ZERO_COPY; then return 1; fi
	old_driver
	if has_feature UPDATE_SIZE; then return 1; fi
	fails 2 "features: unexpected argument '-v' *" features -v
}

@test "help, version, and what is no command" {
	local word
	for word in help -h --help; do
		done_by "$word"
		for name in add del list recover features; do grep -qE "^  $name( |$)" <<<"$out"; done
	done
	for word in --version -v; do
		done_by "$word"
		[[ $out == ublk*"$(ublkctl --version)"* ]]
	done
	fails 2 "no command given (see 'ublk help')"
	fails 2 "'show' is not a command (see 'ublk help')" show
	fails 2 "set_affinity: it is not done here for one queue; *" set_affinity -n 0 -q 0 --cpuset '[0]'
}

@test "only by that name, and ublkctl knows nothing of it" {
	ln -s "$program" "$tmp/ublk2"
	ln -s "$program" "$tmp/myublk"
	status=0
	"$tmp/ublk2" add -t null -r 1 2>"$tmp/err" || status=$?
	same "$status" 2
	status=0
	"$tmp/myublk" list -v 2>"$tmp/err" || status=$?
	same "$status" 2
	works --help
	[[ $out != *'ublk '* && $out != *'ublk('* ]]
	refused 2 "add: unknown option '-r'*" add -t null -r 1
	refused 2 "list: unknown option '-v'*" list -v
}

@test "the install makes the link, below DESTDIR, and has it in its manifest" {
	local link
	DESTDIR=$tmp/installed cmake --install "$BUILD" >/dev/null
	link=$(find "$tmp/installed" -name ublk)
	same "$(readlink "$link")" ublkctl
	same "$("$link" --version)" "ublk ($(ublkctl --version))"
	grep -qx "${link#"$tmp/installed"}" "$BUILD/install_manifest.txt"
}
