#!/usr/bin/env bats
# /etc/ublktab, up and down, on the model.
# shellcheck disable=SC2020,SC2030,SC2031,SC2034,SC2154  # tr's sets; tmp, root, out ... are set by helpers
load helpers

tab() { mkdir -p "$root/etc"; printf '%s\n' "$@" >"$root/etc/ublktab"; }
state_is() { [[ $(listed ".[] | select(.name == \"$1\").state") == "$2" ]]; }
of_line() { listed ".[] | select(.name == \"$1\").$2"; }
# dead NAME STATE: kills its handler, and waits for the state
dead() { kill -9 "$(of_line "$1" pid)"; wait_until 10 state_is "$1" "$2"; }
# steps: of the JSON in $out, a line each
steps() { jq -r '.steps[] | "\(.name) \(.action) \(.status): \(.why)"' <<<"$out"; }
# same_steps TEXT: those of up --diff are these, and nothing has changed
same_steps() {
	local before
	before=$(everything)
	works up --diff --json
	same "$(steps)" "$1"
	unchanged "$before"
}
# fails STATUS LINE...: and these are the lines on stderr, in this order
fails() {
	((status == $1)) || complain "not status $1" || return
	same "$err" "$(printf 'ublkctl: %s\n' "${@:2}")"
}

# --- the file ---

# error COLUMN TEXT LINE: what check says of a file with this line, which is the second one
error() {
	tab '# NAME TARGET SOURCE OPTIONS' "$3"
	invoke ublktab check
	fails 2 "ublktab: $root/etc/ublktab:2:$1: $2"
}

