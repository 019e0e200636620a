package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}. eval \"$$(roomcast completion bash)\" in ~/.bashrc (zsh: ~/.zshrc) turns it on; in fish, roomcast completion fish | source."`
}

// Run prints the shell's script.
func (c *completionCmd) Run(e env) error {
	script := bashScript(e.model)
	switch c.Shell {
	case "zsh":
		script = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n" + script
	case "fish":
		script = fishScript(e.model)
	}
	_, err := fmt.Fprint(e.screen, script)
	return err
}

// commandPath is a command's name with those above it, "/stage/room"; that of
// the program is "".
func commandPath(n *kong.Node) string {
	if n.Parent == nil {
		return ""
	}
	return commandPath(n.Parent) + "/" + n.Name
}

// walk calls f with n and every command below it.
func walk(n *kong.Node, f func(*kong.Node)) {
	if n.Hidden {
		return
	}
	f(n)
	for _, child := range n.Children {
		walk(child, f)
	}
}

// choices are the words that may come for a flag or an argument.
func choices(v *kong.Value) []string {
	switch {
	case v.Enum != "":
		return strings.Split(v.Enum, ",")
	case strings.HasPrefix(v.Help, idHelp):
		return []string{lastPush}
	}
	return nil
}

// bashScript completes commands, flags and the words that they take; files where
// nothing else fits. zsh understands it, too.
func bashScript(app *kong.Application) string {
	var paths, words, values strings.Builder
	walk(app.Node, func(n *kong.Node) {
		var all []string
		for _, child := range n.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
		for _, v := range n.Positional {
			all = append(all, choices(v)...)
		}
		for _, group := range n.AllFlags(true) {
			for _, flag := range group {
				all = append(all, "--"+flag.Name)
			}
		}
		for _, flag := range n.Flags {
			if of := choices(flag.Value); of != nil {
				fmt.Fprintf(&values, "      %s:--%s) list=%q ;;\n", commandPath(n), flag.Name, strings.Join(of, " "))
			}
		}
		if n.Parent != nil {
			fmt.Fprintf(&paths, "      %s) at=%s ;;\n", commandPath(n), commandPath(n))
		}
		fmt.Fprintf(&words, "      %s:*) list=%q ;;\n", commandPath(n), strings.Join(all, " "))
	})
	return `_roomcast() {
  local list= at= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/${COMP_WORDS[i]}" in
` + paths.String() + `    esac
  done
  case "$at:${COMP_WORDS[COMP_CWORD-1]}" in
` + values.String() + words.String() + `  esac
  COMPREPLY=($(compgen -W "$list" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _roomcast roomcast
`
}

// fishScript says for each command what may come within it.
func fishScript(app *kong.Application) string {
	var b strings.Builder
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	}
	walk(app.Node, func(n *kong.Node) {
		when := "__fish_use_subcommand"
		if n.Parent != nil {
			when = "__fish_seen_subcommand_from " + n.Name
		}
		line := func(format string, args ...any) {
			fmt.Fprintf(&b, "complete -c roomcast -n %s %s\n", quote(when), fmt.Sprintf(format, args...))
		}
		for _, child := range n.Children {
			if !child.Hidden {
				line("-f -a %s -d %s", child.Name, quote(child.Help))
			}
		}
		for _, v := range n.Positional {
			if of := choices(v); of != nil {
				line("-f -a %s", quote(strings.Join(of, " ")))
			}
		}
		for _, flag := range n.Flags {
			if n.Parent == nil { // it goes with every command
				when = "true"
			}
			if flag.Hidden {
				continue
			}
			value := ""
			if of := choices(flag.Value); of != nil {
				value = " -x -a " + quote(strings.Join(of, " "))
			} else if !flag.IsBool() {
				value = " -r"
			}
			line("-l %s%s -d %s", flag.Name, value, quote(flag.Help))
		}
	})
	return b.String()
}
