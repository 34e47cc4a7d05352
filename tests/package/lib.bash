# shellcheck shell=bash
# The verbs of tests/package/run and steps. Who sources it sets what they need of: here, repo, root.
# shellcheck disable=SC2034,SC2154

number=0 failed=0

# try NAME COMMAND...: a test that is a command, which must succeed. What it says is shown if it does not.
try() {
	local name=$1 said
	shift
	number=$((number + 1))
	if said=$("$@" 2>&1 </dev/null); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		tail -n 60 <<<"$said" | sed 's/^/# /'
		failed=1
		return 1
	fi
}

# bail TEXT: without that, there is nothing to test
bail() {
	echo "Bail out! $1"
	exit 1
}

# equal IS WANTED
equal() { [[ $1 == "$2" ]] || { printf 'is:     %s\nwanted: %s\n' "$1" "$2"; return 1; }; }

# same FILE FILE: byte by byte
same() { cmp -- "$1" "$2"; }

# expected KIND: lines "needed|maybe PATTERN" of tests/package/files
expected() {
	local kinds pattern page
	while read -r kinds pattern; do
		if [[ $kinds == \#* || $kinds != *"$1"* ]]; then continue; fi
		if [[ $kinds == \?* ]]; then echo "maybe $pattern"; else echo "needed $pattern"; fi
	done <"$here/files"
	for page in "$repo"/man/*.scd; do
		page=${page##*/} page=${page%.scd}
		echo "needed share/man/man${page##*.}/${page//./\\.}$([[ $1 == i ]] || echo '\.gz')"
	done
}

# files_are KIND: stdin has the paths of files below the prefix
files_are() {
	local paths need pattern all='' bad=0
	paths=$(cat)
	while read -r need pattern; do
		all+="|$pattern"
		if [[ $need == needed ]] && ! grep -qxE -- "$pattern" <<<"$paths"; then echo "missing: $pattern"; bad=1; fi
	done < <(expected "$1")
	! grep -vxE -- "${all#|}" <<<"$paths" && ((!bad))
}

# files_below DIRECTORY: with links, without directories
files_below() { (cd -- "$1" && find . ! -type d -printf '%P\n'); }

# in_root COMMAND...: in the Debian in $root, with a /proc of its own and none of this machine's devices
in_root() {
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --propagation private bash -c '
		mount -t proc proc "$0/proc" && mount -t devpts devpts "$0/dev/pts" && exec chroot "$0" "$@"' \
		"$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# tree: what is in $root, a line for each file, but for what apt, dpkg and man-db remember or cache
tree() {
	local remembered='./var/(log|cache)|./var/lib/(apt|dpkg/(status|lock|triggers|diversions)|systemd/catalog)|'
	remembered+='./(proc|sys|dev|tmp)/|./etc/(group|gshadow|passwd|shadow|subuid|subgid)-'
	(
		cd "$root" || exit
		find . -xdev -printf '%y %m %U:%G %p %l\n'
		find . -xdev -type f -exec sha256sum {} +
	) | grep -vE " ($remembered)" | LC_ALL=C sort
}