@test "ublktab: what is right in a line" {
	tab '' '# a comment' $' \t# another' 'a null' 'b-1._x  null	-	-' 'c ramdisk none size=1G,recovery=reissue,respawn' \
		'd loop /a\040b\134c\054d direct-io=on,offset=4K,size-limit=1M,share' \
		'e null - id=7,queues=2,threads=2,depth=4,cpus=0-3\0546,data-path=user-copy,read-only,logical-block-size=4K' \
		'f null - noauto,nofail,_netdev,x-initrd.attach,x-systemd.whatever=1' 'g loop /new none'
	works ublktab check
	same "$out" ''
	works ublktab list --json
	same "$(jq -r '.lines[] | [.line, .name, .target, .source, .options, .broken] | join("|")' <<<"$out")" \
		'4|a|null|||false
5|b-1._x|null|||false
6|c|ramdisk||size=1G,recovery=reissue,respawn|false
7|d|loop|/a b\c,d|direct-io=on,offset=4K,size-limit=1M,share|false
8|e|null||id=7,queues=2,threads=2,depth=4,cpus=0-3\0546,data-path=user-copy,read-only,logical-block-size=4K|false
9|f|null||noauto,nofail,_netdev,x-initrd.attach,x-systemd.whatever=1|false
10|g|loop|/new||false'
	same "$(jq -c '.lines[5] | [.noauto, .nofail, .netdev, .initrd_attach]' <<<"$out")" '[true,true,true,true]'
	same "$(jq -c '.lines[4] | [.noauto, .nofail, .netdev, .initrd_attach]' <<<"$out")" '[false,false,false,false]'
	works ublktab list
	same "$(head -n 2 <<<"$out" | tr -s ' ' | sed 's/ $//')" $'NAME TARGET SOURCE OPTIONS\na null'
}
@test "ublktab: what is wrong in a line" {
	error 1 "--name: '1' is not a letter and then up to 62 letters, digits, dots, dashes and underlines, or is like a node's name" '1 null'
	error 2 'there is no target: the fields are NAME TARGET SOURCE OPTIONS' a
	error 3 "there is no target 'floppy'; 'ublkctl targets' lists them" 'a floppy'
	error 3 'target loop needs a source, the third field: a regular file or block device' 'a loop'
	error 8 'target loop needs a source, the third field: a regular file or block device' 'a loop - share'
	error 8 'target null has no source; write -' 'a null /dev/sda'
	error 8 "'img' is no absolute path" 'a loop img'
	error 8 "'./img' is no absolute path" 'a loop ./img'
	error 10 'a backslash is written as \134, and begins an octal number else' 'a loop /i\mg'
	error 10 'a backslash is written as \134, and begins an octal number else' 'a loop /i\000'
	error 19 'a comment has a line of its own' 'a null - queues=2 # two'
	error 12 'there are more than four fields; a blank within one is written as \040' 'a null - - x'
	error 7 'byte 0x0d is no text; in a name it is written as a backslash and three octal digits' $'a null\r'
	error 10 "--queues: 'x' is not a whole number from 1 to 4096" 'a null - queues=x'
	error 20 "--depth: '0' is out of range; give a number from 1 to 4096" 'a null - read-only,depth=0'
	error 19 'queues is given twice' 'a null - queues=1,queues=2'
	error 10 'queues needs a value: queues=COUNT' 'a null - queues'
	error 10 'read-only takes no value' 'a null - read-only=1'
	error 10 "unknown option '--frob'" 'a null - frob=1'
	error 10 'option --huge-pages belongs to target ramdisk, not to null' 'a null - huge-pages'
	error 20 'there is a comma too many' 'a null - read-only,'
	error 17 "'mem' is no absolute path" 'a loop /x share,shared-memory=mem'
	error 10 '--respawn needs a device that outlives its handler: add --recovery reissue, queue or fail' 'a null - respawn'
	error 10 '--threads: 3 are more than the 2 requests of a queue (--depth)' 'a null - threads=3,depth=2'
	error 11 '--size goes with --create; --size-limit uses a part of a file' 'a loop /x size=1M'
	error 10 '--size: 1000 is not a multiple of the block size 512' 'a null - size=1000'
	error 3 'target ramdisk needs --size' 'a ramdisk'
	error 10 '--physical-block-size: 512 is less than the logical block size 4096' 'a null - physical-block-size=512,logical-block-size=4096'
}
@test "ublktab: options of add that do not belong into it" {
	error 10 'name does not belong here: it is the first field' 'a null - name=b'
	error 10 'target does not belong here: it is the second field' 'a null - target=null'
	error 11 'file does not belong here: it is the source, the third field' 'a loop /x file=/y'
	error 11 "create does not belong here: at boot an empty file would stand in for one that is missing; make it once, with 'ublkctl add --create'" 'a loop /x create'
	error 10 "foreground does not belong here: 'ublkctl up --foreground' says so" 'a null - foreground'
	error 10 "unprivileged does not belong here: the devices of this file are root's" 'a null - unprivileged'
	error 10 "if-absent does not belong here: 'ublkctl up' leaves alone what is there" 'a null - if-absent'
	error 10 "json does not belong here: it is for a command's output" 'a null - json'
	error 10 'timeout does not belong here: it is for a command' 'a null - timeout=1'
	error 10 'dry-run does not belong here: it is for a command' 'a null - dry-run'
}
# Whatever options there will be: each is taken, or refused with a reason, and not unknown.
@test "ublktab: each option of add and of the targets is known" {
	local target option
	for target in null loop ramdisk; do
		works add -t "$target" --help
		grep -oE -e '^ +(-., )?--[a-z-]+' <<<"$out" | sed 's/.*--//' >"$tmp/options"
		[[ $(wc -l <"$tmp/options") -ge 20 ]]
		while read -r option; do
			tab "a $target - $option"
			invoke ublktab check
			[[ $err != *unknown* ]] || complain "unknown: $option" || return
		done <"$tmp/options"
	done
}
@test "ublktab: all errors of a file, and lines that contradict each other" {
	tab 'a null - queues=x,frob' 'b null - id=3' 'a null' 'c null - id=3,depth=1' 'd'
	invoke ublktab check
	[[ ! $out ]]
	fails 2 "ublktab: $root/etc/ublktab:1:10: --queues: 'x' is not a whole number from 1 to 4096" \
		"ublktab: $root/etc/ublktab:1:19: unknown option '--frob'" \
		"ublktab: $root/etc/ublktab:3:1: line 1 has the same name" \
		"ublktab: $root/etc/ublktab:4:10: line 2 has the same id" \
		"ublktab: $root/etc/ublktab:5:2: there is no target: the fields are NAME TARGET SOURCE OPTIONS"
	invoke ublktab check --json
	fails 2 "ublktab: $root/etc/ublktab: errors: 5"
	same "$(jq -r '.errors[] | "\(.line) \(.column)"' <<<"$out" | xargs)" '1 10 1 19 3 1 4 10 5 2'
	same "$(jq -r .file <<<"$out")" "$root/etc/ublktab"
	invoke ublktab list
	same "$status $(wc -l <<<"$out") $(wc -l <<<"$err")" '2 6 5'
	# Each of these contradicts another line, and it cannot be known which one is meant.
	local name
	for name in a b c d; do
		invoke up "$name"
		same "$status" 2
	done
	nothing_left
}
@test "ublktab: no file, no regular file, one too large" {
	refused 1 "ublktab: $root/etc/ublktab does not exist; ublktab(5) tells what it has to say" ublktab check
	refused 1 "up: $root/etc/ublktab does not exist; ublktab(5) tells what it has to say" up --all
	refused 1 "ublktab: $PWD: it is no regular file; name another" ublktab check --file "$PWD"
	mkfifo fifo
	refused 1 'ublktab: fifo: it is no regular file; name another' ublktab list -f fifo
	truncate -s 1048577 large
	refused 1 'ublktab: large: it is larger than 1M; name another' ublktab check -f large
	tab 'a null'
	: >"$root/etc/ublktab"
	works ublktab check
	works ublktab list
	works up --all
	works ublktab check --json
	jq -e '.errors == []' <<<"$out"
}
@test "ublktab: no newline at the end, and long lines" {
	tab a
	printf 'a null' >"$root/etc/ublktab"
	works ublktab check
	printf 'a null\nb nul' >"$root/etc/ublktab"
	invoke ublktab check
	fails 2 "ublktab: $root/etc/ublktab:2:3: there is no target 'nul'; 'ublkctl targets' lists them"
	tab "a null - $(printf 'x-%0100000d' 0)"
	works ublktab check
	tab "a loop /$(printf '%05000d' 0)"
	invoke ublktab check
	fails 2 "ublktab: $root/etc/ublktab:1:8: --file: the name is too long"
	tab "$(printf '%0100000d' 0) null" "b null - $(printf ',%.0s' {1..30000})"
	invoke ublktab check
	same "$status" 2
	same "$(wc -l <<<"$err")" 100
	[[ $(wc -L <<<"$err") -lt 1100 ]]
}
@test "ublktab: too many lines" {
	tab "$(seq -f 'a%g null' 4096)"
	works ublktab check
	echo 'b null' >>"$root/etc/ublktab"
	invoke ublktab check
	fails 2 "ublktab: $root/etc/ublktab:4097:1: more than 4096 devices are too many"
}
# Bytes that mean something here, in any order: whatever it says, it says it in lines, and soon.
@test "ublktab: nonsense" {
	local i
	tab x
	for i in {1..60}; do
		case $((i % 3)) in
		0) head -c 5000 /dev/urandom ;;
		1) head -c 20000 /dev/urandom | tr -cd 'a\n ,=\\017#-' ;;
		2) head -c 3000 /dev/urandom | tr -cd 'aenqsu,=0-9\n' | sed 's/^/a null - /; s/a/queues=/g; s/e/cpus=/g' ;;
		esac >"$root/etc/ublktab"
		invoke ublktab check
		[[ $status == [02] && ! $out ]] || complain "round $i" || return
		! grep -vE "^ublkctl: ublktab: $root/etc/ublktab:[0-9]+:[0-9]+: " <<<"${err:-ublkctl: ublktab: $root/etc/ublktab:0:0: }" >&2 || return
		invoke up --all
		[[ $status == [02] ]]
		ublkctl del --all
	done
}

