# shellcheck shell=bash
# shellcheck disable=SC2034  # what suites and guest use
# The verbs of the suites. A figure is a line of JSON on stdout:
#   {kernel, suite, group, name, path, auto, cell, value}
# A group is a table of things that can be compared; a name is a row, by path if it is ours; a cell is a column.
: "${UBLKCTL:?the program; guest sets it}" "${SMOKE=}"

kernel=$(uname -r)
suite='' failed=0

ublkctl() { "$UBLKCTL" "$@"; }

# --- results ---

# Diagnostics are TAP's comments, so that stdout of a failed run says what went on.
comment() { printf '# %s\n' "${*//$'\n'/$'\n# '}"; }

# passed NAME, broken NAME WHY: one line of TAP for each thing that was to be measured
passed() { printf 'ok - %s\n' "$*"; }
broken() {
	printf 'not ok - %s\n' "$1"
	comment "${2-}"
	failed=1
}

# figure GROUP NAME PATH AUTO CELL VALUE
figure() {
	printf '{"kernel":"%s","suite":"%s","group":"%s","name":"%s","path":"%s","auto":%s,"cell":"%s","value":%s}\n' \
		"$kernel" "$suite" "$@"
}

# --- fio ---

cells=(r4k w4k r64k w64k r512k w512k)
declare -A ios=([4k]=16000 [64k]=4000 [512k]=600)
warm=2000
if [[ -n $SMOKE ]]; then
	ios=([4k]=128 [64k]=32 [512k]=16)
	warm=32
fi

protocol=(--ioengine=io_uring --fixedbufs=1 --registerfiles=1 --direct=1 --norandommap --randrepeat=1 --size=384M
	--output-format=json)
deep=(--iodepth=32 --iodepth_batch_submit=8 --iodepth_batch_complete_min=1 --iodepth_batch_complete_max=32)

# job CELL NAME [IOS]: the options of fio for it, in the array jobs
job() {
	local rw=randread bs=${1#?}
	if [[ $1 == w* ]]; then rw=randwrite; fi
	jobs+=(--name="$2" --stonewall --rw="$rw" --bs="$bs" --number_ios="${3:-${ios[$bs]}}")
}

# fio_figures GROUP NAME PATH AUTO DEVICE: the row, after a warm-up that makes page tables, caches and the block layer's
# statistics what they will stay. All in one run of fio: starting it costs more than most cells.
fio_figures() {
	local device=$5 cell jobs=() out values
	job r4k warm "$warm"
	for cell in "${cells[@]}"; do job "$cell" "$cell"; done
	out=$(fio --filename="$device" "${protocol[@]}" "${deep[@]}" ${pool:+--mem=mmapshared:"$pool"} "${jobs[@]}" 2>&1) || { echo "$out"; return 1; }
	values=$(jq -r '.jobs[1:][] | if .error != 0 then error("\(.jobname): \(.error)") else
		"\(.jobname) \(.read.iops + .write.iops | floor)" end' <<<"$out" 2>&1) || { echo "$values"; return 1; }
	while read -r cell value; do figure "${@:1:4}" "$cell" "$value"; done <<<"$values"
}

# --- subjects ---

# Each measurement is a command that gets GROUP NAME PATH AUTO DEVICE and prints figures, or what went wrong.
measure=fio_figures

# row GROUP NAME DEVICE: what is not ours
row() { take "$1" "$2" '' false "$3"; }

take() {
	local out
	if out=$("$measure" "$@"); then
		printf '%s\n' "$out"
		passed "$suite: $1: $2${3:+ $3}"
	else
		broken "$suite: $1: $2${3:+ $3}" "$out"
	fi
}

# The names that --data-path takes, without auto and what wants another client: see shared().
paths() { ublkctl help --json | jq -r '.data_paths[].data_path | select(test("^auto$|shared-memory") | not)'; }

path_in_use() { ublkctl list -o PATH --noheadings --raw; }

# filled: its data is there before it is measured
filled() { dd if=/dev/zero of="$1" bs=1M count="${2:-400}" oflag=direct status=none; }

# with_device FILL COMMAND... -- OPTION...: on a new device, whose node is appended; 3: not on this kernel, or not with
# this target
with_device() {
	local fill=$1 command=() device status=0
	shift
	while [[ $1 != -- ]]; do command+=("$1"); shift; done
	shift
	device=$(ublkctl add "$@" 2>&1) || { status=$?; echo "$device"; return $status; }
	if [[ -n $fill ]]; then filled "$device"; fi
	"${command[@]}" "$device" || status=1
	ublkctl del "$device" || status=1
	return $status
}

# Sets auto_path to the one that auto would take.
choose_auto() {
	ublkctl add "$@" >/dev/null && auto_path=$(path_in_use)
	ublkctl del --all
}

# ours GROUP TARGET-OPTION...: a row for every path, or if $only is set for auto's alone. $fill: write all of it first
only=$SMOKE fill=''
ours() {
	local group=$1 auto_path='' path status out
	shift
	if ! choose_auto "$@"; then broken "$suite: $group: auto"; return; fi
	for path in $(paths); do
		if [[ -n $only && $path != "$auto_path" ]]; then continue; fi
		status=0
		out=$(with_device "$fill" "$measure" "$group" ublkctl "$path" \
			"$([[ $path == "$auto_path" ]] && echo true || echo false)" -- --data-path "$path" "$@") || status=$?
		case $status in
		0) printf '%s\n' "$out"; passed "$suite: $group: ublkctl $path" ;;
		3) ;;	# not on this kernel, or not with this target
		*) broken "$suite: $group: ublkctl $path" "$out" ;;
		esac
	done
}

