# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for infractl. Verbs, options and names come from `infractl --complete`, which reads the policy
# named on the command line, keeps quiet, and changes nothing.

# Words before the cursor without options and their values: the verb and its arguments.
function __infractl_words
    set -l words (commandline -opc)
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --policy --profiles --state --socket --limit -n --confirm
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# The options that say where to look.
function __infractl_context
    set -l words (commandline -opc)
    set -l take ''
    for word in $words[2..-1]
        if test -n "$take"
            echo $take=$word
            set take ''
            continue
        end
        switch $word
            case --policy --profiles --state --socket
                set take $word
            case '--policy=*' '--profiles=*' '--state=*' '--socket=*' --local
                echo $word
        end
    end
end

function __infractl_ask
    set -l command (commandline -opc)[1]
    set -l verb (__infractl_words)[1]
    $command (__infractl_context) $verb --complete $argv[1] 2>/dev/null
end

# Whether the next word is argument $argv[1] (0 = the verb); further words: of one of these verbs.
function __infractl_at
    set -l words (__infractl_words)
    test (count $words) = $argv[1]; or return 1
    test (count $argv) = 1; or contains -- "$words[1]" $argv[2..-1]
end

function __infractl_plan_of
    set -l words (__infractl_words)
    test (count $words) = 2 -a "$words[1]" = plan; or return 1
    contains -- "$words[2]" $argv
end

complete -c infractl -f
complete -c infractl -n '__infractl_at 0' -a '(__infractl_ask verbs)'
complete -c infractl -n '__infractl_at 1 show start stop restart shell console rollback drift rehearse' -a '(__infractl_ask containers)'
complete -c infractl -n '__infractl_at 1 upgrade plan rehearse' -a '(__infractl_ask upgrades)'
complete -c infractl -n '__infractl_at 1 plan' -a 'apply upgrade rehearse rollback start stop restart'
complete -c infractl -n '__infractl_plan_of rehearse rollback start stop restart' -a '(__infractl_ask containers)'
complete -c infractl -n '__infractl_plan_of upgrade' -a '(__infractl_ask upgrades)'
complete -c infractl -n '__infractl_at 1 report watch' -a '(__infractl_ask runs)'
complete -c infractl -n '__infractl_at 1 report' -a last
complete -c infractl -n '__infractl_at 1 firewall' -a '(__infractl_ask firewall)'
complete -c infractl -n '__infractl_at 1 volume' -a extract
complete -c infractl -n '__infractl_at 2 volume' -a '(__infractl_ask containers)'
complete -c infractl -n '__infractl_at 1 check' -a '(__fish_complete_directories)'

complete -c infractl -l json -d 'answers as JSON'
complete -c infractl -l local -d 'work without infrad, in this process'
complete -c infractl -l policy -r -a '(__fish_complete_directories)' -d 'policy directory'
complete -c infractl -l profiles -r -a '(__fish_complete_directories)' -d 'shipped profiles'
complete -c infractl -l state -r -a '(__fish_complete_directories)' -d 'journal and transcripts'
complete -c infractl -l socket -r -F -d 'socket of infrad'
complete -c infractl -s y -l yes -d 'do not ask before a change'
complete -c infractl -l no-color -d 'no colours'
complete -c infractl -s h -l help -d 'help'
complete -c infractl -l version -d 'the version'
complete -c infractl -n '__infractl_at 1 runs' -s n -l limit -x -d 'at most so many'
complete -c infractl -n 'contains -- rollback (__infractl_words); or contains -- plan (__infractl_words)' -l with-volumes -d 'volumes go back too'
complete -c infractl -n 'contains -- upgrade (__infractl_words)' -l pause-before -x -a cut-over -d 'prepare everything, then wait'
complete -c infractl -n 'contains -- firewall (__infractl_words)' -l confirm -x -a '60s 5m 0' -d 'goes back unless confirmed'
complete -c infractl -n 'contains -- firewall (__infractl_words)' -l policy-side -d 'what the policy wants'
complete -c infractl -n 'contains -- firewall (__infractl_words)' -l for -x -d 'how long a ban holds'
complete -c infractl -n 'contains -- firewall (__infractl_words)' -l zone -x -d 'only from that zone'
complete -c infractl -n 'contains -- report (__infractl_words)' -l steps -d 'every step'
complete -c infractl -n 'contains -- (__infractl_words)[1] apply upgrade rehearse rollback start stop restart resume abort volume' -l detach -d 'do not wait for the end'
