# shellcheck shell=bash
# Real shells at a terminal, and what a line becomes when keys are pressed in them. After `load helpers`.
# shellcheck disable=SC2154  # tmp, program, BUILD and root are set by helpers

# install_completions: as `cmake --install` puts them, below $tmp/usr; the program is there as ublkctl
install_completions() {
	cmake -DCMAKE_INSTALL_PREFIX="$tmp/usr" -P "$BUILD/completions/cmake_install.cmake" >/dev/null
	mkdir "$tmp/bin"
	ln -s "$program" "$tmp/bin/ublkctl"
	PATH=$tmp/bin:$PATH
}

# Each shell gets a key that writes the line to $tmp/lines and empties it (^G), and one that puts all candidates into
# it (^T). TAB is as users have it.
start_file() {
	case $1 in
	bash) cat <<-'END' ;;
		echo $$ >$PID_FILE
		. /usr/share/bash-completion/bash_completion
		bind 'set bell-style none' 'set enable-bracketed-paste off'
		write() { printf '%s\n' "$READLINE_LINE" >>"$LINES_FILE"; READLINE_LINE='' READLINE_POINT=0; }
		bind -x '"\C-g": write'
		bind '"\C-t": insert-completions'
	END
	zsh) cat <<-'END' ;;
		echo $$ >$PID_FILE
		fpath=($SITE_FUNCTIONS $fpath)
		autoload -Uz compinit
		compinit -D -u
		write() { print -r -- "$BUFFER" >>$LINES_FILE; BUFFER= }
		all() { _main_complete "$@"; compstate[insert]=all compstate[list]= }
		zle -N write
		zle -C all complete-word all
		bindkey -e
		bindkey '^g' write
		bindkey '^t' all
	END
	fish) cat <<-'END' ;;
		echo $fish_pid >$PID_FILE
		function fish_greeting; end
		function write; commandline >>$LINES_FILE; commandline ''; end
		function all
			set -l line (commandline --cut-at-cursor)
			commandline (string replace -r '[^ ]*$' '' -- $line)(complete -C $line | string split -f 1 \t | string join ' ')
		end
		bind \cg write
		bind \ct all
	END
	esac
}

# open_shell SHELL: interactive, at a terminal of its own, with the completions where that shell looks for them
open_shell() {
	local home=$tmp/home command
	mkdir -p "$home/.config/fish"
	: >"$tmp/lines"
	mkfifo "$tmp/keys"
	case $1 in
	bash) start_file bash >"$home/.bashrc"; command="bash --noprofile --rcfile $home/.bashrc -i" ;;
	zsh) start_file zsh >"$home/.zshrc"; command='zsh -d -i' ;;
	fish) start_file fish >"$home/.config/fish/config.fish"; command='fish -i' ;;
	esac
	# bats reads its own fd 3 to the end: the shell must not have it.
	env -u BASH_ENV HOME="$home" ZDOTDIR="$home" XDG_CONFIG_HOME="$home/.config" XDG_DATA_HOME="$home" XDG_DATA_DIRS="$tmp/usr/share:/usr/share" TERM=xterm \
		SITE_FUNCTIONS="$tmp/usr/share/zsh/site-functions" LINES_FILE="$tmp/lines" PID_FILE="$tmp/pid" script -qefc "$command" /dev/null \
		<"$tmp/keys" >"$tmp/screen" 2>&1 3>&- &
	shell_job=$!
	defer close_shell
	exec {keys}>"$tmp/keys"
	# What is typed before it listens might be lost.
	wait_until 20 is_listening
	: >"$tmp/lines"
}

is_listening() {
	[[ ! -s $tmp/lines ]] || return 0
	printf '\a' >&"$keys"
	sleep 0.1
	return 1
}

close_shell() {
	if [[ ! ${shell_job-} ]]; then return 0; fi
	exec {keys}>&-
	# They all have their ways with other signals.
	if [[ -s $tmp/pid ]]; then kill -9 "$(<"$tmp/pid")"; else kill "$shell_job"; fi
	wait "$shell_job" || true
	shell_job=''
	rm -f "$tmp/keys" "$tmp/pid"
}

# type_line KEY LINE: sets became, what the line is after the key
type_line() {
	: >"$tmp/lines"
	printf '%s%s' "$2" "$1" >&"$keys"
	printf '\a' >&"$keys"
	wait_until 20 test -s "$tmp/lines"
	became=$(<"$tmp/lines")
}

# tab LINE WANT: with TAB the line becomes that
tab() {
	type_line $'\t' "$1"
	same "$became" "$2" "$1<TAB>"
}

# all LINE: all candidates for its last word, one a line, sorted
all() {
	type_line $'\x14' "$1"
	became=${became#"${1% *} "}
	if [[ $became == "${1##* }" ]]; then return; fi
	# The comma in which zsh lets a list go on is gone when the line is entered.
	tr ' ' '\n' <<<"$became" | sed 's/,$//; /^$/d' | LC_ALL=C sort
}
