package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

const about = "cdcsync copies the tables of MySQL or MariaDB into Apache Iceberg and keeps them equal.\n"

func helpCommand() *command {
	return &command{
		name: "help", args: "[COMMAND]", summary: "say how a command is used",
		run: func(_ context.Context, a *app, c *call) error {
			if len(c.args) == 0 {
				fmt.Fprint(a.out, about+usageOf(nil))
				return nil
			}
			all := commands()
			i := slices.IndexFunc(all, func(cmd *command) bool { return cmd.name == c.args[0] })
			if i < 0 {
				return &usageError{text: fmt.Sprintf("unknown command %q%s", c.args[0], didYouMean(c.args[0], all))}
			}
			fmt.Fprint(a.out, helpOf(all[i]))
			return nil
		},
	}
}

func versionCommand() *command {
	return &command{
		name: "version", summary: "print the version",
		run: func(_ context.Context, a *app, c *call) error {
			if len(c.args) > 0 {
				return c.usage("unexpected argument %q", c.args[0])
			}
			fmt.Fprintf(a.out, "cdcsync %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// usageOf is the short usage of a command, or of cdcsync for nil.
func usageOf(c *command) string {
	if c != nil {
		return fmt.Sprintf("usage: cdcsync %s\n", strings.TrimSpace(c.name+" "+c.args))
	}
	var b strings.Builder
	b.WriteString("usage: cdcsync COMMAND [ARGUMENTS]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-24s %s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	b.WriteString("\nExit codes: 0 fine, 1 failed, 2 wrong usage or wrong pipeline file.\n")
	return b.String()
}

func helpOf(c *command) string {
	var b strings.Builder
	b.WriteString(usageOf(c) + "\n" + strings.ToUpper(c.summary[:1]) + c.summary[1:] + ".\n")
	if c.detail != "" {
		b.WriteString("\n" + c.detail + "\n")
	}
	if c.flags == nil {
		return b.String()
	}
	described := &call{flags: flag.NewFlagSet(c.name, flag.ContinueOnError)}
	c.flags(described)
	b.WriteString("\n")
	described.flags.VisitAll(func(f *flag.Flag) {
		if f.Usage == "" {
			return // for those who develop cdcsync
		}
		name, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  %-20s %s\n", strings.TrimSpace(dashes(f.Name)+" "+name), usage)
	})
	return b.String()
}

func dashes(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}
