# fish completion for indexctl
function __indexctl_complete
    set -l cur (commandline -ct)
    set -l out (indexctl completion --complete -- (commandline -opc)[2..] "$cur" 2>/dev/null)
    set -l flag (string match -r -- '^--[^=]*=' "$cur")
    set -l value (string sub -s (math 1 + (string length -- "$flag")) -- "$cur")
    switch "$out[1]"
        case \tfiles
            __fish_complete_path $value | string replace -r '^' -- "$flag"
        case \tdirectories
            __fish_complete_directories $value | string replace -r '^' -- "$flag"
        case '*'
            string join \n -- $out
    end
end
complete -c indexctl -f -a '(__indexctl_complete)'
