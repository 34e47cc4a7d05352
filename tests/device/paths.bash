# shellcheck shell=bash
# Data paths, as the tests know them: apart from the program's own tables. Said `load paths` after `load helpers`.
# shellcheck disable=SC2034,SC2154  # target, file, size ... belong to the tests

client=${UBLKCTL%/cmd/*}/tests/client

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

# is_on PATH: the device says that it is what it was told to be
is_on() {
	run_check ublkctl show --json "$id"
	[[ $output == *"\"data_path\":\"$1\""* ]] || same "$output" "$1" "data path"
}

# make_home KIND: where data lies; sets target to the options of add, and file. With the file systems that a full
# machine has, a file is 32 MiB and sparse.
make_home() {
	local kind=$1
	file=$tmp/image
	case $kind in
	ramdisk) target=(-t ramdisk --size 32M); return ;;
	null) target=(-t null --size 32M --reads zero); return ;;
	null-any) target=(-t null --size 32M --reads any); return ;;
	tmpfs) ;;
	ext4-*) ext4_dir; file=$dir/image ;;
	esac
	truncate -s 32M "$file"
	target=(-t loop -f "$file")
	case $kind in
	*-direct) target+=(--direct-io on) ;;
	*-cached) target+=(--direct-io off) ;;
	esac
}

# pattern LETTER SIZE: that much of it on stdout
pattern() { head -c "$2" /dev/zero | tr '\0' "$1"; }

# fails_with ERRNO COMMAND...: in bounded time, with that text of the C library's
fails_with() {
	local text=$1
	shift
	must_fail any timeout -k 5 60 "$@"
	[[ $output == *"$text"* ]] || same "$output" "$text" "error of: $*"
}
