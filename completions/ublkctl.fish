# Completion of ublkctl for fish: ublkctl itself knows what can follow. Its last line is ":HOW<TAB>HEAD", where HEAD is
# what of the word stands before each candidate; those are the other lines, as "CANDIDATE<TAB>DESCRIPTION".

# Asks, and succeeds if the answer is candidates, which it leaves in $__ublkctl_candidates; else it is names of files.
function __ublkctl_ask
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l word (commandline --cut-at-cursor --current-token)
    set -g __ublkctl_candidates
    # Of one that is not there fish itself would tell.
    command -q $words[1]; or return 0
    set -l lines ($words[1] complete -- $words[2..-1] "$word" 2>/dev/null)
    string match -q ':*' -- $lines[-1]; or return 0
    set -l last (string split \t -- $lines[-1])
    set -e lines[-1]
    switch $last[1]
        case ':files'
            # fish would not look behind -f.
            string match -qr '^-[^-]' -- $last[2]; or return 1
            set lines (complete -C "'' "(string sub -s (math (string length -- $last[2]) + 1) -- "$word"))
        case ':directories'
            set lines (__fish_complete_directories (string sub -s (math (string length -- $last[2]) + 1) -- "$word"))
    end
    set __ublkctl_candidates $last[2]$lines
    return 0
end

complete -c ublkctl -n 'not __ublkctl_ask' -F
complete -c ublkctl -n __ublkctl_ask -f -a '$__ublkctl_candidates'
