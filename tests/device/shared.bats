#!/usr/bin/env bats
# Memory that clients share with the handler: requests from there are not copied, all others are.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

pool=/dev/shm/pool

setup() {
	deferred=() tmp=$BATS_TEST_TMPDIR
	truncate -s 32M "$pool"
	defer rm -f "$pool"
}

# A driver without it is status 3 and one line.
has_it() {
	local major
	major=$(uname -r)
	((${major%%.*} >= 7)) && return
	make_home tmpfs
	refused 3 'needs shmem-zero-copy' ublkctl add "${target[@]}" --shared-memory "$pool"
	return 1
}

# verified [FIO-OPTION...]: mixed sizes, written and read back; sets ios to the number of requests. One job: two would
# have their data in the same place.
verified() {
	run_check fio --name=verify --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=32 --size=8m --rw=randwrite \
		--bssplit=512/20:4k/30:12k/10:64k/30:512k/10 --verify=crc32c --verify_fatal=1 --output-format=json "$@"
	ios=$(jq '.jobs[0] | .read.total_ios + .write.total_ios' <<<"$output")
}

# shared_by PATH
shared_by() {
	local before
	add_device "${target[@]}" --data-path "$1" --shared-memory "$pool" -q 2
	echo 2 >"/sys/block/${dev#/dev/}/queue/nomerges"
	verified --mem=mmapshared:"$pool"
	observe "$1"
	before=$(tally shared)
	# fio leaves a few out when it counts its own.
	((before >= ios))
	verified
	run_check client holes "$dev"
	observe "$1"
	same "$(tally shared)" "$before" "requests in shared memory, with a client that has none"
	same "$(tally errors)" 0 errors
	within 60 ublkctl del "$id"
}

@test "shared-memory: verify with and without shared buffers" {
	has_it || return 0
	over shared_by shared-memory files
}
@test "batch-shared-memory: verify with and without shared buffers" {
	has_it || return 0
	over shared_by batch-shared-memory files
}

@test "shared-memory: what is not memory, or of an odd size, is refused" {
	make_home tmpfs
	if ! has_it; then return 0; fi
	for file in /dev/zero "$BATS_TEST_FILENAME"; do
		refused 1 'is not memory; give a file of tmpfs' ublkctl add "${target[@]}" --shared-memory "$file"
	done
	refused 1 'No such file' ublkctl add "${target[@]}" --shared-memory /dev/shm/nosuch
	truncate -s 5000 "$pool"
	refused 1 'has 5000 bytes; give it a multiple of 4096' ublkctl add "${target[@]}" --shared-memory "$pool"
	truncate -s 0 "$pool"
	refused 1 'has 0 bytes' ublkctl add "${target[@]}" --shared-memory "$pool"
}

# bats test_tags=emulated
@test "shared-memory: auto takes it; huge pages do" {
	local huge=/dev/hugepages/pool
	has_it || return 0
	echo 8 >/proc/sys/vm/nr_hugepages
	defer sh -c 'echo 0 >/proc/sys/vm/nr_hugepages'
	truncate -s 16M "$huge"
	defer rm -f "$huge"
	make_home ext4-direct
	add_device "${target[@]}" --shared-memory "$huge"
	observe batch-shared-memory
	# fio itself maps a file of hugetlbfs at the size of huge pages only.
	verified --mem=mmapshared:"$huge" --iodepth=4
	observe batch-shared-memory
	(($(tally shared) > 50))
}

@test "shared-memory: the file is cut while its device is used" {
	has_it || return 0
	make_home ext4-direct
	add_device "${target[@]}" --shared-memory "$pool"
	truncate -s 0 "$pool"
	verified
	observe batch-shared-memory
	same "$(tally errors)" 0 errors
}

@test "shared-memory: the handler dies under load" {
	has_it || return 0
	make_home ext4-direct
	add_device "${target[@]}" --shared-memory "$pool"
	load_device --mem=mmapshared:"$pool" --rw=randrw
	kill -KILL "$pid"
	client_fails
	wait_until 30 gone "$pid"
	within 30 ublkctl del "$id"
}

@test "shared-memory: recover, with the record and without" {
	has_it || return 0
	make_home ext4-direct
	add_device "${target[@]}" --shared-memory "$pool" --recovery reissue
	lost
	within 30 ublkctl recover "$id"
	shared_again
	lost
	rm "$run_dir/$id.json"
	within 30 ublkctl recover "$id" "${target[@]}" --shared-memory "$pool"
	shared_again
}
lost() {
	kill -KILL "$(handler)"
	within 20 ublkctl wait --state quiesced "$id"
}
shared_again() {
	local before
	observe batch-shared-memory
	before=$(tally shared)
	run_check fio --name=again --filename="$dev" --direct=1 --ioengine=io_uring --size=256k --rw=write --mem=mmapshared:"$pool"
	observe batch-shared-memory
	(($(tally shared) > before))
}