# --- up ---

three_lines() {
	truncate -s 2M "$tmp/img"
	tab "disk loop $tmp/img queues=2,recovery=reissue" 'ram ramdisk - size=1M' 'spare null - noauto,depth=4'
}

@test "up --all, again, and down" {
	three_lines
	same_steps 'disk add null: it is not there
ram add null: it is not there
spare none null: noauto'
	works up --all
	same "$out" ''
	same "$(listed 'map("\(.name) \(.target) \(.state)") | join(", ")')" 'disk loop LIVE, ram ramdisk LIVE'
	same "$(listed '.[0].queues')" 2
	everything >"$tmp/before"
	works up --all
	same "$out" ''
	unchanged "$(<"$tmp/before")"
	works up --all --json
	same "$(steps)" $'disk none 0: it is there\nram none 0: it is there'
	works up spare disk
	same "$(of_line spare depth)" 4
	works add -t null --name other
	works add -t null
	same_steps "disk none null: it is there
ram none null: it is there
spare none null: it is there
other none null: no line of $root/etc/ublktab has this name"
	works down --all --dry-run --json
	same "$(steps)" $'spare del null: it is there\nram del null: it is there\ndisk del null: it is there'
	works down ram
	works down ram
	works down --all --json
	same "$(steps)" $'spare del 0: it is there\nram none 0: it is not there\ndisk del 0: it is there'
	same "$(listed 'map(.name) | tostring')" '["other",null]'
	works down --all
}
@test "up: a table for people" {
	three_lines
	works up ram
	works up --dry-run
	same "$(tr -s ' ' <<<"$out" | sed 's/ $//')" "NAME DEVICE ACTION WHY
disk add it is not there
ram $root/dev/ublkb0 none it is there
spare none noauto"
	works up --diff spare
	same "$(tail -n 1 <<<"$out" | tr -s ' ')" 'spare add it is not there'
}
@test "up: a device that has lost its handler, or was stopped" {
	three_lines
	works up --all
	dead disk QUIESCED
	dead ram DEAD
	works up spare
	works stop spare
	same_steps 'disk recover null: it is QUIESCED, without a handler
ram remake null: its handler is dead, and it cannot be started again
spare none null: noauto'
	works up --all
	works up spare
	same "$(listed 'map("\(.name) \(.state)") | sort | join(", ")')" 'disk LIVE, ram LIVE, spare LIVE'
	tab 'disk null - recovery=fail'
	works down --all
	works up disk
	dead disk FAIL_IO
	works up disk --json
	same "$(steps)" 'disk recover 0: it is FAIL_IO, without a handler'
}
@test "up: at once after the handler was killed" {
	local i
	three_lines
	works up --all
	for i in {1..5}; do
		kill -9 "$(of_line disk pid)" "$(of_line ram pid)"
		works up --all
		same "$(listed 'map(.state) | tostring')" '["LIVE","LIVE"]'
	done
}
@test "up: there, and different" {
	three_lines
	works up --all
	sed -i 's/queues=2/queues=1/; s/size=1M/size=2048K/' "$root/etc/ublktab"
	invoke up --all
	fails 8 "up: device 0 ($root/dev/ublkb0) is there, but with --queues 2, not 1; delete it, or leave it as it is" \
		"up: device 1 ($root/dev/ublkb1) is there, but with --size 1M, not 2048K; delete it, or leave it as it is"
	same_steps "disk differs null: device 0 ($root/dev/ublkb0) is there, but with --queues 2, not 1; delete it, or leave it as it is
ram differs null: device 1 ($root/dev/ublkb1) is there, but with --size 1M, not 2048K; delete it, or leave it as it is
spare none null: noauto"
	# What is out of service comes back as it was, and then is told of.
	dead disk QUIESCED
	invoke up disk
	fails 8 "up: device 0 ($root/dev/ublkb0) is there, but with --queues 2, not 1; delete it, or leave it as it is"
	same "$(of_line disk state)" LIVE
	sed -i 's/ramdisk - size=2048K/null/' "$root/etc/ublktab"
	refused 8 "up: device 1 ($root/dev/ublkb1) is there, but with --target ramdisk, not null; delete it, or leave it as it is" up ram
}
@test "up --all: nothing is done where a line is broken, and a named one comes up" {
	three_lines
	printf 'bad null - frob\nworse floppy\n' >>"$root/etc/ublktab"
	invoke up --all
	fails 2 "up: $root/etc/ublktab:4:12: unknown option '--frob'" \
		"up: $root/etc/ublktab:5:7: there is no target 'floppy'; 'ublkctl targets' lists them"
	nothing_left
	invoke up --diff
	same "$status$out" 2
	works up ram disk
	invoke up bad ram
	fails 2 "up: $root/etc/ublktab:4:12: unknown option '--frob'"
	works down --all
	nothing_left
}
@test "up: the others go on, the first failure decides, nofail does not count" {
	tab 'a loop /nonexistent' 'b null - id=1048575,recovery=reissue' 'c loop /nonexistent nofail' 'd null'
	works add -t null -n 1048575
	invoke up --all --json
	[[ $status == 1 && $(wc -l <<<"$err") == 3 ]]
	same "$(jq -r '.steps[] | "\(.name) \(.action) \(.status)"' <<<"$out" | xargs)" 'a add 1 b add 8 c add 1 d add 0'
	[[ $err == *'/nonexistent: '*'; name another'* ]]
	tab 'c loop /nonexistent nofail' 'd null'
	invoke up --all
	same "$status" 0
	[[ $err == 'ublkctl: up: /nonexistent: No such file or directory; name another'* ]]
	invoke up c
	same "$status" 1
	invoke up nix d
	fails 6 "up: $root/etc/ublktab has no line 'nix'; see 'ublkctl ublktab list'"
}
@test "10 concurrent up --all: each device once" {
	local i
	three_lines
	for i in {1..10}; do
		ublkctl up --all 2>"$tmp/err.$i" &
		pids[i]=$!
	done
	for i in {1..10}; do wait "${pids[i]}" || complain "$(<"$tmp/err.$i")" || return; done
	same "$(listed 'map(.name) | sort | tostring')" '["disk","ram"]'
	kill -9 "$(of_line disk pid)"
	for i in {1..10}; do
		ublkctl up --all 2>"$tmp/err.$i" &
		pids[i]=$!
	done
	for i in {1..10}; do wait "${pids[i]}" || complain "$(<"$tmp/err.$i")" || return; done
	same "$(of_line disk state)" LIVE
}