# shared GROUP TARGET-OPTION...: rows for the paths whose client has its data in memory that it shares. Of huge pages: so
# it is with who wants to be fast.
pool=''
shared() {
	local group=$1 path out status
	shift
	echo 16 >/proc/sys/vm/nr_hugepages
	truncate -s 32M /dev/hugepages/pool
	for path in shared-memory batch-shared-memory; do
		status=0
		out=$(pool=/dev/hugepages/pool with_device '' "$measure" "$group" ublkctl "$path" false -- --data-path "$path" \
			--shared-memory /dev/hugepages/pool "$@") || status=$?
		case $status in
		0) printf '%s\n' "$out"; passed "$suite: $group: ublkctl $path" ;;
		3) ;;	# not on this kernel
		*) broken "$suite: $group: ublkctl $path" "$out" ;;
		esac
	done
	rm /dev/hugepages/pool
	echo 0 >/proc/sys/vm/nr_hugepages
}

# --- what there is to compare with ---

image=/mnt/image

tmpfs_image() {
	mount -t tmpfs -o size=1200M tmpfs /mnt
	dd if=/dev/zero of="$image" bs=1M count=400 status=none
}

# ext4_image: on a brd, so that what is measured is a journal and an allocator and not a disk
ext4_image() {
	modprobe brd rd_nr=1 rd_size=$((480 * 1024))
	mkfs.ext4 -q -F /dev/ram0
	mount /dev/ram0 /mnt
	dd if=/dev/zero of="$image" bs=1M count=400 status=none
	sync -f /mnt
}

no_image() {
	rm -f "$image"
	umount /mnt
	modprobe -r brd 2>/dev/null
}

null_blk() {
	modprobe null_blk queue_mode=2 irqmode=0 bs=512 submit_queues="${1:-1}" hw_queue_depth=128 gb=1
}

# kernel_loop GROUP OPTION...
kernel_loop() {
	local device group=$1
	shift
	device=$(losetup --show -f "$@" "$image") || { broken "$suite: $group: kernel loop"; return; }
	row "$group" 'kernel loop' "$device"
	losetup -d "$device"
}

nbdkit_memory() {
	local pid tries=100
	rm -f /tmp/nbdkit.sock
	modprobe nbd nbds_max=1
	nbdkit -f -U /tmp/nbdkit.sock memory 400M & pid=$!
	until [[ -S /tmp/nbdkit.sock ]] || ! ((tries--)); do sleep 0.1; done
	if nbd-client -unix /tmp/nbdkit.sock /dev/nbd0 >/dev/null 2>&1; then
		filled /dev/nbd0
		row "$1" 'nbdkit memory' /dev/nbd0
		nbd-client -d /dev/nbd0 >/dev/null
	else
		broken "$suite: $1: nbdkit memory"
	fi
	kill "$pid"
	wait "$pid"
}
