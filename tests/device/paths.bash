# shellcheck shell=bash
# Data paths, as the tests know them: apart from the program's own tables. Said `load paths` after `load helpers`.
# shellcheck disable=SC2034,SC2154  # target, file, size ... belong to the tests

# client MODE ...: see the head of client.c. The other $client is a pid.
client() { "${UBLKCTL%/cmd/*}/tests/client" "$@"; }

# One ext4 for all tests of a file, since making and mounting it takes longer than most of them: make_ext4 SIZE
ext4=$BATS_FILE_TMPDIR/ext4
make_ext4() {
	mkfs.ext4 -q -F /dev/ram0 "$1"
	mkdir "$ext4"
	mount /dev/ram0 "$ext4"
}
setup_file() { make_ext4 64M; }
teardown_file() { umount "$ext4"; }

# driver_has PATH: by the age of the kernel, since what the program finds out is what is tested
driver_has() {
	local release major minor
	release=$(uname -r)
	IFS=. read -r major minor _ <<<"$release"
	case $1 in
	copy | direct | map | user-copy) return 0 ;;
	zero-copy) ((major * 100 + minor >= 615)) ;;
	auto-reg) ((major * 100 + minor >= 616)) ;;
	batch-*) ((major >= 7)) ;;
	esac
}

# lacks PATH OPTION...: a driver without it is status 3 and one line; teardown sees that nothing is left
lacks() { refused 3 "data path $1 needs" ublkctl add --data-path "$1" "${@:2}"; }

# observe PATH: the device says that it is what it was told to be; $output has its counters for tally
observe() {
	run_check ublkctl show --json "$id"
	[[ $output == *"\"data_path\":\"$1\""* ]] || same "$output" "$1" "data path"
}

# tally COUNTER: its sum over all queues, without another program
tally() {
	local rest=$output sum=0
	while [[ $rest =~ \"$1\":\ *([0-9]+)(.*) ]]; do
		sum=$((sum + BASH_REMATCH[1])) rest=${BASH_REMATCH[2]}
	done
	echo "$sum"
}

# make_home KIND: where data lies; sets target to the options of add, and file. With the file systems that a full
# machine has, a file is 32 MiB and sparse.
make_home() {
	local kind=$1
	file=${tmpfs-$tmp}/image
	case $kind in
	ramdisk) target=(-t ramdisk --size 32M); return ;;
	null) target=(-t null --size 32M --reads zero); return ;;
	null-any) target=(-t null --size 32M --reads any); return ;;
	ext4-*) file=$ext4/image ;;
	disk-*) file=$disk ;;
	esac
	if [[ $kind != disk-* ]]; then rm -f "$file"; truncate -s 32M "$file"; fi
	target=(-t loop -f "$file")
	case $kind in
	*-direct) target+=(--direct-io on) ;;
	*-cached) target+=(--direct-io off) ;;
	esac
}

# over FUNCTION PATH KIND...: FUNCTION PATH KIND for each, or for all that a file can be; a failure shows which it was.
# Not a test for each, since starting one takes as long as making a device.
over() {
	local function=$1 path=$2 kind
	shift 2
	if [[ $1 == files ]]; then set -- tmpfs ext4-direct ext4-cached; fi
	for kind; do
		make_home "$kind"
		if ! driver_has "$path"; then lacks "$path" "${target[@]}"; return; fi
		printf 'over %s:\n' "$kind"
		"$function" "$path" "$kind"
	done
}

# told ERRNO MODE ...: the client fails, with that text of the C library's
told() {
	must_fail 1 client "${@:2}"
	[[ $output == *": $1" ]] || same "$output" "$1" "error of: ${*:2}"
}

# peeked OFFSET:LENGTH WANTED ...: what reads of the device come to
peeked() { run_check client peek "$dev" "$@"; }