# --- in the foreground ---

# foreground NAME: sets pid; it is up when this returns
foreground() {
	ublkctl_in_foreground up --foreground "$1"
	wait_until 10 state_is "$1" LIVE
}
ublkctl_in_foreground() {
	"$program" "$@" >"$tmp/out.fg" 2>"$tmp/err.fg" </dev/null 3>&- &
	pid=$!
}

@test "up --foreground: makes it, recovers it, starts it, and says nothing on stdout" {
	three_lines
	foreground disk
	same "$(of_line disk pid)" "$pid"
	refused 7 "up: device 0 ($root/dev/ublkb0) is being served by process $pid; that can be stopped with 'ublkctl stop 0'" \
		up --foreground disk
	works up disk
	kill -9 "$pid"
	wait_until 10 state_is disk QUIESCED
	foreground disk
	same "$(of_line disk pid)" "$pid"
	works stop disk
	wait "$pid"
	foreground disk
	same "$(of_line disk pid)" "$pid"
	kill -TERM "$pid"
	wait "$pid"
	same "$(listed length)" 0
	[[ ! -s $tmp/out.fg ]]
}
is_served_by() { [[ $(listed ".[] | select(.name == \"$1\") | .state + (.pid | tostring)") == "LIVE$2" ]]; }
@test "up --foreground: at once after kill -9, as a service manager does it" {
	local i
	three_lines
	foreground disk
	for i in {1..5}; do
		kill -9 "$pid"
		wait "$pid" || true
		ublkctl_in_foreground up --foreground disk
		wait_until 10 is_served_by disk "$pid"
	done
	# Also where it cannot be recovered
	works down disk
	foreground ram
	kill -9 "$pid"
	wait "$pid" || true
	ublkctl_in_foreground up --foreground ram
	wait_until 10 is_served_by ram "$pid"
	[[ ! -s $tmp/out.fg ]]
}
@test "up --foreground: with respawn in the line it is no difference that another sees to it" {
	tab 'a null - recovery=reissue,respawn'
	foreground a
	same "$(jq .respawn "$root/run/0.json")" false
	works up a
	same_steps 'a none null: it is there'
	kill -9 "$pid"
	wait_until 10 state_is a QUIESCED
	works up a
	same "$(jq .respawn "$root/run/0.json")" true
}
@test "up --foreground a b" { tab 'a null'; refused 2 'up: --foreground is for one NAME, without --all, --dry-run and --json'; }
@test "up --foreground --all" { tab 'a null'; refused 2 'up: --foreground is for one NAME, without --all, --dry-run and --json'; }
@test "up --foreground a --json" { tab 'a null'; refused 2 'up: --foreground is for one NAME, without --all, --dry-run and --json'; }
@test "up" { refused 2 'up: no line: give a NAME of /etc/ublktab, or --all'; }
@test "up --all a" { refused 2 'up: --all and named lines exclude each other'; }
@test "down" { refused 2 'down: no line: give a NAME of /etc/ublktab, or --all'; }
@test "down nix" { tab 'a null'; refused 6 "down: $root/etc/ublktab has no line 'nix'; see 'ublkctl ublktab list'"; }

# --- down ---

@test "down: in use, forced" {
	tab 'a null' 'b null'
	works up --all
	mkdir -p "$root/sys/block/ublkb0/holders"
	: >"$root/sys/block/ublkb0/holders/dm-7"
	invoke down --all
	one_line 7 'down: *dm-7*' || return
	same "$(listed 'map(.name) | tostring')" '["a"]'
	works down a --force
	nothing_left
}

# --- ublktab add ---

@test "ublktab add: makes the file, and the line makes the same device" {
	truncate -s 4M "$tmp/a b,c\\d"
	works add -t loop -f "$tmp/a b,c\\d" --offset 4K --direct-io off --share --name disk -q 2 --threads 2 -d 64 \
		--cpus 0,1 --recovery reissue --respawn --max-io-size 1M --logical-block-size 4K --data-path copy
	works add -t ramdisk -s 1M --read-only
	mkdir "$root/etc"
	works ublktab add disk
	invoke ublktab add 1 --name ram
	same "$status$out$err" "0ublkctl: ublktab: device 1 itself is not called ram: 'ublkctl up ram' can make that when this one is deleted"
	same "$(grep -v '^#' "$root/etc/ublktab")" "disk loop $tmp/a\\040b\\054c\\134d offset=4K,direct-io=off,share,queues=2,depth=64,max-io-size=1048576,logical-block-size=4096,recovery=reissue,threads=2,cpus=0-1,data-path=copy,respawn
ram ramdisk - size=1M,read-only"
	same "$(stat -c %a "$root/etc/ublktab")" 644
	works ublktab check
	works up disk
	works down disk
	works up disk
	works up disk
	works show disk --json
	jq -e '.nr_queues == 2 and .queue_depth == 64 and .max_io_bytes == 1048576 and .data_path == "copy"' <<<"$out"
}
@test "ublktab add: a stable link stays in the line, and not what it leads to today" {
	truncate -s 4M image
	ln -s image by-id
	mkdir "$root/etc"
	works add -t loop -f by-id --name disk
	works ublktab add disk
	grep -q "^disk loop $PWD/by-id " "$root/etc/ublktab"
}
@test "ublktab add: what it finds stays as it is" {
	tab '# mine' 'a null'
	printf 'b null' >>"$root/etc/ublktab"
	chmod 640 "$root/etc/ublktab"
	mv "$root/etc/ublktab" "$root/etc/real"
	ln -s real "$root/etc/ublktab"
	works add -t null --name c
	works ublktab add c --dry-run
	same "$out" 'c null - -'
	same "$(wc -l <"$root/etc/real")" 2
	works ublktab add c
	same "$out" ''
	same "$(<"$root/etc/real")" $'# mine\na null\nb null\nc null - -'
	same "$(stat -c %a "$root/etc/real")" 640
	[[ -L $root/etc/ublktab ]]
	same "$(cd "$root/etc" && echo *)" 'real ublktab'
	refused 8 "ublktab: $root/etc/ublktab:4: there is a line 'c' already; edit it, or choose another name" ublktab add c
	refused 8 "ublktab: $root/etc/ublktab:2: there is a line 'a' already; edit it, or choose another name" ublktab add c --name a
	invoke ublktab add c --name d --file other
	same "$status$out" 0
	same "$(tail -n 1 other)" 'd null - -'
}
@test "ublktab add: what cannot be" {
	tab 'a null'
	works add -t null
	refused 2 'ublktab: device 0 has no name: say --name NAME' ublktab add 0
	refused 1 "ublktab: device 0 cannot be described in a line: --name: '1' is not a letter and then up to 62 letters, digits, dots, dashes and underlines, or is like a node's name" \
		ublktab add 0 --name 1
	refused 6 'ublktab: device 7 does not exist*' ublktab add 7 --name x
	rm "$root/run/0.json"
	refused 1 'ublktab: there is no record of device 0, so what is behind it is not known' ublktab add 0 --name x
	same "$(<"$root/etc/ublktab")" 'a null'
}
@test "10 concurrent ublktab add: no line is lost" {
	local i pids
	works add -t null
	refused 1 "ublktab: $root/etc/ublktab cannot be written: No such file or directory" ublktab add 0 --name n
	mkdir "$root/etc"
	for i in {1..10}; do
		ublkctl ublktab add 0 --name "n$i" 3>&- &
		pids[i]=$!
	done
	for i in {1..10}; do wait "${pids[i]}"; done
	works ublktab list --json
	same "$(jq '.lines | length' <<<"$out")" 10
}
@test "ublktab" { refused 2 'ublktab: say what to do: list, check or add'; }
@test "ublktab frob" { refused 2 "ublktab: 'frob' is none of list, check, add"; }
@test "ublktab add" { refused 2 'ublktab: usage: ublkctl ublktab add DEVICE'; }
@test "ublktab check x" { refused 2 'ublktab: usage: ublkctl ublktab check'; }
@test "ublktab list --name x" { refused 2 "ublktab: 'list' takes no --name"; }
@test "ublktab check --dry-run" { refused 2 "ublktab: 'check' takes no --dry-run"; }
@test "ublktab add 0 --json" { refused 2 "ublktab: 'add' takes no --json"; }
